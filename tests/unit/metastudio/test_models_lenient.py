"""Answers in which something doesn't fit: the rest of them is read all the same."""

from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Any, get_args, get_origin

import pytest
from pydantic import BaseModel, ValidationError

from orchestrator.metastudio.models.avatar_video import Show2DDigitalHumanVideoResponse
from orchestrator.metastudio.models.digital_asset import DigitalAssetInfo
from orchestrator.metastudio.models.lenient import left_out
from orchestrator.metastudio.models.llm import LlmChatRequest
from orchestrator.metastudio.models.video_script import ShowVideoScriptResponse
from orchestrator.metastudio.operations import OPERATIONS, AnyOperation

MISFITS: tuple[Any, ...] = (
    None,
    "abc",
    "",
    "12",
    3,
    2.5,
    True,
    10**30,
    {},
    {"a": 1},
    [],
    [1],
    [None],
    [[{}]],
)
#: Places that are tried in one answer: the largest has some hundreds.
PLACES = 400

Path = tuple[str | int, ...]


def sample(annotation: Any) -> Any:
    """An answer with every field, one item in every list."""
    arguments = get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {info.alias or name: sample(info.annotation) for name, info in annotation.model_fields.items()}
    if get_origin(annotation) is list:
        return [sample(arguments[0])]
    if get_origin(annotation) is dict:
        return {"k": sample(arguments[1])}
    if get_origin(annotation) is Annotated or arguments:
        return sample(arguments[0])
    return {int: 1, float: 1.5, bool: True}.get(annotation, "x")


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    if path:
        yield path
    parts: Any = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for name, part in parts:
        yield from places(part, (*path, name))


def put(value: Any, path: Path, misfit: Any) -> Any:
    if not path:
        return misfit
    first, *rest = path
    changed = value.copy()
    changed[first] = put(value[first], tuple(rest), misfit)
    return changed


def beside(value: Any, path: Path) -> list[Any]:
    """What stands beside `path`, level by level."""
    first, *rest = path
    others = (
        {name: part for name, part in value.items() if name != first} if isinstance(value, dict) else None
    )
    return [others, *(beside(value[first], tuple(rest)) if rest else ())]


@pytest.mark.parametrize(
    "operation",
    [operation for operation in OPERATIONS.values() if operation.response is not None],
    ids=lambda operation: operation.id,
)
def test_no_misfit_loses_an_answer(operation: AnyOperation) -> None:
    """Whatever stands in whichever field, at any depth: the fields beside it, and all above, are read."""
    assert operation.response is not None
    whole = sample(operation.response)
    said = operation.response.model_validate(whole).model_dump(by_alias=True)
    for number, path in enumerate(islice(places(whole), PLACES)):
        # Each place meets some of the misfits, so that all meet all sorts of fields and the test stays quick.
        for misfit in MISFITS[number % 3 :: 3]:
            read = operation.response.model_validate(put(whole, path, misfit)).model_dump(by_alias=True)
            assert beside(read, path) == beside(said, path)


@pytest.mark.parametrize("body", [None, [], "text", 1, True, [{"asset_id": "a"}]])
def test_a_body_that_is_no_object_is_an_error(body: Any) -> None:
    """There is nothing to be read in it."""
    with pytest.raises(ValidationError):
        DigitalAssetInfo.model_validate(body)


def test_misfits_are_left_out_at_their_own_level() -> None:
    """A field is None, an object in a list is empty and keeps its place, a scalar in a list is gone."""
    read = DigitalAssetInfo.model_validate(
        {
            "asset_id": "a",
            "tags": [None, "light", {"a": 1}, 7],
            "files": [None, {"file_id": "f", "asset_file_category": []}, "text"],
            "asset_extra_meta": {"voice_model_meta": [], "human_model_meta": "none", "new": [None]},
            "supported_service": "all",
        }
    )
    assert read.tags == ["light", "7"]
    assert read.files is not None
    assert [(file.file_id, file.asset_file_category) for file in read.files] == [
        (None, None),
        ("f", None),
        (None, None),
    ]
    assert read.asset_extra_meta is not None
    assert read.asset_extra_meta.voice_model_meta is None
    assert read.asset_extra_meta.model_extra is not None
    assert read.asset_extra_meta.model_extra["new"] == [None]
    assert read.asset_extra_meta.human_model_meta is None
    assert read.supported_service is None


@pytest.mark.parametrize(
    "beside",
    [{"error_info": "boom"}, {"output_asset_config": []}, {"shoot_scripts": {"a": 1}}, {"start_time": {}}],
)
def test_a_job_that_is_paid_for_is_known_to_be_done(beside: dict[str, Any]) -> None:
    """A detail in another shape must not make a finished video look like a lost answer."""
    read = Show2DDigitalHumanVideoResponse.model_validate(
        {"job_id": "j", "state": "SUCCEED", "duration": "12.0", **beside}
    )
    assert (read.job_id, read.state, read.duration) == ("j", "SUCCEED", 12.0)


def test_a_dialog_keeps_its_turns() -> None:
    """Null in place of a message doesn't make questions of answers."""
    read = LlmChatRequest.model_validate({"messages": [{"content": "a"}, None, {"content": "b"}]})
    assert [message.content for message in read.messages or ()] == ["a", None, "b"]


@pytest.mark.parametrize(
    ("data", "lacks"),
    [
        ({"script_id": "s"}, False),
        ({"script_id": None, "shoot_scripts": None, "voice_config": ""}, False),
        ({"script_id": {"a": 1}}, False),
        ({"shoot_scripts": []}, False),
        ({"shoot_scripts": [{}]}, False),
        ({"shoot_scripts": [None]}, True),
        ({"shoot_scripts": "none"}, True),
        ({"voice_config": 5}, True),
        ({"voice_config": {"speed": "x"}}, False),
    ],
)
def test_what_was_left_out_is_known(data: dict[str, Any], lacks: bool) -> None:
    """Objects and lists count, scalars don't."""
    assert left_out(ShowVideoScriptResponse.model_validate(data), data) is lacks
