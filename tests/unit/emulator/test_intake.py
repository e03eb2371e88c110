"""What is checked before a behaviour sees a request."""

from typing import Any

import pytest

from orchestrator.emulator.wire import Request
from tests.unit.emulator.conftest import script_body


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "101"},
        {"limit": "ten"},
        {"offset": "-1"},
        {"sort_dir": "up"},
        {"asset_type": "IMAGE,PAINTING"},
        {"is_movable": "perhaps"},
    ],
)
def test_a_parameter_out_of_range_is_refused(tenant: Any, query: dict[str, str]) -> None:
    """With the code for invalid parameters, whatever the operation does with it."""
    answer = tenant.send("GET", "/digital-assets", **query)
    assert (answer.status, answer.json()["error_code"]) == (400, "MSS.00000003")
    assert next(iter(query)) in answer.json()["error_msg"]


def test_unknown_parameters_and_fields_are_ignored(tenant: Any) -> None:
    """The service is ahead of its document; what was shown may be sent back whole."""
    assert tenant.ok("GET", "/digital-assets", colour="red")["count"] == 0
    script_id = tenant.script()
    shown = tenant.ok("GET", f"/digital-human-video-scripts/{script_id}")
    changed = {**shown, "script_name": "Kettle, again", "shoot_scripts": shown["shoot_scripts"]}
    tenant.ok("PUT", f"/digital-human-video-scripts/{script_id}", changed)
    assert tenant.ok("GET", f"/digital-human-video-scripts/{script_id}")["script_name"] == "Kettle, again"


def test_a_body_of_countless_unknown_fields_is_refused(tenant: Any) -> None:
    """Some are passed over; who sends tens of thousands means something else."""
    body = {"asset_name": "A", "asset_type": "IMAGE"}
    tenant.ok("POST", "/digital-assets", {**body, **{f"x{number}": 1 for number in range(5000)}})
    many = {**body, **{f"x{number}": 1 for number in range(10_001)}}
    answer = tenant.send("POST", "/digital-assets", many)
    assert (answer.status, answer.json()["error_code"]) == (400, "MSS.00000003")
    assert "more than 10000" in answer.json()["error_msg"]


def test_a_byte_order_mark_before_the_body_is_passed_over(tenant: Any) -> None:
    """Some editors write one into what curl then sends."""
    emulator = tenant.emulator
    path = f"/v1/{emulator.config.project_id}/digital-assets"
    headers = {"X-Auth-Token": emulator.config.token}
    body = b'\xef\xbb\xbf{"asset_name": "A", "asset_type": "IMAGE"}'
    assert emulator.handle(Request("POST", path, headers, body)).status == 200
    assert emulator.handle(Request("POST", path, headers, b"\xef\xbb\xbf")).status == 400


@pytest.mark.parametrize("method", ["GET", "DELETE", "POST"])
def test_a_path_whose_id_is_empty_is_no_operation(tenant: Any, method: str) -> None:
    """A client that forgot the id is not shown the list, nor does it make anything."""
    body = {"asset_name": "A", "asset_type": "IMAGE"} if method == "POST" else None
    answer = tenant.send(method, "/digital-assets/", body)
    assert (answer.status, answer.json()["error_code"]) == (404, "MSS.00000002")
    assert len(tenant.emulator.world.assets) == 0


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"video_config": {"codec": "H264", "bitrate": 4000, "width": 640, "height": 480}}, "MSS.20010151"),
        ({"shoot_scripts": [{"shoot_script": {}}]}, "MSS.20010086"),
        ({"shoot_scripts": [{"shoot_script": {"text_config": {"text": ""}}}]}, "MSS.20010112"),
        ({"voice_config": {"voice_asset_id": ""}, "shoot_scripts": [{"shoot_script": {}}]}, "MSS.00000003"),
    ],
)
def test_fields_that_do_not_fit_together_have_codes_of_their_own(
    tenant: Any, changes: dict[str, Any], code: str
) -> None:
    """Where the service has none, it is an invalid parameter; a wrong field by itself goes first."""
    answer = tenant.send("POST", "/digital-human-video-scripts", script_body(**changes))
    assert answer.json()["error_code"] == code


def test_speech_previews_have_codes_and_request_ids_of_their_own(tenant: Any) -> None:
    """Nine digits, and the id that the caller sent."""
    tenant.headers["X-Request-Id"] = "mine-1"
    answer = tenant.send("POST", "/ttsc/audition", {})
    assert answer.headers["X-Request-Id"] == "mine-1"
    assert answer.json() | {"error_msg": ""} == {
        "error_code": "MSS.000000003",
        "error_msg": "",
        "request_id": "mine-1",
    }
    assert tenant.send("GET", "/digital-assets").headers["X-Request-Id"] != "mine-1"
