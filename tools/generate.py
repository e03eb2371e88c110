#!/usr/bin/env python3
"""Writes the API's models and operation table from the facts in `orchestrator/metastudio/spec/`.

`python tools/generate.py` writes, `--check` exits 1 when something would change. One module per API category, so that
using one category doesn't load the others; schemas that several categories share go to `common`.
"""

import argparse
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tools.generate_api import paged_items, write_api
from tools.generate_models import HEADER, PACKAGE, ModelWriter, write_models
from tools.generate_parameters import parameters_text
from tools.generate_ssml import write_ssml
from tools.schemas import Api, refs

SPEC = PACKAGE / "spec"

#: POSTs outside `create…` that make something a second time when sent a second time: a copy, a paid livestream, a
#: spoken insertion, a reported event.
CREATES_TOO = {"copy_video_scripts", "start_smart_live", "execute_smart_live_command", "live_event_report"}
#: A POST only because its list of ids doesn't fit into a URL.
READS_TOO = {"list_asset_summary", "show_training_segment_info"}


def success_schema(operation: Mapping[str, Any]) -> str | None:
    for status, response in operation["responses"].items():
        if status.startswith("2"):
            return next(refs(response.get("content", {})), None)
    return None


def write_operations(api: Api, rates: Mapping[str, Any]) -> dict[Path, str]:
    """Text of `operations.py`: a constant per operation, their table, and the rate table by region."""
    names, texts, used = [], [], set()
    for path, method, operation in api.operations():
        name = operation["operationId"]
        names.append(name)
        body = next(refs(operation.get("requestBody", {}).get("content", {})), None)
        answer = success_schema(operation)
        ids = [
            f"{api.module_of[x]}.{x if i == 0 else api.read_name(x)}" if x else None
            for i, x in enumerate((body, answer))
        ]
        used |= {x.split(".")[0] for x in ids if x}
        texts.append(operation_text(api, path, method, operation, ids))
    table: dict[str, list[str]] = {region: [] for region in rates["regions"]}
    for rows in rates["categories"].values():
        for row in (row for row in rows if row["operation"]):
            for region, lines in table.items():
                lines.append(f"{row['operation']!r}: {float(row[region])},")
    public = ["OPERATIONS", "RATES", "AnyOperation", "Operation", *sorted(names)]
    text = "".join(
        [
            HEADER.format(
                title="The 66 operations of the API and the calls per second that each region grants (reference Table 1-3)."
            ),
            "from __future__ import annotations\n\n",
            "from collections.abc import Mapping\nfrom types import MappingProxyType\nfrom typing import TYPE_CHECKING\n\n",
            "from orchestrator.metastudio.operation import AnyOperation, Operation\n\n",
            f"if TYPE_CHECKING:\n    from orchestrator.metastudio.models import {', '.join(sorted(used))}\n\n",
            f"__all__ = {public!r}\n\n",
            *texts,
            "#: By operation id.\n",
            "OPERATIONS: Mapping[str, AnyOperation] = MappingProxyType({operation.id: operation for operation in (",
            *(f"{name}," for name in names),
            ")})\n\n#: Calls per second and tenant, by region and operation id.\n",
            "RATES: Mapping[str, Mapping[str, float]] = MappingProxyType({",
            *(f"{region!r}: MappingProxyType({{{''.join(lines)}}})," for region, lines in table.items()),
            "})\n",
        ]
    )
    return {PACKAGE / "operations.py": text}


def creates_something(method: str, name: str) -> bool:
    return method == "POST" and (name.startswith("create") or name in CREATES_TOO)


def operation_text(
    api: Api, path: str, method: str, operation: Mapping[str, Any], ids: list[str | None]
) -> str:
    name = operation["operationId"]
    query = [one for one in operation["parameters"] if one.get("in") == "query"]
    required = [one["name"] for one in query if one.get("required")]
    arguments = {
        "id": name,
        "method": method,
        "path": path,
        "category": operation["tags"][0],
        "section": operation["x-doc-section"],
        "summary": operation["summary"],
        "request_ref": ids[0] and ids[0].replace(".", ":"),
        "response_ref": ids[1] and ids[1].replace(".", ":"),
        "request_required": operation.get("requestBody", {}).get("required", False),
        "query": tuple(one["name"] for one in query),
        "required_query": tuple(required),
        "list_query": tuple(one["name"] for one in query if one["schema"].get("type") == "array"),
        "items": (paged_items(api, operation) or ("",))[0],
        "creates": creates_something(method, name),
        "reads": method == "GET" or name in READS_TOO,
    }
    shown = ", ".join(f"{key}={value!r}" for key, value in arguments.items() if value)
    return f"{name}: Operation[{ids[0]}, {ids[1]}] = Operation({shown})\n"


def write_parameters(api: Api) -> dict[Path, str]:
    """Text of `parameters.py`."""
    writer = ModelWriter(api, strict=True)
    text = parameters_text(
        api.document,
        HEADER,
        lambda name, schema, required: writer.property(name, schema, required=required),
    )
    return {PACKAGE / "parameters.py": text}


def formatted(path: Path, text: str) -> str:
    """`text` as ruff would leave it, imports sorted."""
    for command in (["check", "--select=I", "--fix-only", "--quiet"], ["format", "--quiet"]):
        text = subprocess.run(  # noqa: S603  the command is fixed, the text goes through stdin
            [sys.executable, "-m", "ruff", *command, f"--stdin-filename={path}", "-"],
            input=text,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    return text


def generate() -> dict[Path, str]:
    """Every generated file, path and text."""
    yaml = YAML(typ="safe")
    api = Api(yaml.load((SPEC / "metastudio.openapi.yaml").read_text()))
    rates = yaml.load((SPEC / "rate-limits.yaml").read_text())
    creates = {
        one["operationId"]
        for _, method, one in api.operations()
        if creates_something(method, one["operationId"])
    }
    ssml = yaml.load((SPEC / "ssml.yaml").read_text())
    return {
        path: formatted(path, text)
        for path, text in (
            write_models(api)
            | write_operations(api, rates)
            | write_api(api, creates)
            | write_parameters(api)
            | write_ssml(ssml, PACKAGE)
        ).items()
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--check", action="store_true", help="write nothing, exit 1 if something would change"
    )
    check = parser.parse_args().check
    stale = [
        (path, text) for path, text in generate().items() if not path.exists() or path.read_text() != text
    ]
    for path, text in stale:
        print(f"{'stale' if check else 'written'}: {path}")  # noqa: T201  a command's output
        if not check:
            path.write_text(text)
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
