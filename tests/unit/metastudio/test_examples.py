"""Every example of the reference passes through the models; those that break their own table are read leniently."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML

from orchestrator.metastudio.models import avatar_video, callback, digital_asset, llm
from orchestrator.metastudio.models.common import ErrorResponseRead
from orchestrator.metastudio.operations import OPERATIONS

SPEC = Path(__file__).parents[3] / "orchestrator" / "metastudio" / "spec"

#: What is posted to us and what we answer, by operation.
INBOUND: Mapping[str, tuple[type[BaseModel], type[BaseModel] | None]] = {
    "third_party_llm_chat": (llm.LlmChatRequest, llm.LlmChatResponse),
    "video_production_callback": (callback.VideoProductionCallbackBody, None),
    "live_event_callback": (callback.LiveEventCallbackBody, None),
}


@dataclass(frozen=True)
class Example:
    """A body that the reference shows."""

    name: str
    model: type[BaseModel]
    value: Any
    is_request: bool
    bug: str = ""


def _found(side: str, model: type[BaseModel] | None, content: Mapping[str, Any]) -> Iterator[Example]:
    for kind, media in content.items():
        for name, example in media.get("examples", {}).items():
            assert model is not None
            bug = example.get("x-doc-bug", "")
            if kind.startswith("text/event-stream"):
                yield Example(f"{side}-{name}", llm.LlmChatChunk, _events(example["value"]), is_request=False)
            else:
                yield Example(f"{side}-{name}", model, example["value"], side.endswith("request"), bug)


def _events(stream: str) -> list[Any]:
    data = [line.removeprefix("data:") for line in stream.split("\n") if line]
    assert data.pop() == "[DONE]"
    return [json.loads(text) for text in data]


def _examples() -> Iterator[Example]:
    document = YAML(typ="safe").load((SPEC / "metastudio.openapi.yaml").read_text())
    outbound = [operation for item in document["paths"].values() for operation in item.values()]
    inbound = [item["post"] for item in document["components"]["pathItems"].values()]
    for raw in outbound + inbound:
        name = raw["operationId"]
        if raw in outbound:
            request, answer = OPERATIONS[name].request, OPERATIONS[name].response
        else:
            request, answer = INBOUND[name]
        yield from _found(f"{name}-request", request, raw.get("requestBody", {}).get("content", {}))
        for status, response in raw["responses"].items():
            model = answer if status.startswith("2") else ErrorResponseRead
            yield from _found(f"{name}-{status}", model, response.get("content", {}))


EXAMPLES = list(_examples())
SOUND = [example for example in EXAMPLES if not example.bug]
BROKEN = [example for example in EXAMPLES if example.bug]


def _without_nulls(value: Any) -> Any:
    match value:
        case dict():
            return {key: _without_nulls(one) for key, one in value.items() if one is not None}
        case list():
            return [_without_nulls(one) for one in value]
        case _:
            return value


def _again(model: type[BaseModel], value: Any) -> Any:
    return model.model_validate(value).model_dump(mode="json", by_alias=True, exclude_none=True)


def test_none_is_forgotten() -> None:
    """The reference has 207 examples, eleven of which break their own table."""
    assert len(EXAMPLES) == 207
    assert len(BROKEN) == 11
    assert len({example.name for example in EXAMPLES}) == 207


@pytest.mark.parametrize("example", SOUND, ids=lambda example: example.name)
def test_a_sound_example_passes_both_ways(example: Example) -> None:
    """Read and written again, it is what it was on the wire, but for nulls."""
    values = example.value if isinstance(example.value, list) else [example.value]
    for value in values:
        assert _again(example.model, value) == _without_nulls(value)


#: What reading changes of an example that breaks its table: `before -> after`; the rest comes back as it was.
REPAIRS: Mapping[str, Mapping[str, tuple[Any, Any]]] = {
    "batch_execute_asset_action-200-document": {"ret_status": ("SUCESS", "SUCCESS")},
    "show_asset_replication_info-200-document": {"key_id": (1, "1")},
    "create_asset_by_replication_info-request-document": {"key_id": (1, "1")},
    "create2_d_digital_human_video-request-document": {
        "dx": ("656", 656),
        "dy": ("0", 0),
        "width": (607.5, 608),
    },
    "execute2d_model_training_command_by_user-200-document": {
        "commond_result": ("EXECUTE_SUCCESS", "EXCUTE_SUCCESS")
    },
}

#: The lenient side of requests: what the service shows of them later.
SHOWN: Mapping[str, type[BaseModel]] = {
    "create2_d_digital_human_video": avatar_video.Show2DDigitalHumanVideoResponse,
    "create_asset_by_replication_info": digital_asset.ReplicationAssetInfoRead,
}


def _repaired(value: Any, repairs: Mapping[str, tuple[Any, Any]]) -> Any:
    match value:
        case dict():
            named = {"commond_result" if key == "command_result" else key: one for key, one in value.items()}
            return {
                key: repairs[key][1] if repairs.get(key, ())[:1] == (one,) else _repaired(one, repairs)
                for key, one in named.items()
            }
        case list():
            return [_repaired(one, repairs) for one in value]
        case _:
            return value


@pytest.mark.parametrize("example", BROKEN, ids=lambda example: example.name)
def test_a_broken_example_is_read(example: Example) -> None:
    """Nothing of it is lost, and nothing but what is listed here is repaired."""
    model = SHOWN[example.name.partition("-")[0]] if example.is_request else example.model
    assert _again(model, example.value) == _repaired(
        _without_nulls(example.value), REPAIRS.get(example.name, {})
    )


def test_a_broken_request_is_refused() -> None:
    """A fraction where the table says integer; numbers written as text, and text as a number, are put right."""
    requests = {example.name.partition("-")[0]: example for example in BROKEN if example.is_request}
    assert set(requests) == set(SHOWN)
    with pytest.raises(ValidationError) as caught:
        avatar_video.Create2DDigitalHumanVideoReq.model_validate(
            requests["create2_d_digital_human_video"].value
        )
    assert [(error["loc"][-2:], error["type"]) for error in caught.value.errors()] == [
        (("size", "width"), "int_from_float")
    ]
    put_right = _again(digital_asset.ReplicationAssetInfo, requests["create_asset_by_replication_info"].value)
    assert put_right["encryption_info"]["key_id"] == "1"
