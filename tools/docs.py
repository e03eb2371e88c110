#!/usr/bin/env python3
"""Writes the reference pages of `docs/` from the code that they describe, and checks every link.

`python tools/docs.py` writes, `--check` writes nothing and exits 1 when a page is stale or a link leads nowhere.
"""

import argparse
import csv
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from tools.docs_adoption import adoption_page
from tools.docs_catalog import catalog_page
from tools.docs_emulator import coverage_page
from tools.docs_expressions import expressions_page
from tools.docs_markdown import Schema, anchor_of, code, members, page, slug, summary, table
from tools.docs_rules import rules_page

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"

# Pages


def steps_page() -> str:
    """Every step kind, its parameters and outputs; those that are calls of the API in one section."""
    from orchestrator.definition.kinds import API  # noqa: PLC0415 - each page loads only what it describes
    from orchestrator.steps.base import kinds  # noqa: PLC0415 - as above

    own = {name: kind for name, kind in kinds().items() if not name.startswith(API)}
    calls = f"{API}<operation>"
    parts: list[str] = [
        "What `uses` may name. A parameter may be an expression instead of a value; so may any value inside it.",
        table(
            ["kind", "what it does"],
            [
                *([f"[{name}](#{slug(name)})", f"{kind.summary}."] for name, kind in own.items()),
                [
                    f"[`{calls}`](#{slug(calls)})",
                    f"Calls any of the {len(kinds()) - len(own)} operations of the API.",
                ],
            ],
        ),
    ]
    for name, kind in own.items():
        schema = kind.params.model_json_schema(by_alias=True)
        link = anchor_of(f"{name} ")
        outputs = ", ".join(code(output) for output in sorted(kind.outputs)) or "none"
        parts += [f"## {name}", f"{kind.summary}. {summary(kind.__doc__)}", f"Outputs: {outputs}."]
        parts += ["Parameters:", members(schema, link)] if schema.get("properties") else ["No parameters."]
        for inner, definition in sorted(schema.get("$defs", {}).items()):
            parts += [f"### {name} {inner}", members(definition, link) or "No members."]
    return page("Step kinds", "`orchestrator/steps/`", *parts, f"## `{calls}`", *_api_step())


def _api_step() -> Iterator[str]:
    from orchestrator.steps.api_operation import ADOPTING, ApiOperation  # noqa: PLC0415 - as above

    yield from (" ".join(part.split()) for part in inspect.cleandoc(ApiOperation.__doc__ or "").split("\n\n"))
    yield (
        "[The table of operations](operations.md) has a kind for each of them; `orchestrator api show OPERATION` prints "
        "its parameters, their limits and an example. [How to call the API](../howto/call-the-api.md) shows one in a "
        "pipeline."
    )
    yield "These have kinds of their own, which do more or are easier to write:"
    yield table(
        ["operation", "better"], ([code(name), f"[{kind}](#{slug(kind)})"] for name, kind in ADOPTING.items())
    )


def settings_page() -> str:
    """Every setting with its variable, default and meaning."""
    from orchestrator.settings import Settings  # noqa: PLC0415 - each page loads only what it describes

    rows = [
        [
            code(name),
            code("ORCHESTRATOR_" + name.upper().replace(".", "__")),
            code(default),
            meaning,
        ]
        for name, default, meaning in _settings(Settings, "")
    ]
    return page(
        "Settings",
        "`orchestrator/settings.py`",
        "Flags go before the environment, that before the config file (`--config FILE`, else "
        "`config/orchestrator.yaml` when it exists), that before the defaults. In the file a dot is a level of the "
        "mapping. `orchestrator config show --origin` prints every effective value and where it came from.",
        "Secrets (marked) can also be read from a file: `NAME_file` in the config file, `…_FILE` in the "
        "environment. In the environment, lists are separated by commas or written as JSON, mappings are JSON.",
        table(["setting", "environment", "default", "meaning"], rows),
        "This version keeps its state in SQLite only.",
        "The SDK's usual names serve as well: `HUAWEICLOUD_SDK_PROJECT_ID` where no `project_id` is set; "
        "`HUAWEICLOUD_SDK_AK`, `HUAWEICLOUD_SDK_SK` and `HUAWEICLOUD_SDK_SECURITY_TOKEN` where no `auth` is set.",
    )


