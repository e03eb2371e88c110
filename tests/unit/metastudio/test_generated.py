import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from ruamel.yaml import YAML

from orchestrator.metastudio.errors import AnswerLost
from orchestrator.metastudio.models.avatar_video import (
    Create2DDigitalHumanVideoReq,
    Show2DDigitalHumanVideoResponse,
)
from orchestrator.metastudio.models.common import VideoConfig, VoiceConfig, VoiceConfigRead
from orchestrator.metastudio.models.digital_asset import (
    CreateDigitalAssetRequestBody,
    DigitalAssetInfo,
    VoiceModelAssetMeta,
    VoiceModelAssetMetaRead,
)
from orchestrator.metastudio.models.file import CreateFileResponse, FilesCreateReq
from orchestrator.metastudio.operations import OPERATIONS, RATES, list_assets
from orchestrator.metastudio.wire import Response, read_response

ROOT = Path(__file__).parents[3]
MODELS = ROOT / "orchestrator" / "metastudio" / "models"

#: Examples that break their own table: 607.5 where the table says integer.
BROKEN_REQUESTS = {"create2_d_digital_human_video"}


@pytest.fixture(scope="session")
def openapi() -> Mapping[str, Any]:
    """The facts that models and operations are generated from."""
    document: Mapping[str, Any] = YAML(typ="safe").load(
        (MODELS.parent / "spec/metastudio.openapi.yaml").read_text()
    )
    return document


def _examples(content: Mapping[str, Any]) -> Iterator[Any]:
    for media in content.values():
        for example in media.get("examples", {}).values():
            yield example["value"]


def _operations(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for item in document["paths"].values():
        yield from item.values()


def test_the_generated_files_are_up_to_date() -> None:
    """Regenerating changes nothing."""
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "generate.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_every_schema_has_a_class(openapi: Mapping[str, Any]) -> None:
    """All 219 schemas are there by their name, or as the lenient form of it."""
    modules = [import_module(f"orchestrator.metastudio.models.{path.stem}") for path in MODELS.glob("*.py")]
    known = {name for module in modules for name in vars(module)}
    missing = [name for name in openapi["components"]["schemas"] if not {name, f"{name}Read"} & known]
    assert missing == []
    assert len(openapi["components"]["schemas"]) == 219


def test_the_examples_of_the_reference_fit(openapi: Mapping[str, Any]) -> None:
    """Every documented request passes the strict models (but one that breaks its table), every answer the lenient."""
    checked = 0
    for raw in _operations(openapi):
        operation = OPERATIONS[raw["operationId"]]
        for value in _examples(raw.get("requestBody", {}).get("content", {})):
            checked += 1
            assert operation.request is not None
            if operation.id in BROKEN_REQUESTS:
                with pytest.raises(ValidationError, match=r"size\.width"):
                    operation.request.model_validate(value)
            else:
                operation.request.model_validate(value)
        for status, answer in raw["responses"].items():
            if status.startswith("2"):
                for value in _examples(answer.get("content", {})):
                    checked += 1
                    assert operation.response is not None
                    operation.response.model_validate(value)
    assert checked > 70


def test_every_operation_has_a_rate_in_every_region() -> None:
    """The limiter never meets an operation that it knows no rate for."""
    assert len(OPERATIONS) == 66
    assert set(RATES) == {"cn-north-4", "cn-east-3", "ap-southeast-3"}
    for rates in RATES.values():
        assert set(rates) == set(OPERATIONS)
        assert min(rates.values()) >= 1


def test_reads_and_creates_are_told_apart() -> None:
    """What may be sent twice without harm, and what would be paid twice."""
    creates = {operation.id for operation in OPERATIONS.values() if operation.creates}
    reads = {operation.id for operation in OPERATIONS.values() if operation.reads}
    assert not creates & reads
    assert {"create2_d_digital_human_video", "copy_video_scripts", "start_smart_live"} <= creates
    assert {"list_asset_summary", "show_asset"} <= reads
    assert "confirm_file_upload" not in creates | reads
    assert list_assets.list_query == ("accurate_query_field", "asset_id")


def test_one_category_does_not_load_the_others() -> None:
    """Start-up stays light: the table names the models, an import of one category is one module and what it shares."""
    code = (
        "import sys; from orchestrator.metastudio import operations; import orchestrator.metastudio.models.file;"
        "print(*sorted(m.rsplit('.')[-1] for m in sys.modules if m.startswith('orchestrator.metastudio.models.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["base", "file", "lenient"]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"asset_name": "x" * 257}, "asset_name"),
        ({"asset_type": "PICTURE"}, "asset_type"),
        ({"tags": ["t"] * 200}, "tags"),
        ({"asset_nam": "typo"}, "asset_nam"),
    ],
)
def test_a_request_that_breaks_the_reference_is_refused(change: dict[str, Any], place: str) -> None:
    """Lengths, enums, counts and unknown names are checked before anything is sent."""
    with pytest.raises(ValidationError, match=place):
        CreateDigitalAssetRequestBody.model_validate({"asset_name": "a", "asset_type": "IMAGE", **change})


