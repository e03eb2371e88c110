"""Video scripts through the official SDK (reference 5.1)."""

from tests.conformance.flows import active_asset, script, script_body
from tests.conformance.official import Official


def test_a_script_is_made_shown_and_changed(sdk: Official) -> None:
    """What was sent comes back; an update replaces it."""
    background = active_asset(sdk, asset_name="Background")
    scene = {
        "sequence_no": 1,
        "shoot_script": {
            "text_config": {"text": '<speak>Hello <break time="500ms"/> kettle.</speak>'},
            "background_config": [{"background_type": "IMAGE", "background_asset_id": background}],
            "layer_config": [
                {"layer_type": "HUMAN", "position": {"dx": 600, "dy": 100, "layer_index": 2}},
                {
                    "layer_type": "IMAGE",
                    "asset_id": background,
                    "position": {"dx": 0, "dy": 0, "layer_index": 1},
                    "size": {"width": 300, "height": 200},
                },
            ],
        },
    }
    made = sdk.create_video_scripts(script_body(shoot_scripts=[scene], view_mode="LANDSCAPE"))
    shown = sdk.show_video_script(script_id=made.script_id)
    assert (shown.script_name, shown.priv_data) == ("Kettle", "sku=4711")
    assert shown.voice_config.speed == 110
    assert shown.video_config.width == 1280
    (item,) = shown.shoot_scripts
    assert item.shoot_script.text_config.text == scene["shoot_script"]["text_config"]["text"]  # type: ignore[index] # a literal of mixed values
    sdk.update_video_script(script_body(script_name="Another kettle"), script_id=made.script_id)
    again = sdk.show_video_script(script_id=made.script_id)
    assert again.script_name == "Another kettle"
    assert [one.sequence_no for one in again.shoot_scripts] == [1, 2]
    assert sdk.refused.show_video_script(script_id="none")[0] in {400, 404}


def test_a_script_is_copied_and_deleted(sdk: Official) -> None:
    """The copy is one of its own."""
    script_id = script(sdk)
    copy = sdk.copy_video_scripts(script_id=script_id).script_id
    assert copy != script_id
    sdk.delete_video_script(script_id=script_id)
    assert sdk.refused.show_video_script(script_id=script_id)[0] in {400, 404}
    shown = sdk.show_video_script(script_id=copy)
    assert [one.shoot_script.text_config.text for one in shown.shoot_scripts] == [
        "Hello, this is the new kettle.",
        "It boils.",
    ]


def test_scripts_are_listed_by_page_and_name(sdk: Official) -> None:
    """The pages hold every script once."""
    made = {script(sdk, script_name=f"Kettle {number:02}") for number in range(12)}
    pages = [sdk.list_video_scripts(limit=5, offset=offset) for offset in (0, 5, 10)]
    assert [page.count for page in pages] == [12, 12, 12]
    assert sorted(one.script_id for page in pages for one in page.video_scripts) == sorted(made)
    assert sdk.list_video_scripts(name="Kettle 1").count == 2


def test_a_script_that_names_nothing_is_refused(sdk: Official) -> None:
    """An avatar, a voice and a picture have to be there."""
    for code, wrong in (
        ("MSS.20010050", {"model_asset_id": "none"}),
        ("MSS.20010131", {"voice_config": {"voice_asset_id": "none"}}),
        ("MSS.20010027", {"shoot_scripts": []}),
    ):
        assert sdk.refused.create_video_scripts(script_body(**wrong))[1] == code
