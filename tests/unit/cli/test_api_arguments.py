"""`-p` and `--body` as the parts of a call."""

import io
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from orchestrator.cli.api_arguments import Arguments, read_arguments
from orchestrator.cli.api_facts import facts
from orchestrator.errors import UsageError
from orchestrator.metastudio.operations import OPERATIONS


def read(operation: str, *given: str, body: str | None = None) -> Arguments:
    return read_arguments(facts(OPERATIONS[operation]), given, body)


def refused(operation: str, *given: str, body: str | None = None) -> list[str]:
    with pytest.raises(UsageError) as caught:
        read(operation, *given, body=body)
    assert caught.value.exit_code == 2
    return [line.strip() for line in caught.value.message.splitlines()]


def test_parameters_go_where_they_belong() -> None:
    """Path, query and header are told apart by their names, and typed."""
    found = read("list_smart_live", "room_id=r/1", "limit=5", "X-App-UserId=me")
    assert (found.path, found.query, found.headers, found.body) == (
        {"room_id": "r/1"},
        {"limit": 5},
        {"X-App-UserId": "me"},
        None,
    )


def test_lists_are_repeated_or_json_or_separated_by_commas() -> None:
    """Each way gives the same."""
    repeated = read("list_assets", "asset_id=a", "asset_id=b", "is_movable=true")
    assert repeated.query == {"asset_id": ["a", "b"], "is_movable": True}
    assert read("list_assets", 'asset_id=["a", "b"]').query == {"asset_id": ["a", "b"]}
    assert read("list_assets", "asset_type=IMAGE,VIDEO").query == {"asset_type": ["IMAGE", "VIDEO"]}


def test_fields_of_the_body_are_set_by_name() -> None:
    """Text, numbers, lists, objects, and fields inside an object."""
    found = read(
        "create_digital_asset",
        "asset_name=a=b",
        "asset_type=IMAGE",
        "asset_order=3",
        "tags=x",
        "asset_extra_meta.image_meta.width=30",
        'asset_extra_meta.image_meta.error_info={"error_code": "1"}',
    )
    assert found.body.model_dump(exclude_none=True) == {
        "asset_name": "a=b",
        "asset_type": "IMAGE",
        "asset_order": 3,
        "tags": ["x"],
        "asset_extra_meta": {"image_meta": {"width": 30, "error_info": {"error_code": "1"}}},
    }


def test_fields_are_put_into_the_given_body(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a file, from stdin, or as it is."""
    text = '{"asset_name": "a", "asset_extra_meta": {"image_meta": {"width": 3}}}'
    file = tmp_path / "body.json"
    file.write_text(text, encoding="utf-8-sig")
    for body in (text, f"@{file}", "-"):
        monkeypatch.setattr(sys, "stdin", io.StringIO(text))
        found = read(
            "create_digital_asset", "asset_type=IMAGE", "asset_extra_meta.image_meta.height=4", body=body
        )
        assert found.body.asset_name == "a"
        assert found.body.asset_extra_meta.image_meta.model_dump(exclude_none=True) == {
            "width": 3,
            "height": 4,
        }


def test_an_object_and_what_is_put_into_it_may_come_in_any_order() -> None:
    """The object first, whatever the order on the command line."""
    inner, outer = (
        "asset_extra_meta.image_meta.width=30",
        'asset_extra_meta={"image_meta": {"mode": "Vertical"}}',
    )
    for given in ((inner, outer), (outer, inner)):
        found = read("create_digital_asset", "asset_name=a", "asset_type=IMAGE", *given)
        meta = found.body.asset_extra_meta.image_meta
        assert (meta.width, meta.mode) == (30, "Vertical")


def test_a_body_from_stdin_may_begin_with_a_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    """Editors on Windows write one."""
    monkeypatch.setattr(sys, "stdin", io.StringIO('\ufeff{"asset_name": "a", "asset_type": "IMAGE"}'))
    assert read("create_digital_asset", body="-").body.asset_name == "a"


def test_a_body_that_is_not_needed_is_left_out() -> None:
    """None is sent unless something of it is given."""
    assert read("update_digital_asset", "asset_id=a").body is None
    assert read("update_digital_asset", "asset_id=a", "asset_name=b").body.asset_name == "b"


def test_all_mistakes_are_told_at_once() -> None:
    """Names, types, ranges, choices and what is missing."""
    assert refused("list_assets", "limt=2", "limit=1000", "sort_dir=up", "offset=x") == [
        "list_assets:",
        "limt is no parameter of it: did you mean 'limit'?",
        "limit has to be less than or equal to 100",
        "offset has to be a valid integer, unable to parse string as an integer",
        "sort_dir has to be one of asc, desc",
    ]
    assert refused("show_asset", "mode=x") == [
        "show_asset:",
        "mode is no parameter of it: it knows asset_id, X-App-UserId",
        "asset_id is missing",
    ]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["tags=[1"], "tags has to be a JSON list: Expecting ',' delimiter at line 1, column 3"),
        (["asset_name=a", "asset_name=b"], "asset_name is given twice, and is no list"),
        (["asset_extra_meta=[]"], "asset_extra_meta has to be a JSON object"),
        (["asset_extra_meta={'a': 1}"], "asset_extra_meta has to be a JSON object: Expecting property name"),
        (["asset_nam=a"], "asset_nam is no parameter or field of it: did you mean 'asset_name'?"),
        (["zzzz=a"], "zzzz is no parameter or field of it"),
        (["tags.x=a"], "tags.x cannot be set: tags has no named fields"),
        (["asset_extra_meta.image_met.width=1"], "did you mean 'asset_extra_meta.image_meta'?"),
        (["asset_name"], "-p 'asset_name' is not NAME=VALUE."),
        (["=x"], "-p '=x' is not NAME=VALUE."),
    ],
)
def test_a_parameter_that_cannot_be_read_is_refused(given: Sequence[str], said: str) -> None:
    """With what was meant where that can be told."""
    assert said in " ".join(refused("create_digital_asset", *given))


@pytest.mark.parametrize(
    ("given", "body", "said"),
    [
        (
            [],
            '{"asset_name": "a", "asset_typ": "IMAGE"}',
            "asset_typ is no field of the body: did you mean 'asset_type'?",
        ),
        ([], '{"asset_name": "a"}', "asset_type is missing"),
        (["asset_name=a"], '{"asset_name": "b"}', "asset_name is given twice."),
        (["asset_extra_meta.image_meta.width=1"], '{"asset_extra_meta": 3}', "no object in --body"),
        (["asset_type=IMAG"], '{"asset_name": "b"}', "did you mean 'IMAGE'?"),
        ([], "[]", "--body has to be a JSON object."),
        ([], '{"a": 1, "a": 2}', "--body is no JSON: the key 'a' occurs twice."),
        ([], '{"a": NaN}', "NaN is no JSON number"),
        ([], "@nowhere.json", "--body @nowhere.json cannot be read: there is no such file or folder."),
    ],
)
def test_a_body_that_does_not_fit_is_refused(given: Sequence[str], body: str, said: str) -> None:
    """By its own words and by its model."""
    assert said in " ".join(refused("create_digital_asset", *given, body=body))


def test_an_operation_without_a_body_refuses_one() -> None:
    """Nothing that was given is dropped."""
    assert refused("list_assets", body='{"a": 1}') == ["list_assets takes no body."]


def test_a_body_is_not_shown() -> None:
    """It may hold keys."""
    found = read("create_digital_asset", "asset_name=sesame", "asset_type=IMAGE")
    assert "sesame" not in repr(found)
