"""What a request has to meet beyond the types of its fields."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from orchestrator.definition.loader import check_text
from orchestrator.metastudio.conditions import asset, live, live_command, picture, script, speech
from orchestrator.metastudio.conditions.base import SCHEMAS_OF, Condition
from orchestrator.metastudio.models import avatar_video as videos
from orchestrator.metastudio.models import common
from orchestrator.metastudio.models import digital_asset as assets
from orchestrator.metastudio.models import live_command as commands
from orchestrator.metastudio.models import live_product as products
from orchestrator.metastudio.models import live_room as rooms
from orchestrator.metastudio.models import live_task as tasks
from orchestrator.metastudio.models import video_script as scripts
from orchestrator.metastudio.models.base import RequestModel
from orchestrator.steps.base import kinds

VIDEO = {"codec": "H264", "bitrate": 4000, "width": 1920, "height": 1080}
VOICE = {"voice_asset_id": "v"}
SCENE = {"shoot_script": {"text_config": {"text": "Hello"}}}
RECORDED = {"shoot_script": {"script_type": "AUDIO"}}
WHOLE: Mapping[str, Any] = {
    "model_asset_id": "m",
    "voice_config": VOICE,
    "video_config": VIDEO,
    "shoot_scripts": [SCENE],
}
SCRIPT = {"script_name": "s", "shoot_scripts": [SCENE]}
IMAGE = {"asset_name": "a", "asset_type": "IMAGE"}
LONG = "x" * 10_000

Values = Mapping[str, Any]
Loc = tuple[str | int, ...]


def video(**changes: Any) -> dict[str, Any]:
    return {**VIDEO, **changes}


def numbered(*numbers: int | None) -> list[dict[str, Any]]:
    return [{**SCENE, "sequence_no": number} for number in numbers]


def streamed(**changes: Any) -> dict[str, Any]:
    return {"video_config": video(**changes)}


def rule(event_type: int, tag: str) -> dict[str, Any]:
    return {"event_type": event_type, "hit_condition": {"tags": [{"tag": tag, "match": "REGEX"}]}}


def command(name: str, **params: Any) -> dict[str, Any]:
    return {"command": name, "params": params}


#: Condition, model, bodies that meet it, and bodies that don't with the location of the mistake.
CASES: list[tuple[Condition, type[BaseModel], list[Values], list[tuple[Values, Loc]]]] = [
    (
        asset.metadata_matches_type,
        assets.CreateDigitalAssetRequestBody,
        [
            {**IMAGE, "asset_extra_meta": {"image_meta": {"width": 5}}},
            {**IMAGE, "asset_extra_meta": {"image_meta": {}, "video_meta": None}},
            {"asset_name": "a", "asset_type": "MUSIC", "asset_extra_meta": {"audio_meta": {}}},
        ],
        [({**IMAGE, "asset_extra_meta": {"video_meta": {}}}, ("asset_extra_meta", "video_meta"))],
    ),
    (
        asset.metadata_matches_type,
        assets.UpdateDigitalAssetRequestBody,
        [{"asset_extra_meta": {"ppt_meta": {}}}],
        [
            (
                {"asset_type": "PPT", "asset_extra_meta": {"ppt_meta": {}, "audio_meta": {}}},
                ("asset_extra_meta", "audio_meta"),
            )
        ],
    ),
    (
        asset.cover_is_of_a_video,
        assets.CreateDigitalAssetRequestBody,
        [
            {"asset_name": "a", "asset_type": "VIDEO", "is_need_generate_cover": True},
            {**IMAGE, "is_need_generate_cover": False},
        ],
        [({**IMAGE, "is_need_generate_cover": True}, ("is_need_generate_cover",))],
    ),
    (
        asset.flag_is_yes,
        assets.SystemProperty,
        [
            {"key": "BACKGROUND_IMG", "value": "Yes"},
            {"key": "MATERIAL_IMG", "action": "DELETE", "value": "x"},
            {"key": "CREATED_BY_PLATFORM", "value": "x"},
        ],
        [({"key": "MATERIAL_VIDEO", "value": "true"}, ("value",))],
    ),
    (
        picture.size_can_be_resized_to,
        common.VideoConfig,
        [video(), video(width=2160, height=3840), video(clip_mode="CROP", width=500, height=600)],
        [
            (video(width=640, height=360), ("width",)),
            (video(clip_mode="RESIZE", width=1080, height=1080), ("width",)),
        ],
    ),
    (
        picture.size_can_be_resized_to,
        scripts.VideoConfigBasic,
        [video()],
        [(video(height=1081), ("width",))],
    ),
    (
        picture.origin_is_of_a_crop,
        common.VideoConfig,
        [video(clip_mode="CROP", dx=10, dy=-10), video(dx=0, dy=0)],
        [(video(dx=10), ("dx",)), (video(clip_mode="RESIZE", dy=1), ("dy",))],
    ),
    (
        picture.background_is_given,
        common.BackgroundConfigInfo,
        [
            {"background_type": "IMAGE", "background_config": "https://x"},
            {"background_type": "IMAGE", "background_asset_id": "a"},
            {"background_type": "COLOR", "background_color_config": "#FFFFFF"},
        ],
        [
            ({"background_type": "IMAGE", "background_color_config": "#FFFFFF"}, ("background_config",)),
            ({"background_type": "IMAGE", "background_asset_id": ""}, ("background_config",)),
            ({"background_type": "COLOR", "background_config": "u"}, ("background_color_config",)),
        ],
    ),
    (
        picture.background_is_given,
        scripts.BackgroundConfigInfoBasic,
        [{"background_type": "IMAGE", "background_config": "https://x"}],
        [({"background_type": "COLOR"}, ("background_color_config",))],
    ),
    (
        picture.layer_is_of_its_type,
        common.LayerConfig,
        [{"layer_type": "HUMAN"}, {"layer_type": "TEXT", "text_config": {"text_context": "eA=="}}],
        [
            ({"layer_type": "HUMAN", "image_config": {"image_url": "u"}}, ("image_config",)),
            ({"layer_type": "TEXT", "video_config": {"video_url": "u"}}, ("video_config",)),
        ],
    ),
    (
        picture.layer_is_of_its_type,
        rooms.SmartLayerConfig,
        [{"layer_type": "TEXT", "text_config": {"text_context": "x"}}],
        [({"layer_type": "IMAGE", "asset_id": "a", "text_config": {}}, ("text_config",))],
    ),
    (
        picture.layer_has_a_source,
        common.LayerConfig,
        [
            {"layer_type": "IMAGE", "asset_id": "a"},
            {"layer_type": "VIDEO", "video_config": {"video_url": "u"}},
            {"layer_type": "HUMAN"},
        ],
        [
            ({"layer_type": "IMAGE"}, ("asset_id",)),
            ({"layer_type": "VIDEO", "video_config": {"loop_count": 0}}, ("asset_id",)),
        ],
    ),
    (
        speech.text_can_be_spoken,
        common.TextConfig,
        [{"text": LONG}, {"text": f'<speak>{LONG}<break time="1s"/></speak>'}, {"text": LONG[5:] + "&amp;"}],
        [({"text": LONG + "x"}, ("text",)), ({"text": f"<speak>{LONG}x</speak>"}, ("text",))],
    ),
    (
        script.scenes_are_numbered_once,
        scripts.CreateVideoScriptsReq,
        [{**SCRIPT, "shoot_scripts": numbered(2, 1, None, None)}],
        [({**SCRIPT, "shoot_scripts": numbered(1, 2, 1)}, ("shoot_scripts", 2, "sequence_no"))],
    ),
    (
        script.scenes_are_numbered_once,
        scripts.UpdateVideoScriptsReq,
        [{"shoot_scripts": numbered(0, 1)}, {}],
        [({"shoot_scripts": numbered(0, 0)}, ("shoot_scripts", 1, "sequence_no"))],
    ),
    (
        script.scenes_are_numbered_once,
        videos.Create2DDigitalHumanVideoReq,
        [{**WHOLE, "shoot_scripts": numbered(0, 1)}],
        [({**WHOLE, "shoot_scripts": numbered(3, 3)}, ("shoot_scripts", 1, "sequence_no"))],
    ),
    (
        script.music_is_for_avatars,
        scripts.CreateVideoScriptsReq,
        [{**SCRIPT, "model_asset_type": "HUMAN_MODEL_2D", "background_music_config": {}}],
        [
            (
                {**SCRIPT, "model_asset_type": "HUMAN_MODEL_3D", "background_music_config": {}},
                ("background_music_config",),
            )
        ],
    ),
    (
        script.script_keeps_the_bitrate,
        scripts.CreateVideoScriptsReq,
        [
            {**SCRIPT, "model_asset_type": "HUMAN_MODEL_2D", "video_config": video(bitrate=8000)},
            {**SCRIPT, "model_asset_type": "HUMAN_MODEL_3D", "video_config": video(bitrate=30000)},
            {**SCRIPT, "video_config": video(bitrate=40)},
        ],
        [
            (
                {**SCRIPT, "model_asset_type": "HUMAN_MODEL_2D", "video_config": video(bitrate=8001)},
                ("video_config", "bitrate"),
            )
        ],
    ),
    (
        script.video_keeps_the_bitrate,
        videos.Create2DDigitalHumanVideoReq,
        [
            {**WHOLE, "video_config": video(bitrate=1000)},
            {"script_id": "s", "video_config": video(bitrate=40)},
        ],
        [({**WHOLE, "video_config": video(bitrate=999)}, ("video_config", "bitrate"))],
    ),
    (
        script.spoken_text_is_given,
        videos.ShootScript,
        [{"text_config": {"text": "x"}}, {"script_type": "AUDIO"}],
        [
            ({}, ("text_config",)),
            ({"script_type": "TEXT", "text_config": {"text": ""}}, ("text_config", "text")),
        ],
    ),
    (
        script.spoken_text_is_given,
        scripts.ShootScriptBasic,
        [{"text_config": {"text": "x"}}],
        [({"layer_config": []}, ("text_config",))],
    ),
    (
        script.script_or_all_of_it,
        videos.Create2DDigitalHumanVideoReq,
        [{"script_id": "s"}, WHOLE, {**WHOLE, "script_id": "s"}],
        [
            *(({**WHOLE, name: None}, (name,)) for name in WHOLE),
            ({**WHOLE, "shoot_scripts": []}, ("shoot_scripts",)),
        ],
    ),
    (
        script.recorded_speech_has_a_script,
        videos.Create2DDigitalHumanVideoReq,
        [{"script_id": "s", "shoot_scripts": [RECORDED]}],
        [
            (
                {**WHOLE, "shoot_scripts": [SCENE, RECORDED]},
                ("shoot_scripts", 1, "shoot_script", "script_type"),
            )
        ],
    ),
    (
        script.callback_has_its_key,
        videos.CallBackConfig,
        [
            {"callback_url": "https://x"},
            {"callback_url": "https://x", "auth_type": "NONE"},
            {"callback_url": "https://x", "auth_type": "MSS_A", "key": "k"},
        ],
        [({"callback_url": "https://x", "auth_type": "MSS_A"}, ("key",))],
    ),
    (
        live.video_can_be_streamed,
        rooms.CreateSmartLiveRoomReq,
        [{"room_name": "r", **streamed(width=1080, height=1920)}, {"room_name": "r"}],
        [
            ({"room_name": "r", **streamed(width=1280, height=720)}, ("video_config", "width")),
            ({"room_name": "r", **streamed(codec="VP8")}, ("video_config", "codec")),
        ],
    ),
    (
        live.video_can_be_streamed,
        tasks.StartSmartLiveReq,
        [streamed(is_subtitle_enable=False)],
        [
            (streamed(is_subtitle_enable=True), ("video_config", "is_subtitle_enable")),
            (streamed(is_enable_super_resolution=True), ("video_config", "is_enable_super_resolution")),
        ],
    ),
    (
        live.only_templates_are_shared,
        rooms.CreateSmartLiveRoomReq,
        [
            {"room_name": "r", "room_type": "TEMPLATE", "shared_config": {"shared_type": "SHARED"}},
            {"room_name": "r", "room_type": "NORMAL", "shared_config": {"shared_type": "PRIVATE"}},
            {"room_name": "r", "shared_config": {"shared_type": "SHARED"}},
        ],
        [
            (
                {"room_name": "r", "room_type": "NORMAL", "shared_config": {"shared_type": "SHARED"}},
                ("shared_config", "shared_type"),
            )
        ],
    ),
    (
        live.details_are_of_shared,
        rooms.SharedConfig,
        [{"shared_type": "SHARED", "allowed_project_ids": ["p"]}, {"shared_state": "DRAFT"}],
        [
            ({"shared_type": "PRIVATE", "allowed_project_ids": ["p"]}, ("allowed_project_ids",)),
            ({"shared_type": "PUBLIC", "shared_state": "DRAFT"}, ("shared_state",)),
        ],
    ),
    (
        live.end_of_sharing_is_a_time,
        rooms.SharedConfig,
        [{"expire_time": "2021-01-10T08:43:17Z"}, {"expire_time": ""}],
        [
            ({"expire_time": "2021-01-10 08:43:17"}, ("expire_time",)),
            ({"expire_time": "2021-02-30T08:43:17Z"}, ("expire_time",)),
        ],
    ),
    (
        live.event_callback_has_its_key,
        common.LiveEventCallBackConfig,
        [{"auth_type": "MEITUAN_DEFAULT"}, {"auth_type": "MSS_A_HEAD", "key": "k"}],
        [({"auth_type": "MSS_A"}, ("key",)), ({"auth_type": "MSS_A_HEAD", "key": ""}, ("key",))],
    ),
    (
        live.event_callback_is_https,
        common.LiveEventCallBackConfig,
        [
            {"live_event_type_callback_url": "HTTPS://x/y?z=1"},
            {"live_event_type_callback_url": "http://127.0.0.1:8490/callbacks"},
            {"live_event_type_callback_url": ""},
        ],
        [
            ({"live_event_type_callback_url": "http://x"}, ("live_event_type_callback_url",)),
            ({"live_event_type_callback_url": "http://localhost.x/y"}, ("live_event_type_callback_url",)),
        ],
    ),
    (
        live.audio_has_a_source,
        rooms.LiveAudioConfig,
        [{"asset_id": "a"}, {"audio_url": "https://x/y.mp3"}],
        [({"subtitle_url": "https://x/y.srt"}, ("asset_id",))],
    ),
    (
        live.reply_has_its_audio,
        rooms.ReplyAudioInfo,
        [{"audio_url": "https://x/y.mp3"}],
        [({"audio_name": "y"}, ("audio_url",))],
    ),
    (
        live.intelligent_reply_has_a_robot,
        rooms.TriggerProcess,
        [{"reply_mode": "INTELLIGENT_REPLY", "robot_id": "r"}, {"reply_mode": "CALLBACK"}],
        [({"reply_mode": "INTELLIGENT_REPLY"}, ("robot_id",))],
    ),
    (
        live.preset_script_matches_content,
        rooms.LiveRoomInteractionRuleInfo,
        [rule(10, "content"), rule(1, "level"), {"event_type": 10}],
        [(rule(10, "level"), ("hit_condition", "tags", 0, "tag"))],
    ),
    (
        live.preset_script_matches_content,
        rooms.InteractionRuleInfo,
        [rule(10, "content")],
        [(rule(10, "badge"), ("hit_condition", "tags", 0, "tag"))],
    ),
    (
        live.events_are_counted,
        tasks.ReportLiveEventReq,
        [{"total": 1, "events": [{"timestamp": 1}]}, {"total": 5}],
        [({"total": 2, "events": [{"timestamp": 1}]}, ("total",))],
    ),
    (
        live.materials_are_listed_once,
        products.CreateProductRequestBody,
        [{"name": "p", "asset_list": [{"asset_id": "a"}, {"asset_id": "b"}, {}, {}]}],
        [
            (
                {"name": "p", "asset_list": [{"asset_id": "a"}, {"asset_id": "a"}]},
                ("asset_list", 1, "asset_id"),
            )
        ],
    ),
    (
        live_command.params_fit_the_command,
        tasks.ControlSmartLiveReq,
        [
            command("INSERT_PLAY_SCRIPT", text_config={"text": "Hi"}),
            command("INSERT_PLAY_AUDIO", audio_url="https://x"),
            command("CLEAN_UP_INSERT_COMMAND", command_ids=["c"]),
            command("REFRESH_OUTPUT_URL", anything=1),
            {"command": "GET_CURRENT_PLAYING_SCRIPTS"},
        ],
        [
            (command("INSERT_PLAY_SCRIPT", text_config={"text": ""}), ("params", "text_config", "text")),
            (command("INSERT_PLAY_AUDIO", play_type="LATER"), ("params", "play_type")),
            (command("CLEAN_UP_INSERT_COMMAND", ids=[]), ("params", "ids")),
        ],
    ),
]


def _unmet(model: type[BaseModel], body: Values) -> list[tuple[Loc, str]]:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(body)
    errors = caught.value.errors()
    assert {error["type"] for error in errors} == {"condition"}
    return [(error["loc"], error["msg"]) for error in errors]


def _named(value: Any) -> str:
    return getattr(value, "__name__", "")


@pytest.mark.parametrize(("condition", "model", "good", "bad"), CASES, ids=_named)
def test_a_condition_is_met_or_names_the_field(
    condition: Condition, model: type[BaseModel], good: list[Values], bad: list[tuple[Values, Loc]]
) -> None:
    """What the reference allows passes; what it excludes is refused at its place, with the field in the message."""
    assert condition in getattr(model, "CONDITIONS", ())
    for body in good:
        model.model_validate(body)
    for body, loc in bad:
        places = dict(_unmet(model, body))
        assert loc in places
        assert next(str(name) for name in reversed(loc) if isinstance(name, str)) in places[loc]


def test_no_condition_is_forgotten() -> None:
    """Each has a case, belongs to the models that it names, and says where the reference states it."""
    by_name: dict[str, type[RequestModel]] = {
        name: value
        for module in (common, assets, videos, scripts, rooms, tasks, products, commands)
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, RequestModel)
    }
    assert {case[0] for case in CASES} == set(SCHEMAS_OF)
    for condition, schemas in SCHEMAS_OF.items():
        assert "Table" in (condition.__doc__ or "") or "11.2" in (condition.__doc__ or "")
        for schema in schemas:
            assert condition in by_name[schema].CONDITIONS


def test_all_that_is_unmet_is_said_at_once() -> None:
    """One attempt shows every mistake, those of inner objects too, and a value never shows."""
    errors = _unmet(videos.Create2DDigitalHumanVideoReq, {"shoot_scripts": numbered(1, 1)})
    assert [loc for loc, _ in errors] == [
        ("shoot_scripts", 1, "sequence_no"),
        ("model_asset_id",),
        ("voice_config",),
        ("video_config",),
    ]
    inner = _unmet(common.VideoConfig, video(width=1, height=1, dx=5, dy=5))
    assert [loc for loc, _ in inner] == [("width",), ("dx",), ("dy",)]
    scenes = [{"shoot_script": {"background_config": [{"background_type": "IMAGE"}], "layer_config": []}}]
    deep = _unmet(scripts.CreateVideoScriptsReq, {"script_name": "s", "shoot_scripts": scenes})
    assert deep[0][0] == ("shoot_scripts", 0, "shoot_script", "background_config", 0, "background_config")
    secret = {"live_event_type_callback_url": "http://x/?Signature=s3cret"}
    with pytest.raises(ValidationError) as caught:
        common.LiveEventCallBackConfig.model_validate(secret)
    assert "s3cret" not in str(caught.value)


def test_a_model_that_is_built_by_name_is_checked_too() -> None:
    """Python code gets the same answer as a file."""
    with pytest.raises(ValidationError, match="clip_mode RESIZE"):
        common.VideoConfig(codec="H264", bitrate=4000, width=5, height=5)


HEAD = """\
pipeline: p
inputs: {text: {type: string}, kind: {type: string}}
steps:
  script:
    uses: script.create
    with:
      script_name: s
