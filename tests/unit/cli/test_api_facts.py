"""What is read of the OpenAPI file for one operation."""

import json
from importlib.resources import files
from typing import Any

import pytest
from ruamel.yaml import YAML

from orchestrator.cli.api_facts import Facts, facts, find_operation
from orchestrator.errors import UsageError
from orchestrator.metastudio.operations import OPERATIONS


@pytest.fixture(scope="module")
def document() -> Any:
    text = files("orchestrator.metastudio").joinpath("spec/metastudio.openapi.yaml").read_text("utf-8")
    return YAML(typ="safe").load(text)


@pytest.fixture(scope="module")
def whole() -> dict[str, Facts]:
    return {name: facts(operation) for name, operation in OPERATIONS.items()}


def targets(node: Any) -> list[str]:
    if isinstance(node, dict):
        here = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return here + [one for value in node.values() for one in targets(value)]
    return [one for value in node for one in targets(value)] if isinstance(node, list) else []


def test_the_lines_that_are_read_say_what_the_whole_file_says(document: Any, whole: dict[str, Facts]) -> None:
    """Parameters, fields and examples are those of the file, for every operation."""
    seen = 0
    for item in document["paths"].values():
        for operation in item.values():
            found = whole[operation["operationId"]]
            body = operation.get("requestBody", {}).get("content", {}).get("application/json")
            assert (found.body is None) == (body is None)
            if found.body is not None:
                name = body["schema"]["$ref"].rsplit("/", 1)[-1]
                schema = document["components"]["schemas"][name]
                assert list(found.resolved(found.body)["properties"]) == list(schema["properties"])
                values = [one["value"] for one in body.get("examples", {}).values()]
                assert found.body_example in (values or [None])
            taken = {one.name for one in found.parameters if one.place != "header"}
            assert taken == {*OPERATIONS[operation["operationId"]].query, *found.operation.path_names}
            seen += 1
    assert seen == len(OPERATIONS) == 66


def test_a_schema_stands_for_itself(whole: dict[str, Facts]) -> None:
    """Every reference leads to a definition beside it, none to the file that it came from."""
    for found in whole.values():
        for schema in (found.body, found.answer):
            if schema is not None:
                document = found.schema(schema)
                assert {target.removeprefix("#/$defs/") for target in targets(document)} == set(
                    document["$defs"]
                )
                assert "x-doc" not in json.dumps(document)


@pytest.mark.parametrize(
    "name", ["list_assets", "ListAssets", "list-assets", "api.list_assets", "LISTASSETS"]
)
def test_an_operation_is_found_by_each_spelling(name: str) -> None:
    """The API reference, URLs and pipeline files write it differently."""
    assert find_operation(name).id == "list_assets"


def test_the_spellings_of_the_reference_are_unique() -> None:
    """No two operations differ only by capitals and underscores."""
    for name in OPERATIONS:
        assert find_operation(name).id == name


@pytest.mark.parametrize(
    ("name", "hint"),
    [("ListAsset", "did you mean 'list_assets'?"), ("zzz", "`orchestrator api list` shows them.")],
)
def test_an_unknown_operation_is_told_with_what_was_meant(name: str, hint: str) -> None:
    """The nearest name, or where the names are."""
    with pytest.raises(UsageError) as caught:
        find_operation(name)
    assert (caught.value.message, caught.value.hint) == (f"The API has no operation {name!r}.", hint)
