"""Live rooms, their rules, their tasks and products (reference chapter 6)."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Final

from orchestrator.metastudio.conditions.base import Unmet, holds_for

if TYPE_CHECKING:
    from orchestrator.metastudio.models.common import LiveEventCallBackConfig
    from orchestrator.metastudio.models.live_product import CreateProductRequestBody, UpdateProductRequestBody
    from orchestrator.metastudio.models.live_room import (
        CreateSmartLiveRoomReq,
        InteractionRuleInfo,
        LiveAudioConfig,
        LiveRoomInteractionRuleInfo,
        ReplyAudioInfo,
        SharedConfig,
        TriggerProcess,
    )
    from orchestrator.metastudio.models.live_task import ReportLiveEventReq, StartSmartLiveReq

#: Width and height of a livestream, in pixels.
LIVE_SIZES: Final = ((1080, 1920), (1920, 1080))
#: The event type of a rule that matches the room's own script.
PRESET_SCRIPT: Final = 10

_RFC_3339: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")

#: A service that plays MetaStudio on this machine calls back without TLS.
_CALLABLE: Final = r"https://|http://(localhost|127\.0\.0\.1|\[::1\])([:/?]|$)"


@holds_for("CreateSmartLiveRoomReq", "StartSmartLiveReq")
def video_can_be_streamed(request: "CreateSmartLiveRoomReq | StartSmartLiveReq") -> Iterator[Unmet]:
    """A livestream has two sizes, H264, no subtitles, no super resolution. Tables 6-29, 6-126, 6-263."""
    video = request.video_config
    if video is None:
        return
    if (video.width, video.height) not in LIVE_SIZES:
        yield Unmet(
            ("video_config", "width"),
            f"width and height are {video.width}x{video.height}; a livestream has 1080x1920 or 1920x1080",
        )
    if video.codec != "H264":
        yield Unmet(
            ("video_config", "codec"), "codec has to be H264 for a livestream; VP8 is for videos only"
        )
    if video.is_subtitle_enable:
        yield Unmet(
            ("video_config", "is_subtitle_enable"), "is_subtitle_enable: a livestream has no subtitles"
        )
    if video.is_enable_super_resolution:
        yield Unmet(
            ("video_config", "is_enable_super_resolution"),
            "is_enable_super_resolution is for videos only, not for livestreams",
        )


@holds_for("CreateSmartLiveRoomReq")
def only_templates_are_shared(room: "CreateSmartLiveRoomReq") -> Iterator[Unmet]:
    """Sharing is for templates. Tables 6-34, 6-131."""
    shared = room.shared_config and room.shared_config.shared_type
    if room.room_type in {"NORMAL", "TEMP"} and shared in {"PUBLIC", "SHARED"}:
        yield Unmet(
            ("shared_config", "shared_type"),
            f"shared_type {shared} is for room_type TEMPLATE only, not for {room.room_type}",
        )


@holds_for("SharedConfig")
def details_are_of_shared(config: "SharedConfig") -> Iterator[Unmet]:
    """State, end and tenants apply to the sharing type SHARED alone. Tables 6-34, 6-131."""
    if config.shared_type in {None, "SHARED"}:
        return
    for name in ("shared_state", "expire_time", "allowed_project_ids"):
        if getattr(config, name):
            yield Unmet((name,), f"{name} applies only when shared_type is SHARED, not {config.shared_type}")


@holds_for("SharedConfig")
def end_of_sharing_is_a_time(config: "SharedConfig") -> Iterator[Unmet]:
    """A time by RFC 3339; empty for no end. Tables 6-34, 6-131."""
    if config.expire_time and not _is_time(config.expire_time):
        yield Unmet(("expire_time",), "expire_time has to be a time such as 2021-01-10T08:43:17Z")


@holds_for("LiveEventCallBackConfig")
def event_callback_has_its_key(config: "LiveEventCallBackConfig") -> Iterator[Unmet]:
    """MSS_A and MSS_A_HEAD sign with a key. Tables 6-31, 6-128, 6-266."""
    if config.auth_type in {"MSS_A", "MSS_A_HEAD"} and not config.key:
        yield Unmet(("key",), f"auth_type {config.auth_type} needs key, which signs the callbacks")


@holds_for("LiveEventCallBackConfig")
def event_callback_is_https(config: "LiveEventCallBackConfig") -> Iterator[Unmet]:
    """The callback address of live events is an HTTPS one, or on this machine. Tables 6-31, 6-128, 6-266."""
    url = config.live_event_type_callback_url
    if url and not re.match(_CALLABLE, url, re.IGNORECASE):
        yield Unmet(
            ("live_event_type_callback_url",), "live_event_type_callback_url has to start with https://"
        )


@holds_for("LiveAudioConfig")
def audio_has_a_source(audio: "LiveAudioConfig") -> Iterator[Unmet]:
    """Only audio from elsewhere goes without an asset id, so it needs a URL. Tables 6-16, 6-113."""
    if not (audio.asset_id or audio.audio_url):
        yield Unmet(("asset_id",), "an audio needs asset_id or audio_url")


@holds_for("ReplyAudioInfo")
def reply_has_its_audio(reply: "ReplyAudioInfo") -> Iterator[Unmet]:
    """A reply that is played has its URL. Tables 6-22 and 6-27, 6-119, 6-187, 6-228."""
    if not reply.audio_url:
        yield Unmet(("audio_url",), "a reply audio needs audio_url")


@holds_for("TriggerProcess")
def intelligent_reply_has_a_robot(trigger: "TriggerProcess") -> Iterator[Unmet]:
    """Who lets a large model reply names its robot. Tables 6-22, 6-119, 6-187, 6-228."""
    if trigger.reply_mode == "INTELLIGENT_REPLY" and not trigger.robot_id:
        yield Unmet(("robot_id",), "reply_mode INTELLIGENT_REPLY needs robot_id")


@holds_for("LiveRoomInteractionRuleInfo", "InteractionRuleInfo")
def preset_script_matches_content(
    rule: "LiveRoomInteractionRuleInfo | InteractionRuleInfo",
) -> Iterator[Unmet]:
    """A rule on the preset script (event type 10) looks at `content`. Tables 6-21, 6-118, 6-186, 6-227."""
    if rule.event_type != PRESET_SCRIPT or rule.hit_condition is None:
        return
    for index, condition in enumerate(rule.hit_condition.tags or ()):
        if condition.tag not in {None, "content"}:
            yield Unmet(
                ("hit_condition", "tags", index, "tag"), "tag has to be content when event_type is 10"
            )


@holds_for("ReportLiveEventReq")
def events_are_counted(report: "ReportLiveEventReq") -> Iterator[Unmet]:
    """`total` is the number of events. Table 6-349."""
    if report.events is not None and report.total != len(report.events):
        yield Unmet(("total",), f"total is {report.total}, but events holds {len(report.events)}")


@holds_for("CreateProductRequestBody", "UpdateProductRequestBody")
def materials_are_listed_once(
    product: "CreateProductRequestBody | UpdateProductRequestBody",
) -> Iterator[Unmet]:
    """No asset is twice among a product's materials. Tables 6-359, 6-380; MSS.10001039 of 11.2."""
    first_at: dict[str, int] = {}
    for index, material in enumerate(product.asset_list or ()):
        if not material.asset_id:
            continue
        first = first_at.setdefault(material.asset_id, index)
        if first != index:
            what = f"asset_id is that of asset_list[{first}] once more"
            yield Unmet(("asset_list", index, "asset_id"), what, "MSS.10001039")


def _is_time(text: str) -> bool:
    if not _RFC_3339.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text.upper())
    except ValueError:
        return False
    return True
