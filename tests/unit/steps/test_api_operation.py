"""`api.<operation>`: its parameters, its outputs, and what is left out of them."""

import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import ValidationError

from orchestrator.definition.loader import check_text
from orchestrator.definition.schema import definition_schema
from orchestrator.metastudio.models.digital_asset import DigitalAssetInfo
from orchestrator.metastudio.models.file import CreateFileResponse
from orchestrator.metastudio.operations import OPERATIONS
from orchestrator.metastudio.withheld import opens_doors, without_withheld
from orchestrator.steps.adoption import ADOPTIONS
from orchestrator.steps.api_operation import ADOPTING, ApiOperation
from orchestrator.steps.base import CannotTellError, StepContext, kinds


def kind(operation: str) -> ApiOperation:
    found = kinds()[f"api.{operation}"]
    assert isinstance(found, ApiOperation)
    return found


def arguments(operation: str, **given: Any) -> dict[str, Any]:
    one = kind(operation)
    return one._arguments(one.params.model_validate(given))


def problems(step: str) -> list[str]:
    text = f"pipeline: p\ninputs: {{id: {{type: string}}, n: {{type: integer}}}}\nsteps:\n  a:\n    uses: {step}\n"
    _, found = check_text(text.encode(), kinds(), file="p.yaml", folder=Path("/"))
    return [f"{one.line}:{one.col} {one.message} {one.suggestion}".strip() for one in found]


def test_every_operation_is_a_kind() -> None:
    """All 66, each with a summary."""
    named = {name for name in kinds() if name.startswith("api.")}
    assert named == {f"api.{operation}" for operation in OPERATIONS}
    assert all(kind(operation).summary for operation in OPERATIONS)


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=lambda operation: operation.id)
def test_parameters_are_those_of_path_query_and_body(operation: Any) -> None:
    """Flat, closed, without two of one name; those of the path and the required ones have to be given."""
    params = kind(operation.id).params
    body = () if operation.request is None else tuple(operation.request.model_fields)
    names = (*operation.path_names, *operation.query, *body)
    assert len(names) == len(set(names))
    assert set(params.model_fields) == set(names)
    assert params.model_config.get("extra") == "forbid"
    for name in (*operation.path_names, *operation.required_query):
        assert params.model_fields[name].is_required()


def test_knowing_the_kinds_loads_no_models_of_theirs() -> None:
    """What a definition doesn't use costs nothing."""
    code = (
        "import sys; from orchestrator.steps.base import kinds; kinds();"
        "print([name for name in sys.modules if name.endswith(('models.live_room', 'models.voice_modeling', '.parameters'))])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


def test_parameters_go_where_the_operation_takes_them() -> None:
    """Path, query and body; nothing that is not given, or null, is sent."""
    found = arguments("list_smart_live", room_id="r", limit=5, state=None)
    assert found == {"path": {"room_id": "r"}, "query": {"limit": 5}, "body": None}
    found = arguments("update_product", product_id="p", name="Cup")
    assert found["path"] == {"product_id": "p"}
    assert found["body"].model_dump(exclude_none=True) == {"name": "Cup"}
    assert arguments("commit_voice_training_job", job_id="j")["body"] is None


def test_lists_in_queries_may_be_texts_with_commas() -> None:
    """As the reference writes them, or as a list."""
    assert arguments("list_assets", asset_type="IMAGE, VIDEO")["query"]["asset_type"] == ["IMAGE", "VIDEO"]
    assert arguments("list_assets", asset_type=["IMAGE"])["query"]["asset_type"] == ["IMAGE"]
    with pytest.raises(ValidationError):
        arguments("list_assets", asset_type="IMAGE,PICTURE")


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (
            "api.list_assets\n    with: {limit: 101}",
            "6:19 limit has to be 100 or less",
        ),
        (
            "api.list_assets\n    with: {limit: 1, ofset: 2}",
            "6:22 unknown parameter 'ofset' did you mean 'offset'?",
        ),
        (
            "api.list_assets\n    with: {asset_source: SYSTM}",
            "6:26 asset_source has to be one of SYSTEM, CUSTOMIZATION, ALL did you mean 'SYSTEM'?",
        ),
        (
            "api.show_asset",
            "4:3 the parameter 'asset_id' is missing",
        ),
        (
            "api.create_product\n    with: {name: Cup, cover: {asset_idd: x}}",
            "6:31 unknown parameter 'asset_idd' in cover did you mean 'asset_id'?",
        ),
        (
            "api.create_prodct\n    with: {name: Cup}",
            "5:11 there is no step kind 'api.create_prodct' did you mean 'api.create_product'?",
        ),
    ],
)
def test_mistakes_are_found_before_anything_is_called(step: str, said: str) -> None:
    """With line, column and what was probably meant."""
    assert problems(step) == [said]


def test_expressions_stand_for_any_value() -> None:
    """What they will be is known only when the step runs."""
    step = (
        'api.list_assets\n    with: {limit: "${{ inputs.n }}", asset_source: "${{ inputs.id }}",'
        ' asset_type: ["${{ inputs.id }}"], asset_id: "${{ [inputs.id] }}"}'
    )
    assert problems(step) == []


