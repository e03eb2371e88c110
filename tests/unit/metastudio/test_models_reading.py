"""What the service says in two ways, or in a way of its own, reads as one thing."""

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from orchestrator.metastudio.models.avatar_video import Show2DDigitalHumanVideoResponse
from orchestrator.metastudio.models.callback import VideoProductionCallbackBody
from orchestrator.metastudio.models.common import (
    LayerPositionConfigRead,
    LayerSizeConfigRead,
    VideoConfigRead,
)
from orchestrator.metastudio.models.digital_asset import (
    AssetActionResult,
    CreateDigitalAssetRequestBody,
    DigitalAssetInfo,
)
from orchestrator.metastudio.models.image_modeling import Execute2dModelTrainingCommandByUserResponse
from orchestrator.metastudio.models.spelling import TWINS, doubtful
from orchestrator.metastudio.models.video_production import DigitalHumanVideo


@pytest.mark.parametrize(
    ("model", "field", "spellings", "read"),
    [
        (DigitalHumanVideo, "state", ("SUCCEED", "SUCCESS", "SUCESS"), "SUCCEED"),
        (Show2DDigitalHumanVideoResponse, "state", ("SUCCESS",), "SUCCEED"),
        (VideoProductionCallbackBody, "result", ("SUCCESS", "SUCCEED"), "SUCCEED"),
        (AssetActionResult, "ret_status", ("SUCESS", "SUCCESS", "SUCCEED"), "SUCCESS"),
        (
            DigitalAssetInfo,
            "asset_type",
            ("BUSINESS_CARD_TEMPLET", "BUSINESS_CARD_TEMPLATE"),
            "BUSINESS_CARD_TEMPLET",
        ),
        (
            Execute2dModelTrainingCommandByUserResponse,
            "commond_result",
            ("EXCUTE_SUCCESS", "EXECUTE_SUCCESS"),
            "EXCUTE_SUCCESS",
        ),
    ],
)
def test_a_value_reads_in_the_spelling_of_its_table(
    model: type[BaseModel], field: str, spellings: tuple[str, ...], read: str
) -> None:
    """Whichever of its spellings is sent; a value that isn't known at all stays as it came, and so does null."""
    for spelling in spellings:
        assert getattr(model.model_validate({field: spelling}), field) == read
    assert getattr(model.model_validate({field: "MELTING"}), field) == "MELTING"
    assert getattr(model.model_validate({field: None}), field) is None
    assert getattr(model.model_validate({field: 7}), field) == "7"


@pytest.mark.parametrize("name", ["commond_result", "command_result"])
def test_a_field_reads_in_either_spelling(name: str) -> None:
    """The document writes command_result, the wire commond_result: one attribute, nothing kept beside it."""
    answer = Execute2dModelTrainingCommandByUserResponse.model_validate({name: "EXECUTE_FAILED"})
    assert answer.commond_result == "EXCUTE_FAILED"
    assert not answer.model_extra
    assert answer.model_dump(exclude_none=True) == {"commond_result": "EXCUTE_FAILED"}


def test_a_request_takes_the_spelling_of_the_wire_alone() -> None:
    """What is sent has to be what the service knows."""
    for spelling in ("BUSINESS_CARD_TEMPLATE", "business_card_templet"):
        with pytest.raises(ValidationError, match="BUSINESS_CARD_TEMPLET"):
            CreateDigitalAssetRequestBody.model_validate({"asset_name": "a", "asset_type": spelling})


def test_spellings_that_are_both_known_values_are_two_values() -> None:
    """Where a table lists SUCCESS and SUCCEED, they differ."""
    assert doubtful(["FAILED", "SUCCEED"]) == ["SUCCEED"]
    assert doubtful(["SUCCESS", "SUCCEED"]) == []
    assert sum(map(len, TWINS)) == len(set().union(*TWINS))


@pytest.mark.parametrize(
    ("sent", "read"),
    [("656", 656), (607.5, 608), ("607.5", 608), ("-0.4", 0), ("656,", None), ("", None), ("inf", None)],
)
def test_a_size_reads_from_text_and_fractions(sent: Any, read: int | None) -> None:
    """Rounded to whole pixels; what is no number at all is as if it weren't there."""
    assert LayerPositionConfigRead.model_validate({"dx": sent, "dy": 1}).dx == read
    assert LayerSizeConfigRead.model_validate({"width": sent}).width == read


@pytest.mark.parametrize(("sent", "read"), [("25", "25"), (25, "25"), (29.97, "29.97"), (None, None)])
def test_a_frame_rate_reads_as_text(sent: Any, read: str | None) -> None:
    """The tables say string, the examples send both."""
    assert VideoConfigRead.model_validate({"frame_rate": sent}).frame_rate == read
