"""Bodies that a person wrote: every mistake at once, in words."""

import pytest

from orchestrator.errors import UsageError
from orchestrator.metastudio.operations import (
    AnyOperation,
    create_digital_asset,
    create_video_scripts,
    delete_asset,
    update_digital_asset,
)
from orchestrator.metastudio.wire import parse_body


def _refusal(operation: AnyOperation, text: str) -> str:
    with pytest.raises(UsageError) as caught:
        parse_body(operation, text)
    return str(caught.value)


def test_json_text_becomes_the_body() -> None:
    """Text and bytes are as good as data; blank text is no body."""
    body = parse_body(create_digital_asset, '{"asset_name": "手册", "asset_type": "IMAGE"}')
    assert body is not None
    assert (body.asset_name, body.asset_type) == ("手册", "IMAGE")
    assert parse_body(create_digital_asset, b'{"asset_name": "a", "asset_type": "IMAGE"}') is not None
    assert parse_body(update_digital_asset, " ") is None
    assert parse_body(delete_asset, "") is None
    assert "takes no body" in _refusal(delete_asset, '{"a": 1}')


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"a": 1,\n "b" 2}', "Expecting ':' delimiter at line 2, column 6"),
        ('{"a": 1, "a": 2}', "the key 'a' occurs twice"),
        ('{"a": NaN}', "NaN is no JSON number"),
        ('{"a": 1e999}', "a number is too large"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_text_that_is_no_json_is_refused_with_its_place(text: str, why: str) -> None:
    """Also what Python's reader would take: two values for one key, NaN, infinity."""
    assert why in _refusal(create_digital_asset, text)


def test_all_mistakes_come_at_once_each_with_its_path() -> None:
    """Unknown, misplaced, missing, out of range, of the wrong type and not among the choices."""
    text = """{"script_name": "s", "bitrate": 4000,
        "video_config": {"codec": "H26", "bitrate": "s3cret", "wdth": 1},
        "shoot_scripts": [{"shoot_script": {"text_config": {"txt": "s3cret"}}}, {"sequence_no": -1}]}"""
    said = _refusal(create_video_scripts, text)
    for sentence in (
        "video_config.codec has to be one of H264, VP8: did you mean 'H264'?",
        "video_config.bitrate has to be a valid integer",
        "video_config.width is missing",
        "video_config.wdth is no field of video_config: did you mean 'width'?",
        "shoot_scripts[0].shoot_script.text_config.text is missing",
        "text_config.txt is no field of shoot_scripts[0].shoot_script.text_config: did you mean 'text'?",
        "shoot_scripts[1].sequence_no has to be greater than or equal to 0",
        "bitrate is no field of the body: it belongs in video_config",
    ):
        assert any(sentence in line for line in said.splitlines()[1:])
    assert "s3cret" not in said


def test_many_choices_are_not_listed_when_one_was_meant() -> None:
    """A typo gets the name; a word from nowhere gets the list."""
    near = _refusal(create_digital_asset, '{"asset_name": "a", "asset_type": "IMAG"}')
    assert "asset_type has to be one of 14 values: did you mean 'IMAGE'?" in near
    assert "VOICE_MODEL, VIDEO" in _refusal(create_digital_asset, '{"asset_name": "a", "asset_type": "?"}')


def test_a_body_of_another_shape_is_named() -> None:
    """A list or a word is no body."""
    assert "the body has to be an object" in _refusal(create_digital_asset, "[1]")
    assert "asset_name is missing" in _refusal(create_digital_asset, "{}")
