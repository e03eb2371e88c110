"""Video scripts, and what may be in one."""

from typing import Any

import pytest


def shoot(**changes: Any) -> list[dict[str, Any]]:
    return [{"shoot_script": {"text_config": {"text": "Hello"}, **changes}}]


def video(**changes: Any) -> dict[str, Any]:
    return {"codec": "H264", "bitrate": 4000, "width": 1920, "height": 1080, **changes}


def image(**changes: Any) -> list[dict[str, Any]]:
    return shoot(background_config=[{"background_type": "IMAGE", **changes}])


def test_a_script_shows_what_it_was_made_with(tenant: Any) -> None:
    """The private data is echoed."""
    script_id = tenant.script(priv_data="mso-77", script_description="about a kettle")
    shown = tenant.ok("GET", f"/digital-human-video-scripts/{script_id}")
    assert (shown["script_id"], shown["priv_data"]) == (script_id, "mso-77")
    assert (
        shown["shoot_scripts"][0]["shoot_script"]["text_config"]["text"] == "Hello, this is the new kettle."
    )
    assert tenant.refused("GET", "/digital-human-video-scripts/nope") == (404, "MSS.20010079")


def test_the_list_finds_parts_of_names(tenant: Any, clock: Any) -> None:
    """Newest first, a page of them, without the private data."""
    for name in ("Kettle one", "kettle two", "Pan"):
        tenant.script(script_name=name, priv_data="x")
        clock.pass_s(1)
    listed = tenant.ok("GET", "/digital-human-video-scripts", name="kettle")
    assert listed["count"] == 2
    assert [row["script_name"] for row in listed["video_scripts"]] == ["kettle two", "Kettle one"]
    assert "priv_data" not in listed["video_scripts"][0]
    page = tenant.ok("GET", "/digital-human-video-scripts", limit=1, offset=2)
    assert (page["count"], [row["script_name"] for row in page["video_scripts"]]) == (3, ["Kettle one"])


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"model_asset_id": "nope"}, (500, "MSS.20010050")),
        ({"voice_config": {"voice_asset_id": "nope"}}, (400, "MSS.20010131")),
        ({"shoot_scripts": []}, (500, "MSS.20010027")),
        ({"shoot_scripts": [{"shoot_script": {}}]}, (500, "MSS.20010086")),
        ({"shoot_scripts": image(background_asset_id="nope")}, (500, "MSS.20010047")),
        ({"shoot_scripts": image()}, (400, "MSS.20010143")),
        ({"shoot_scripts": image(background_config="https://example.com/a.png")}, (400, "MSS.20010093")),
        ({"video_config": video(width=640, height=360)}, (400, "MSS.20010151")),
        ({"video_config": video(clip_mode="CROP", width=501, height=500)}, (400, "MSS.20010151")),
        ({"video_config": video(codec="AV1")}, (400, "MSS.00000003")),
        ({"voice_config": {"voice_asset_id": "x", "speed": 10}}, (400, "MSS.00000003")),
        ({"script_name": ""}, (400, "MSS.00000003")),
        ({"priv_data": "x" * 8193}, (400, "MSS.00000003")),
        ({"shoot_scripts": shoot(script_type="AUDIO")}, (501, "EMULATOR.0501")),
    ],
)
def test_what_is_missing_or_wrong_is_refused(
    tenant: Any, change: dict[str, Any], refusal: tuple[int, str]
) -> None:
    """Each with the code that the table has for it."""
    body = {**script_like(tenant), **change}
    assert tenant.refused("POST", "/digital-human-video-scripts", body) == refusal


def test_a_picture_has_to_be_a_usable_image(tenant: Any) -> None:
    """An asset of another type, or without its file, is refused."""
    body = script_like(tenant)
    for kind, code in (("VIDEO", (400, "MSS.20010155")), ("IMAGE", (500, "MSS.20010071"))):
        shoots = image(background_asset_id=tenant.asset(asset_type=kind))
        assert (
            tenant.refused("POST", "/digital-human-video-scripts", {**body, "shoot_scripts": shoots}) == code
        )


def script_like(tenant: Any) -> dict[str, Any]:
    script_id = tenant.script()
    shown = tenant.ok("GET", f"/digital-human-video-scripts/{script_id}")
    return {
        key: shown[key]
        for key in ("script_name", "model_asset_id", "voice_config", "video_config", "shoot_scripts")
    }