def _settings(group: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, str]]:
    comments, sample = _comments(group), _sample_comments()
    for name, info in group.model_fields.items():
        kind = info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _settings(kind, f"{prefix}{name}.")
            continue
        default = info.get_default(call_default_factory=True, validated_data={})
        shown = default if isinstance(default, str | int | float) else str(default or "").removeprefix("()")
        secret = "Secret. " if "SecretStr" in str(kind) else ""
        about = (
            sample.get(f"{prefix}{name}")
            or comments.get(name)
            or sample.get(prefix.split(".", maxsplit=1)[0], "")
        )
        yield f"{prefix}{name}", str(shown), secret + about


def _sample_comments() -> dict[str, str]:
    """What `config/orchestrator.yaml` says: the lines above a top-level key, and those behind a nested one."""
    found: dict[str, str] = {}
    above: list[str] = []
    group = ""
    for line in (ROOT / "config" / "orchestrator.yaml").read_text(encoding="utf-8").splitlines():
        if key := re.match(r"#(\w+):", line):
            group = key[1]
            found[group], above = " ".join(above), []
        elif said := re.match(r"# (\S.*)", line):
            above.append(said[1])
        elif nested := re.match(r"#  (\w+): .*?# (?!example)(.+)", line):
            found[f"{group}.{nested[1]}"] = nested[2][0].upper() + nested[2][1:] + "."
        elif not line.strip():
            above = []
    return found


def _comments(group: type[BaseModel]) -> dict[str, str]:
    """The `#:` lines above each field."""
    found: dict[str, str] = {}
    said: list[str] = []
    for line in inspect.getsource(group).splitlines():
        if comment := re.match(r"    #: (.*)", line):
            said.append(comment[1])
        elif field := re.match(r"    (\w+): ", line):
            found[field[1]], said = " ".join(said), []
    return found


def operations_page() -> str:
    """The API's operations: place, quota, step kind, and whether the emulator plays them."""
    from orchestrator.cli.api_list import effect, step_name  # noqa: PLC0415 - as above
    from orchestrator.emulator.behaviours import behaviours  # noqa: PLC0415 - as above
    from orchestrator.metastudio.operations import OPERATIONS, RATES  # noqa: PLC0415 - as above

    played = behaviours()
    silent = "" if len(played) == len(OPERATIONS) else "; it answers the others with an error that says so"
    parts = [
        (
            f"The {len(OPERATIONS)} operations of the MetaStudio API, by category. The rates are the published calls per second "
            "of a tenant, by region; `limits` in the settings overrides them. The section is that of the API reference. An "
            "operation that creates something makes, and may charge, another when it is called twice."
        ),
        (
            "The step is the [step kind](steps.md) that carries the operation out. `orchestrator api show OPERATION` explains "
            f"an operation, [how to call it](../howto/call-the-api.md) is told elsewhere. The emulator plays {len(played)} of "
            f"them{silent}."
        ),
    ]
    head = ["operation", "what", "call", "section", "does", *RATES, "step", "emulator"]
    for category in dict.fromkeys(operation.category for operation in OPERATIONS.values()):
        rows = [
            [
                code(operation.id),
                operation.summary,
                code(f"{operation.method} {operation.path}"),
                operation.section,
                effect(operation),
                *(f"{RATES[region][operation.id]:g}" for region in RATES),
                code(step_name(operation.id)),
                "yes" if operation.id in played else "",
            ]
            for operation in OPERATIONS.values()
            if operation.category == category
        ]
        parts += [f"## {category}", table(head, rows)]
    return page("Operations", "`orchestrator/metastudio/spec/` and the emulator's behaviours", *parts)


