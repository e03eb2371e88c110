"""Video scripts, and what may be in one."""

from typing import Any

import pytest

from tests.unit.emulator.conftest import AVATAR, script_body


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


def test_scenes_without_a_number_get_a_free_one(tenant: Any) -> None:
    """From their place on, so that files of scenes can be told apart."""
    scenes = [
        {**scene, **number} for scene, number in zip(shoot() * 3, ({}, {"sequence_no": 0}, {}), strict=True)
    ]
    shown = tenant.ok("GET", f"/digital-human-video-scripts/{tenant.script(shoot_scripts=scenes)}")
    assert [scene["sequence_no"] for scene in shown["shoot_scripts"]] == [1, 0, 2]


def test_an_update_replaces_what_it_names(tenant: Any, clock: Any) -> None:
    """The rest stays; a job that was made before keeps what it has."""
    script_id = tenant.script(priv_data="mso-1")
    job_id = tenant.video(script_id)
    clock.pass_s(1)
    body = {"script_name": "Pan", "shoot_scripts": shoot(text_config={"text": "Bye"})}
    assert tenant.ok("PUT", f"/digital-human-video-scripts/{script_id}", body) == {"script_id": script_id}
    shown = tenant.ok("GET", f"/digital-human-video-scripts/{script_id}")
    assert (shown["script_name"], shown["priv_data"]) == ("Pan", "mso-1")
    assert shown["shoot_scripts"][0]["shoot_script"]["text_config"]["text"] == "Bye"
    assert (shown["create_time"], shown["update_time"]) == ("2026-11-22T12:00:00Z", "2026-11-22T12:00:01Z")
    made_from = tenant.ok("GET", f"/2d-digital-human-videos/{job_id}", show_script="true")
    assert made_from["shoot_scripts"][0]["shoot_script"]["text_config"]["text"].startswith("Hello")


def test_an_update_is_checked_like_a_new_script(tenant: Any) -> None:
    """What is refused changes nothing."""
    path = f"/digital-human-video-scripts/{tenant.script()}"
    assert tenant.refused("PUT", path, {"model_asset_id": "nope"}) == (500, "MSS.20010050")
    assert tenant.refused("PUT", path, {"shoot_scripts": []}) == (500, "MSS.20010027")
    assert tenant.ok("GET", path)["model_asset_id"] == AVATAR
    assert tenant.refused("PUT", "/digital-human-video-scripts/nope", {}) == (404, "MSS.20010079")


def test_a_deleted_script_is_gone_and_its_jobs_go_on(tenant: Any, clock: Any) -> None:
    """The job still names the script; no further job can be made from it."""
    script_id = tenant.script()
    job_id = tenant.video(script_id)
    assert tenant.ok("DELETE", f"/digital-human-video-scripts/{script_id}") is None
    assert tenant.refused("GET", f"/digital-human-video-scripts/{script_id}") == (404, "MSS.20010079")
    assert tenant.refused("DELETE", f"/digital-human-video-scripts/{script_id}") == (404, "MSS.20010079")
    assert tenant.refused("POST", "/2d-digital-human-videos", {"script_id": script_id}) == (
        404,
        "MSS.20010079",
    )
    assert tenant.ok("GET", "/digital-human-video-scripts")["count"] == 0
    clock.pass_s(10)
    assert (tenant.job(job_id)["state"], tenant.job(job_id)["script_id"]) == ("SUCCEED", script_id)


def test_a_copy_has_a_name_of_its_own(tenant: Any) -> None:
    """Everything else is as in the original; each copy's name differs, however long it is."""
    script_id = tenant.script(script_name="K" * 256, priv_data="mso-2")
    ids = [tenant.ok("POST", f"/digital-human-video-scripts/{script_id}/copy")["script_id"] for _ in range(2)]
    copies = [tenant.ok("GET", f"/digital-human-video-scripts/{key}") for key in ids]
    assert [copy["script_name"] for copy in copies] == ["K" * 251 + "_copy", "K" * 250 + "_copy2"]
    assert [copy["priv_data"] for copy in copies] == ["mso-2", "mso-2"]
    assert tenant.refused("POST", "/digital-human-video-scripts/nope/copy") == (404, "MSS.20010079")


def test_the_list_is_of_drafts_in_landscape_unless_asked(tenant: Any) -> None:
    """`view_mode` and `script_catalog` have these defaults."""
    tenant.script(script_name="Tall", view_mode="VERTICAL")
    tenant.script(script_name="Wide")

    def names(**query: Any) -> list[str]:
        listed = tenant.ok("GET", "/digital-human-video-scripts", **query)["video_scripts"]
        return [row["script_name"] for row in listed]

    assert names() == ["Wide"]
    assert names(view_mode="VERTICAL") == ["Tall"]
    assert names(script_catalog="SYSTEM_VIDEO_TEMPLET") == ["News", "Product introduction"]
    assert names(script_catalog="SYSTEM_VIDEO_TEMPLET", view_mode="VERTICAL") == ["Short video"]


def test_a_template_is_used_and_copied_but_not_changed(tenant: Any) -> None:
    """MSS.20010082 for changes; the copy is a draft."""
    rows = tenant.ok("GET", "/digital-human-video-scripts", script_catalog="SYSTEM_VIDEO_TEMPLET")
    path = f"/digital-human-video-scripts/{rows['video_scripts'][0]['script_id']}"
    assert tenant.ok("GET", path)["shoot_scripts"]
    assert tenant.refused("PUT", path, {"script_name": "Mine"}) == (403, "MSS.20010082")
    assert tenant.refused("DELETE", path) == (403, "MSS.20010082")
    copy = tenant.ok("POST", f"{path}/copy")["script_id"]
    assert tenant.video(copy)
    assert [
        row["script_id"] for row in tenant.ok("GET", "/digital-human-video-scripts")["video_scripts"]
    ] == [copy]


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
        (
            {"shoot_scripts": image(background_config="978f893e1de4553c183b7a805e6290f5")},
            (500, "MSS.20010047"),
        ),
        ({"shoot_scripts": shoot() * 501}, (500, "MSS.20010072")),
        ({"shoot_scripts": shoot(layer_config=[{"layer_type": "HUMAN"}] * 101)}, (500, "MSS.20010057")),
        ({"shoot_scripts": shoot(text_config={"text": ""})}, (500, "MSS.20010112")),
        ({"script_name": "two\nlines"}, (500, "MSS.20010001")),
    ],
)
def test_what_is_missing_or_wrong_is_refused(
    tenant: Any, change: dict[str, Any], refusal: tuple[int, str]
) -> None:
    """Each with the code that the table has for it."""
    body = script_body(**change)
    assert tenant.refused("POST", "/digital-human-video-scripts", body) == refusal


def test_a_picture_has_to_be_a_usable_image(tenant: Any) -> None:
    """An asset of another type, or without its file, is refused."""
    body = script_body()
    for kind, code in (("VIDEO", (400, "MSS.20010155")), ("IMAGE", (500, "MSS.20010071"))):
        shoots = image(background_asset_id=tenant.asset(asset_type=kind))
        assert (
            tenant.refused("POST", "/digital-human-video-scripts", {**body, "shoot_scripts": shoots}) == code
        )
