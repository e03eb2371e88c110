"""Every operation that makes something, as a step calls it: what is there before, and where what it makes is counted."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.domain.pipeline import Step
from tests.contract.virtual_cloud import Cloud, md5_of, step

AVATAR = "0c7798664ee7178b3dba3bbef57c32e7"
VOICE = "0a4b548fd8d2d6998e1fc3fffb29f9bc"
SCENE = {"shoot_script": {"text_config": {"text": "Hello."}}}
SCRIPT = {
    "script_name": "Cup",
    "model_asset_id": AVATAR,
    "voice_config": {"voice_asset_id": VOICE},
    "video_config": {"codec": "H264", "bitrate": 4000, "width": 1920, "height": 1080},
    "shoot_scripts": [SCENE],
}
ROOM = {
    "room_name": "Show",
    "scene_scripts": [
        {
            "script_name": "Cups",
            "model_asset_id": AVATAR,
            "voice_config": {"voice_asset_id": VOICE},
            "layer_config": [{"layer_type": "HUMAN", "position": {"dx": 0, "dy": 0, "layer_index": 1}}],
            "shoot_scripts": [
                {"sequence_no": 1, "title": "One", "text_config": {"text": "This is a cup."}},
            ],
        }
    ],
    "play_policy": {"repeat_count": -1},
    "video_config": {"codec": "H264", "bitrate": 3000, "width": 1080, "height": 1920},
    "output_urls": ["rtmp://push.example.com/live"],
}
RULE = {
    "rule_name": "Price",
    "event_type": 1,
    "hit_condition": {"relation": "AND", "tags": [{"tag": "content", "match": "REGEX", "value": "price"}]},
    "trigger": {"reply_mode": "SYSTEM_REPLY", "reply_texts": ["It is a bargain."]},
}

#: What a case needs that no run has made.
Setup = Callable[[Cloud], Awaitable[Mapping[str, Any]]]


async def nothing(cloud: Cloud) -> Mapping[str, Any]:
    return {}


async def an_asset(cloud: Cloud) -> Mapping[str, Any]:
    made = await cloud.call("create_digital_asset", asset_name="Cup", asset_type="IMAGE")
    return {"asset_id": made.asset_id}


async def a_ticket(cloud: Cloud) -> Mapping[str, Any]:
    """A copy within the region gets another id."""
    content = b"picture"
    asset_id = (await an_asset(cloud))["asset_id"]
    file = await cloud.call("create_file", **file_of(asset_id, content))
    cloud.put(file.upload_url, content)
    await cloud.call("confirm_file_upload", file_id=file.file_id, state="CREATED")
    await asyncio.sleep(1)
    ticket = await cloud.call("show_asset_replication_info", asset_id=asset_id)
    found: Mapping[str, Any] = ticket.model_dump(exclude_none=True)
    return found


async def a_script(cloud: Cloud) -> Mapping[str, Any]:
    return {"script_id": (await cloud.call("create_video_scripts", **SCRIPT)).script_id}


async def a_room(cloud: Cloud) -> Mapping[str, Any]:
    return {"room_id": (await cloud.call("create_smart_live_room", **ROOM)).room_id}


async def a_livestream(cloud: Cloud) -> Mapping[str, Any]:
    room = await a_room(cloud)
    job = await cloud.call("start_smart_live", room_id=room["room_id"])
    await asyncio.sleep(10)
    return {**room, "job_id": job.job_id}


def file_of(asset_id: str, content: bytes, **changes: Any) -> dict[str, Any]:
    return {
        "asset_id": asset_id,
        "file_name": "cup.png",
        "file_md5": md5_of(content),
        "file_size": len(content),
        "file_type": "png",
        "asset_file_category": "MAIN",
        **changes,
    }


@dataclass(frozen=True)
class Case:
    """How one operation is called by a step, and where what it makes is counted."""

    operation: str
    uses: str
    table: str
    with_: Mapping[str, Any]
    setup: Setup = nothing
    #: Steps of the same run that come before.
    before: tuple[Step, ...] = ()
    #: The parameter that names what is made, if the service wants it to be unlike all others.
    unique: str = ""
    #: Somebody's own thing of the same name may be ours, as far as a look can tell.
    weak: bool = False

    def steps(self, given: Mapping[str, Any], **changes: Any) -> tuple[Step, ...]:
        needs = tuple(one.id for one in self.before)
        made = step("make", self.uses, *needs, **{**self.with_, **given, **changes})
        return (*self.before, made)


def case(operation: str, table: str, uses: str = "", /, **more: Any) -> Case:
    fields = {name: more.pop(name) for name in ("setup", "before", "unique", "weak") if name in more}
    return Case(operation, uses or f"api.{operation}", table, more, **fields)


OWN_SCRIPT = (step("script", "script.create", **SCRIPT),)
OWN_ROOM = (step("room", "api.create_smart_live_room", **ROOM),)
ASSET = {"asset_name": "Cup", "asset_type": "IMAGE"}
FROM_OWN_SCRIPT = {
    "script_id": "${{ steps.script.script_id }}",
    "output_asset_config": {"asset_name": "Cup"},
}
VOICE_JOB: Mapping[str, Any] = {"voice_name": "Ann", "create_type": "PACKAGE", "weak": True}

#: Operations whose lost answer the orchestrator settles by itself.
SURE = [
    case("create_digital_asset", "assets", "asset.create", **ASSET),
    case("create_digital_asset", "assets", **ASSET),
    case("create_file", "files", **file_of("", b"cup"), setup=an_asset, unique="file_name"),
    case("create_file", "files", "file.upload", path="/cup.png", setup=an_asset, unique="file_name"),
    case(
        "create_large_file",
        "files",
        **{key: value for key, value in file_of("", b"cup").items() if key != "file_md5"},
        setup=an_asset,
        unique="file_name",
    ),
    case("create_video_scripts", "scripts", "script.create", **SCRIPT),
    case("create_video_scripts", "scripts", **SCRIPT, priv_data="sku=1"),
    case("create2_d_digital_human_video", "jobs", "video.produce", **FROM_OWN_SCRIPT, before=OWN_SCRIPT),
    case("create2_d_digital_human_video", "jobs", **FROM_OWN_SCRIPT, before=OWN_SCRIPT),
    case("create_smart_live_room", "live_rooms", **ROOM, unique="room_name"),
    case(
        "create_interaction_rule_group",
        "live_rule_groups",
        group_name="Prices",
        interaction_rules=[RULE],
        unique="group_name",
    ),
    case("start_smart_live", "live_jobs", room_id="${{ steps.room.room_id }}", before=OWN_ROOM),
    case("create_product", "product", name="Cup", tags=["cups"]),
    case("create2d_model_training_job", "avatar_training_job", name="Ann"),
    case("create_training_basic_job", "voice_training_job", **VOICE_JOB),
    case("create_training_middle_job", "voice_training_job", **VOICE_JOB),
    case("create_training_advance_job", "voice_training_job", **VOICE_JOB),
]
#: Operations, or uses of them, of which nobody but a person can tell what came.
UNSURE = [
    case("create_asset_by_replication_info", "assets", setup=a_ticket),
    case("copy_video_scripts", "scripts", setup=a_script),
    case(
        "execute_smart_live_command",
        "live_jobs",
        command="INSERT_PLAY_SCRIPT",
        params={"text_config": {"text": "Look here."}},
        setup=a_livestream,
    ),
    case(
        "live_event_report",
        "live_audience_events",
        total=1,
        events=[{"timestamp": 1, "type": 2, "content": "{}"}],
        setup=a_livestream,
    ),
    case("create_tts_audition", "speech_preview", text="Hello.", emotion=VOICE),
]
#: Uses where what is found may be another's: only then is a person asked.
DOUBTFUL = [
    case(
        "create2_d_digital_human_video",
        "jobs",
        "video.produce",
        output_asset_config={"asset_name": "Cup"},
        setup=a_script,
    ),
    case(
        "create2_d_digital_human_video",
        "jobs",
        **{key: value for key, value in SCRIPT.items() if key != "script_name"},
        output_asset_config={"asset_name": "Cup"},
    ),
    case("start_smart_live", "live_jobs", setup=a_room),
    case("create_interaction_rule_group", "live_rule_groups", group_name="Prices"),
    case(
        "create_training_basic_job",
        "voice_training_job",
        voice_name="Ann",
        create_type="PACKAGE",
        batch_name="Mine",
    ),
]


def name_of(one: Case) -> str:
    return one.operation if one.uses.startswith("api.") else one.uses