#: Codes of our own that a failed step or run may carry.
OWN_CODES = {
    "TIMEOUT": "The step was not done within its `timeout`.",
    "EXPRESSION": "An expression could not be worked out from the values at hand.",
    "PARAMETERS": "The values of a step do not fit its kind.",
    "SECRET": "A step needs a secret that this process does not have: set it, then resume the run.",
    "NO_ANSWER": "Requests ended without an answer, and nothing that they made was found.",
    "ROWS": "Some child runs failed.",
    "ITEMS": "Some items of a step with `foreach` were not done.",
    "SUB_RUN": "The run of another pipeline that a step waits for did not succeed, or is paused; the message says why.",
    "STORE": "The child runs of a step could not be written down; it is tried again.",
    "REJECTED": "Somebody rejected what the step asked an approval for.",
    "DEFECT": "A defect in a step kind; the log has the details.",
    "EMPTY_FILE": "A file to be sent has no content.",
    "BAD_PACKAGE": "A ZIP of recordings cannot be read, or has no recording in it.",
    "BAD_RECORDING": "A recording is not of a kind, or of a size, that the service takes.",
    "RECORDINGS": "A script has more or fewer scenes of recorded speech than there are recordings.",
    "INCOMPLETE_RECORDINGS": "A sentence, or its text, is missing among the recordings of a voice.",
    "NOT_AS_WRITTEN": "What is said in a recorded sentence is not what its text says.",
    "EXCUTE_FAILED": "The service does not carry out a command to an avatar's training job.",
    "PREVIEW_FAILED": "A speech preview was not made; the message is the service's.",
    "CREATING": "A voice's training job was never handed in.",
    "TOO_LARGE": "A file is larger than its category allows.",
    "BAD_ANSWER": "The API's answer lacks what it should have.",
    "NO_ROOM": "The tags or the private data of a request leave no room for the mark by which a lost one is found.",
    "NO_FILE": "The asset has no file to download yet.",
    "TOO_MANY": "More assets fit than `asset.list` was asked for.",
    "SAME_REGION": "An asset would be copied from a region to itself.",
    "NO_REGION": "The settings do not say how another region is called.",
    "LIVE_ENDED": "A livestream ended without the event that was waited for.",
    "NO_ADDRESS": "MetaStudio has no address to which it could report the events of a livestream.",
    "NO_HTTPS": "MetaStudio reports the events of livestreams to HTTPS addresses only.",
    "NO_PAGE": "The service has no picture of a slide.",
    "NO_VIDEO": "There is no video to have subtitles.",
    "NO_SUBTITLES": "The service has made no subtitles of the video.",
    "BAD_SUBTITLES": "The service's subtitles cannot be read.",
    "NO_TIMES": "Nothing tells where in the video a scene's subtitles begin.",
    "FILE": "A file cannot be written; it is tried again.",
    "BAD_PATH": "A file name leads out of the folders that may be read or written.",
    "UNREACHABLE": "MetaStudio could not be reached, so nothing was sent.",
}
_RETRY = {
    "later": "The cause passes by itself: the step is tried again.",
    "quota": "Buy or free quota, or get the permission.",
    "support": "The provider has to act: give support the code and the request id.",
    "never": "The request has to change.",
}


def error_codes_page() -> str:
    """What error codes mean for a retry."""
    from orchestrator.metastudio.errors import FAMILIES  # noqa: PLC0415 - as above

    spec = ROOT / "orchestrator" / "metastudio" / "spec" / "error-codes.csv"
    with spec.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    parts = [
        (
            "Every error has a retry class, which says what repeating the same request may achieve. A step's `retry.on` "
            "names the classes that it tries again; `later` by default. Codes of the object storage are shown as the storage sent them."
        ),
        "## The orchestrator's own",
        table(["code", "meaning"], ([code(key), value] for key, value in OWN_CODES.items())),
        "`HTTP_` and a status: a receiver of `notify.webhook` refused the message.",
        "## The API's",
        (
            f"{len(rows)} codes are known; their texts come with the answer. A code that is not known goes by its HTTP "
            "status: 408, 425, 429 and 5xx (but 501) are `later`, everything else is `never`. Throttling is `APIGW.0308`."
        ),
    ]
    for retry, meaning in _RETRY.items():
        codes = sorted({row["code"] for row in rows if row["retry"] == retry})
        listed = " ".join(map(code, codes)) if retry != "never" else f"The other {len(codes)}."
        parts += [f"### {retry}", meaning, listed]
    parts += [
        "## In Python",
        (
            "An answer that is a refusal is raised as the exception of its family, all of them an `ApiError`; its `code`, "
            "`status`, `retry`, `executed`, `retry_after_s` and `request_id` say the rest."
        ),
        table(
            ["exception", "meaning"], ([code(one.__name__), inspect.getdoc(one) or ""] for one in FAMILIES)
        ),
    ]
    return page("Error codes", "`orchestrator/metastudio/spec/error-codes.csv`", *parts)


