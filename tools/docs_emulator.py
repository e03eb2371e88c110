# ruff: noqa: INP001 - the tools are scripts; a package of them would be installed

"""The page of what the emulator plays and who has checked it. A part of `tools/docs.py`."""

import ast
from collections import Counter
from pathlib import Path

from tools.docs_markdown import code, page, table

SUITE = Path(__file__).resolve().parent.parent / "tests" / "conformance"
_SPEC = Path(__file__).resolve().parent.parent / "orchestrator" / "metastudio" / "spec"


def operations_called(source: str) -> dict[str, set[str]]:
    """The operations that each test function in `source` calls through the official SDK: `sdk.<operation>(...)`."""
    return {
        function.name: {
            node.func.attr
            for node in ast.walk(function)
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "sdk"
        }
        for function in ast.parse(source).body
        if isinstance(function, ast.FunctionDef) and function.name.startswith("test_")
    }


def checked_by_sdk() -> Counter[str]:
    """How many tests of the conformance suite call each operation; a test fails unless all that it names succeed."""
    return Counter(
        operation
        for path in sorted(SUITE.glob("test_sdk_*.py"))
        for called in operations_called(path.read_text("utf-8")).values()
        for operation in called
    )


def coverage_page() -> str:
    """Per operation: whether it is played, checked by the SDK, and with how many of the reference's examples."""
    from orchestrator.emulator.behaviours import behaviours  # noqa: PLC0415 - each page loads only what it describes
    from orchestrator.metastudio.operations import OPERATIONS  # noqa: PLC0415 - as above

    played, by_sdk, examples = behaviours(), checked_by_sdk(), _examples()
    rows = [
        [
            code(operation.id),
            operation.section,
            "yes" if operation.id in played else "no",
            _tests(by_sdk[operation.id]),
            str(examples[operation.id] or ("" if operation.request is None else "none sound")),
            "not yet",
        ]
        for operation in OPERATIONS.values()
    ]
    return page(
        "What the emulator covers",
        "the emulator's behaviours and `tests/conformance/`",
        f"The emulator plays {len(played)} of the API's {len(OPERATIONS)} operations. This page says of each how far its "
        "truth has been tested.",
        "SDK: the tests of `tests/conformance/` that call it through the official Python SDK (`huaweicloudsdkmetastudio` "
        "3.1.219), which signs the request, and whose models have to read the whole answer; the answer also has to fit "
        "its schema in the API document. Requests made from the schemas, sound and broken, are sent to every operation "
        "as well.",
        "Examples: request bodies that are sent as the API reference prints them, to an emulator in which what they name "
        "exists; none is found at fault in its form. None is sound where the reference prints none, or one that breaks "
        "its own tables.",
        "Live: whether answers were laid beside those of the real service. None were so far: no account was at hand.",
        table(["operation", "section", "played", "SDK", "examples", "live"], rows),
    )


def _tests(count: int) -> str:
    return "" if not count else f"{count} test{'' if count == 1 else 's'}"


def _examples() -> Counter[str]:
    """How many sound examples of requests the document holds for each operation."""
    from ruamel.yaml import YAML  # noqa: PLC0415 - each page loads only what it describes

    document = YAML(typ="safe").load((_SPEC / "metastudio.openapi.yaml").read_text("utf-8"))
    return Counter(
        operation["operationId"]
        for item in document["paths"].values()
        for operation in item.values()
        for content in operation.get("requestBody", {}).get("content", {}).values()
        for example in content.get("examples", {}).values()
        if "x-doc-bug" not in example
    )