def test_outputs_are_the_fields_of_the_answer() -> None:
    """A field that is not there is none; one that the reference doesn't know passes."""
    answer = DigitalAssetInfo.model_validate({"asset_id": "a", "mood": "good", "files": [{"file_id": "f"}]})
    outputs = kind("show_asset")._outputs(answer)
    assert outputs["asset_id"] == "a"
    assert outputs["asset_name"] is None
    assert outputs["mood"] == "good"
    assert outputs["files"] == [{"file_id": "f"}]
    assert kind("delete_asset")._outputs(None) == {}
    assert "asset_id" in kind("show_asset").outputs


def test_an_upload_address_is_no_output() -> None:
    """Neither when the step is checked nor when it has run."""
    create = kind("create_file")
    assert create.outputs == {"file_id"}
    answer = CreateFileResponse.model_validate({"file_id": "f", "upload_url": "https://obs/x?Signature=s"})
    assert create._outputs(answer) == {"file_id": "f"}
    wrong = 'api.show_asset\n    with: {asset_id: "${{ steps.b.upload_url }}"}\n  b: {uses: api.create_file}'
    assert any("has no output 'upload_url'" in line for line in problems(wrong))


@pytest.mark.parametrize(
    "url",
    [
        "https://b.obs.example.com/k?AccessKeyId=A&Expires=1&Signature=s%3D",
        "https://b.obs.example.com/k?X-Amz-Algorithm=a&X-Amz-Signature=s",
        "https://b.obs.example.com/k?x-obs-security-token=t",
        "see https://b.obs.example.com/k?versionId=1&amp;signature=s for more",
        "rtmp://push.example.com/live/room?auth_key=1-0-0-a",
        "https://example.com/callback?hwSecret=s&hwTime=t",
        "wss://example.com/rtc?token=t",
        '{"url": "https://example.com/?a=1&secret=s"}',
        "rtmp://name:word@push.example.com/live",
    ],
)
def test_a_signed_url_is_known_by_its_form(url: str) -> None:
    """Whatever the field is called, its value is left out; in a list, none stands in its place."""
    assert opens_doors(url)
    assert without_withheld({"a": url, "b": ["x", url], "c": {"d": url, "e": 1}}) == {
        "b": ["x", None],
        "c": {"e": 1},
    }


@pytest.mark.parametrize(
    "text",
    [
        "https://example.com/picture.png",
        "https://example.com/search?q=token&page=2",
        "the signature=yes",
        "mail me: a:b@example.com",
        "https://example.com/a@b?c=d",
        "",
    ],
)
def test_other_texts_stay(text: str) -> None:
    """Open addresses and words that only sound secret are no secrets."""
    assert without_withheld({"text": text, "texts": [text]}) == {"text": text, "texts": [text]}


def test_secrets_are_known_by_their_names() -> None:
    """Addresses, keys, signatures and tokens are left out however deep they stand; a property's key is none."""
    answer = {
        "live_event_callback_config": {"auth_type": "MSS_A", "key": "k", "live_event_type_callback_url": "u"},
        "rtc_room_info": {"users": [{"user_id": "u", "signature": "s"}]},
        "system_properties": [{"key": "STYLE_ID", "value": "v"}],
        "stream_keys": ["a"],
        "output_urls": ["b"],
        "encryption_info": {"algorithm": "a", "key_id": "1"},
        "Access_Key": "a",
        "count": 1,
    }
    assert without_withheld(answer) == {
        "live_event_callback_config": {"auth_type": "MSS_A"},
        "rtc_room_info": {"users": [{"user_id": "u"}]},
        "system_properties": [{"key": "STYLE_ID", "value": "v"}],
        "count": 1,
    }


async def test_what_no_look_can_tell_is_for_a_person_to_find() -> None:
    """The message names the call that lists such things, and how to go on."""
    one = kind("copy_video_scripts")
    params = one.params.model_validate({"script_id": "s"})
    with pytest.raises(CannotTellError) as raised:
        await one.find(params, cast("StepContext", None))
    assert "api.copy_video_scripts" in raised.value.message
    assert "`orchestrator api call list_video_scripts`" in raised.value.hint
    assert "start the run again" in raised.value.hint
    assert all(kind(operation).where_to_look == row.where for operation, row in ADOPTIONS.items())


def test_kinds_of_their_own_are_named() -> None:
    """Where a kind of its own does more than the call, the summary names it."""
    for operation, adopting in ADOPTING.items():
        assert adopting in kinds()
        assert f"`{adopting}`" in kind(operation).summary


def test_the_json_schema_shows_api_calls_in_outline() -> None:
    """Names, needs and choices of the parameters, so that all 66 fit into a few pages."""
    schema = definition_schema(kinds())
    outline = schema["definitions"]["api.list_products"]
    assert outline["additionalProperties"] is False
    assert {"enum": ["asc", "desc"], "type": "string"} in outline["properties"]["sort_dir"]["anyOf"]
    # Or a fragment has it.
    assert schema["definitions"]["api.create_product"]["else"] == {"required": ["name"]}
    assert not any(name.startswith("api.") and name.count(".") > 1 for name in schema["definitions"])


def test_conditions_between_fields_hold() -> None:
    """What the reference asks of several fields together is checked beside the parameters of path and query."""
    assert arguments("create2_d_digital_human_video", script_id="s")["body"].script_id == "s"
    assert any("model_asset_id" in line for line in problems("api.create2_d_digital_human_video"))
    assert any("script_id" in line for line in problems("api.create2_d_digital_human_video"))