def definition_page() -> str:
    """The keys of a definition and the codes of its mistakes."""
    from orchestrator.definition.problems import Code  # noqa: PLC0415 - as above
    from orchestrator.definition.schema import definition_schema  # noqa: PLC0415 - as above

    schema = definition_schema()
    link = anchor_of("")
    parts = [
        (
            "The keys of a pipeline file, from the models that read it. `orchestrator schema` prints the same as JSON Schema. "
            "How to write one is told in [pipelines/README.md](../../pipelines/README.md); the parameters of each step kind "
            "stand in [steps.md](steps.md)."
        ),
        "This version reads and checks `on`, but no trigger starts runs yet: `orchestrator run` does.",
        "## The file",
        members(schema, link, schema),
    ]
    for name in reachable(schema):
        definition = schema["definitions"][name]
        parts += [f"## {name}", summary(definition.get("description", "")), members(definition, link, schema)]
    parts += [
        "## Problem codes",
        (
            "Mistakes are printed as `file:line:col: code message`, all at once, before anything is called. "
            "[rules.md](rules.md) has examples of each."
        ),
        table(["code", "meaning"], ([code(item.value), item.meaning] for item in Code)),
    ]
    return page("Definitions", "`orchestrator/definition/`", *parts)


def reachable(schema: Schema) -> list[str]:
    """The names of the definitions in the order in which a reader meets them."""
    met: list[str] = []
    queue: list[Any] = [schema.get("properties", {})]
    while queue:
        match queue.pop(0):
            case {"$ref": str(target)}:
                name = target.rsplit("/", 1)[-1]
                if name not in met:
                    met.append(name)
                    queue.append(schema["definitions"][name])
            case dict() as inner:
                queue.extend(inner.values())
            case list() as inner:
                queue.extend(inner)
    return met


def ssml_page() -> str:
    """The tags of speech, and the codes of its problems."""
    from orchestrator.metastudio import ssml  # noqa: PLC0415 - as above
    from orchestrator.metastudio.ssml.grammar import VIDEO_TAGS  # noqa: PLC0415 - as above

    rows = []
    for name, tag in ssml.TAGS.items():
        inside = [*(["text"] if tag.text else []), *(code(f"<{child}>") for child in tag.children)]
        rows.append(
            [
                code(f"<{name}/>" if tag.empty else f"<{name}>"),
                "; ".join(_attribute(*item) for item in tag.attributes.items()),
                ", ".join(inside) or "nothing",
                "yes" if name in VIDEO_TAGS else "",
                ", ".join(code(field) for field in tag.capabilities.values()),
            ]
        )
    return page(
        "Speech",
        "`orchestrator/metastudio/ssml/`",
        "What `text_config.text` and an input of the type `ssml` may hold: plain text, or text with tags inside one "
        "`<speak>` (API reference, 11.7 and Table 11-3). [How to write speech](../howto/write-speech.md) has examples.",
        f"At most {ssml.SPOKEN_LIMIT:,} characters are spoken, counted without the tags and with an entity as one; with its tags "
        f"a text has at most {ssml.TEXT_LIMIT:,}. Text without tags is sent as it is: `&` and `<` stand for themselves, and "
        "an entity is read out. Inside `<speak>`, `&` is written `&amp;` and `<` is written `&lt;`. Declarations, "
        "instructions, CDATA and entities of one's own are refused.",
        "A text has tags when it begins with `<speak`, when a tag of the table stands in it up to its `>`, or when a name "
        "close to one of the table is written as only tags are: closed in itself (`<brake/>`), closing (`</brake>`), or with "
        'an attribute (`<breakk time="1s">`). All other angle brackets, as in `vector<int>`, `Press <Enter>` or '
        "`5 <sub 7`, are spoken as they stand, with a warning where they look like a tag. A byte order mark in front of a "
        "text is not sent; control characters other than tabs and line ends are refused.",
        "## Tags",
        table(["tag", "attributes", "holds", "works in videos", "the voice needs"], rows),
        "What a voice supports is in `voice_capability` of its asset details; a field that is missing there means no.",
        "## Problem codes",
        "An error keeps a text from being sent; a warning, such as of a tag without effect, is told and no more. In "
        "definitions and tables every error is reported before anything is called, with its line and column inside "
        "the text; a running `script.create` logs the warnings as `speech.doubtful`.",
        table(["code", "meaning"], ([code(item.value), item.meaning] for item in ssml.Code)),
    )


