"""The request bodies that the API reference prints are taken by the emulator as they are."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.conformance.document import Example, complaints, examples
from tests.conformance.inhabited import Inhabited

SOUND = [example for example in examples() if not example.broken]
#: What kind of asset a field names.
NAMED = {
    "asset_id": "IMAGE",
    "background_asset_id": "IMAGE",
    "model_asset_id": "HUMAN_MODEL_2D",
    "backup_model_asset_ids": "HUMAN_MODEL_2D",
    "voice_asset_id": "VOICE_MODEL",
    "emotion": "VOICE_MODEL",
    "asset_ids": "IMAGE",
}
#: Examples that need more than something to exist: their code says what it is.
OTHERWISE = {
    # One id stands for the avatar and for its voice.
    "create_smart_live_room": "MSS.20010050",
    "update_smart_live_room": "MSS.20010050",
    # Only a job that failed its review may be changed.
    "update2d_model_training_job": "MSS.41000001",
}


def named(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Type and id of each asset that a body names."""
    match value:
        case Mapping():
            for name, inner in value.items():
                yield from named(inner, name)
        case list():
            for one in value:
                yield from named(one, key)
        case str() if value and key in NAMED:
            yield NAMED[key], value


@pytest.mark.parametrize("example", SOUND, ids=lambda example: f"{example.operation}-{example.name}")
def test_an_example_is_taken(example: Example) -> None:
    """Its form is never at fault: it succeeds where what it names exists."""
    tenant = Inhabited()
    for kind, asset_id in named(example.value):
        tenant.has_asset(asset_id, kind)
    answer = tenant.send(example.operation, example.value)
    value: Any = answer.json() if answer.body else None
    assert complaints(example.operation, answer.status, value) == []
    if example.operation in OTHERWISE:
        assert value["error_code"] == OTHERWISE[example.operation]
    else:
        assert answer.status < 300, value