"""


COLOURLESS = "background_type COLOR needs background_color_config, such as #FFFFFF"


def _problems(*lines: str) -> list[tuple[int, int, str]]:
    text = HEAD + "".join(f"      {line}\n" for line in lines)
    _, found = check_text(text.encode(), kinds(), file="p.yaml", folder=Path.cwd())
    return [(one.line, one.col, one.message) for one in found]


def test_a_definition_shows_the_place_of_an_unmet_condition() -> None:
    """Line and column of the field, or of what it is missing in; those of the whole and of its parts at once."""
    assert _problems(
        "model_asset_type: HUMAN_MODEL_2D",
        "video_config: {codec: H264, bitrate: 900, width: 1920, height: 1080}",
        "shoot_scripts:",
        "  - shoot_script: {text_config: {text: Hi}, background_config: [{background_type: COLOR}]}",
    ) == [
        (9, 44, "video_config.bitrate: bitrate of an avatar video has to be 1000 to 8000 kbit/s"),
        (11, 71, "shoot_scripts[0].shoot_script.background_config[0]: " + COLOURLESS),
    ]


@pytest.mark.parametrize(
    "scene",
    [
        '{background_config: [{background_type: "${{ inputs.kind }}"}], text_config: {text: x}}',
        '{text_config: {text: x}, background_config: [{background_type: IMAGE, background_asset_id: "${{ run.id }}"}]}',
        '{text_config: {text: "${{ inputs.text }}"}}',
        '{text_config: "${{ inputs.text }}"}',
        '{script_type: "${{ inputs.kind }}"}',
        '{layer_config: "${{ inputs.text }}", text_config: {text: x}}',
        '{layer_config: [{layer_type: IMAGE, asset_id: "${{ inputs.text }}"}], text_config: {text: x}}',
    ],
)
def test_an_expression_is_given_the_benefit_of_the_doubt(scene: str) -> None:
    """What a value will be is known later; it is no mistake before."""
    numbered = '{sequence_no: "${{ inputs.text }}", shoot_script: ' + scene + "}"
    assert _problems(f"shoot_scripts: [{numbered}, {numbered}]") == []