def _attribute(name: str, attribute: Any) -> str:
    match attribute.form:
        case "enum":
            values = ", ".join(map(code, attribute.values))
        case "duration":
            values = f"{attribute.least}ms to {attribute.most}ms, in `ms` or `s`"
        case "integer":
            values = f"{attribute.least} to {attribute.most} {attribute.unit}".rstrip()
        case _:
            values = f"text such as {code(attribute.example)}" if attribute.example else "text"
    return f"{code(name)}{'' if attribute.required else ' (optional)'}: {values}"


def cli_page() -> str:
    """Every command's own help."""
    from typer.main import get_command  # noqa: PLC0415 - as above

    from orchestrator.cli.main import app  # noqa: PLC0415 - as above

    parts = [
        (
            "Results go to stdout, logs and progress to stderr. Exit codes: 0 done, 1 a run failed, 2 wrong usage, definition "
            "or setting, 3 something needed cannot be reached, 130 interrupted, 141 the reader of stdout has gone. `NO_COLOR` turns colour off."
        ),
    ]
    for name, command in commands(get_command(app), "orchestrator"):
        context = command.make_context(name, [], resilient_parsing=True, terminal_width=100)
        parts += [f"## {name}", f"```\n{command.get_help(context).strip()}\n```"]
    return page("Commands", "`orchestrator/cli/`", *parts)


def commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """A command and those below it, with their whole names."""
    yield name, command
    for below, child in getattr(command, "commands", {}).items():
        if not child.hidden:
            yield from commands(child, f"{name} {below}")


PAGES: Mapping[str, Callable[[], str]] = {
    "adoption.md": adoption_page,
    "expressions.md": expressions_page,
    "rules.md": rules_page,
    "cli.md": cli_page,
    "settings.md": settings_page,
    "steps.md": steps_page,
    "operations.md": operations_page,
    "error-codes.md": error_codes_page,
    "definition.md": definition_page,
    "catalog.md": catalog_page,
    "ssml.md": ssml_page,
    "emulator-coverage.md": coverage_page,
}


# Links


def documents() -> list[Path]:
    """Every Markdown page that people read."""
    top = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "pipelines/README.md")]
    return [path for path in (*top, *sorted((ROOT / "docs").rglob("*.md"))) if path.is_file()]


def broken_links() -> list[str]:
    """`page: target` for each relative link that leads nowhere."""
    found = []
    for path in documents():
        text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", text)):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            there = (path.parent / name).resolve() if name else path
            if not there.exists() or (anchor and anchor not in anchors(there)):
                found.append(f"{path.relative_to(ROOT)}: {target}")
    return found


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings."""
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    return {slug(heading) for heading in re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)}


def main() -> int:
    """Writes or checks; the exit code."""
    parser = argparse.ArgumentParser(description=summary(__doc__))
    parser.add_argument(
        "--check", action="store_true", help="write nothing, exit 1 if something would change"
    )
    check = parser.parse_args().check
    wrong = []
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name, make in PAGES.items():
        path, text = REFERENCE / name, make()
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            if check:
                wrong.append(f"stale: {path.relative_to(ROOT)} (run `make docs`)")
            else:
                path.write_text(text, encoding="utf-8")
    wrong += [f"broken link: {link}" for link in broken_links()]
    for line in wrong:
        print(line, file=sys.stderr)  # noqa: T201  a command's output
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