def test_ranges_and_required_fields_are_checked() -> None:
    """A number outside its range and a missing field are refused."""
    with pytest.raises(ValidationError) as caught:
        VideoConfig.model_validate({"codec": "H264", "bitrate": 39, "width": 1920})
    assert {error["loc"][0] for error in caught.value.errors()} == {"bitrate", "height"}


def test_what_is_not_set_is_not_sent() -> None:
    """The service's defaults apply, and a number given for a text becomes one."""
    body = VideoConfig.model_validate(
        {"codec": "H264", "bitrate": 4000, "width": 1920, "height": 1080, "frame_rate": 25}
    )
    assert body.model_dump(exclude_none=True) == {
        "codec": "H264",
        "bitrate": 4000,
        "width": 1920,
        "height": 1080,
        "frame_rate": "25",
    }


def test_what_only_the_service_sets_is_no_field_of_a_request() -> None:
    """A read-only field exists in the lenient class alone."""
    assert "voice_capability" in VoiceModelAssetMetaRead.model_fields
    assert "voice_capability" not in VoiceModelAssetMeta.model_fields


def test_an_answer_is_read_leniently() -> None:
    """Nulls, numbers as text, text as numbers, unknown fields and values, and unreadable details never fail it."""
    answer = Show2DDigitalHumanVideoResponse.model_validate(
        {
            "job_id": 17,
            "state": "MELTING",
            "duration": "12.5",
            "error_info": None,
            "output_asset_config": "",
            "video_config": {"width": "1920", "height": 1080.4, "bitrate": "fast", "frame_rate": 25},
            "shoot_scripts": [{"new_field": {"deep": 1}}],
            "brand_new": [1, 2],
        }
    )
    assert (answer.job_id, answer.state, answer.duration) == ("17", "MELTING", 12.5)
    assert answer.error_info is None
    assert answer.output_asset_config is None
    assert answer.video_config is not None
    assert (answer.video_config.width, answer.video_config.height) == (1920, 1080)
    assert answer.video_config.bitrate is None
    assert answer.video_config.frame_rate == "25"
    assert answer.model_extra == {"brand_new": [1, 2]}
    assert answer.shoot_scripts is not None
    assert answer.shoot_scripts[0].model_extra == {"new_field": {"deep": 1}}


@pytest.mark.parametrize("broken", [{"assets": "none"}, {"assets": [1]}, [], "text", {"assets": {"a": 1}}])
def test_an_answer_of_another_shape_is_refused(broken: Any) -> None:
    """A list that can't be read must not look like an empty one: something might be created twice for it."""
    with pytest.raises(AnswerLost):
        read_response(list_assets, Response(200, {}, json.dumps(broken).encode()))


def test_a_page_with_a_gap_is_read() -> None:
    """Null among the items costs neither the others nor the length of the page."""
    body = b'{"count": 2, "assets": [null, {"asset_id": "a"}]}'
    page = read_response(list_assets, Response(200, {}, body))
    assert [asset.asset_id for asset in page.assets or ()] == [None, "a"]


def test_strict_and_lenient_form_stand_side_by_side() -> None:
    """The same typo fails in a request and is kept in an answer."""
    typo = {"voice_asset_id": "v", "spped": 100}
    with pytest.raises(ValidationError, match="spped"):
        VoiceConfig.model_validate(typo)
    assert VoiceConfigRead.model_validate(typo).model_extra == {"spped": 100}


def test_no_repr_and_no_error_shows_a_presigned_url() -> None:
    """URLs and keys are as good as passwords."""
    answer = CreateFileResponse.model_validate({"file_id": "f", "upload_url": "https://x/?Signature=s3cret"})
    assert "s3cret" not in repr(answer)
    assert "s3cret" not in repr(DigitalAssetInfo.model_validate({"files": [{"download_url": "s3cret"}]}))
    with pytest.raises(ValidationError) as caught:
        FilesCreateReq.model_validate({"file_name": ["https://x/?Signature=s3cret"]})
    assert "s3cret" not in str(caught.value)


def test_a_request_model_reads_like_python() -> None:
    """Fields are keyword arguments with their types."""
    file = FilesCreateReq(
        file_name="a.png",
        file_md5="A" * 24,
        file_size=5,
        file_type="png",
        asset_id="a",
        asset_file_category="MAIN",
    )
    assert file.file_size == 5
    assert "callback_config" in Create2DDigitalHumanVideoReq.model_fields
