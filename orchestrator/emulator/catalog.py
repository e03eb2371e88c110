"""What the platform itself brings along: the voices of the region and some avatars (reference 11.12, 4-18, 4-40)."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from types import MappingProxyType
from typing import Any

from orchestrator.emulator.records import Asset, AssetState
from orchestrator.metastudio.catalog import Timbre, timbres

#: The avatar that the reference's examples and the sample pipelines use.
AVATAR_ID = "0c7798664ee7178b3dba3bbef57c32e7"
_MADE_AT = datetime(2025, 1, 1, tzinfo=UTC)
_EVERYWHERE = ("VIDEO_2D", "LIVE_2D", "CHAT_2D")

#: The published table gives names and ids only: sex and language are told by the name where it tells them.
_WOMEN, _MEN = frozenset({"Emma"}), frozenset({"Daniel", "David", "Devin"})
_ENGLISH = frozenset({"Daniel", "English male", "Emma", "English female", "David", "Devin"})
#: Characters of Chinese and of English that a voice speaks in a second, as `conversion_rate` is read here.
_RATE, _RATE_EN = 4.5, 14.0

_ACTIONS = (
    ("打招呼", "Greeting", "greeting"),
    ("介绍", "Introduction", "explanation"),
    ("强调", "Emphasis", "explanation"),
    ("告别", "Farewell", "greeting"),
)


@cache
def system_assets(region: str) -> Mapping[str, Asset]:
    """The platform's assets in a region, by id; all of one time, avatars first."""
    assets = (*_avatars(), *(_voice(timbre, region) for timbre in timbres(region)))
    return MappingProxyType({asset.id: asset for asset in assets})


def _avatars() -> tuple[Asset, ...]:
    return (
        _avatar("Presenter", AVATAR_ID, ("FEMALE", "HALF-BODY", "STANDING", "BUSINESS"), actions=True),
        _avatar("News anchor", _id("News anchor"), ("MALE", "HALF-BODY", "SITTING", "NEWS"), version="V3_2"),
        _avatar("Walking guide", _id("Walking guide"), ("FEMALE", "FULL-BODY", "WALKING"), live=False),
    )


def _avatar(
    name: str,
    key: str,
    tags: tuple[str, ...],
    *,
    actions: bool = False,
    live: bool = True,
    version: str = "V3",
) -> Asset:
    meta = {
        "is_action_editable": actions,
        "is_real_background": False,
        "support_live": live,
        "model_version": version,
        "model_resolution": "4K",
        "device_names": ["T4"],
        "is_with_action_library": actions,
        "action_tag_map": [_action(*action) for action in _ACTIONS] if actions else [],
        "is_flexus": False,
    }
    # A walking avatar serves for videos only (table 4-18).
    services = _EVERYWHERE if live else ("VIDEO_2D",)
    return _system(key, name, "HUMAN_MODEL_2D", {"human_model_2d_meta": meta}, services, tags)


def _action(chinese: str, english: str, catalog: str) -> dict[str, str]:
    tag = english.upper()
    return {"action_name_zh": chinese, "action_name_en": english, "catalog": catalog, "tag": tag}


def _voice(timbre: Timbre, region: str) -> Asset:
    name = timbre.name or f"Voice {timbre.row}"
    english = timbre.name in _ENGLISH
    meta = {
        "order": timbre.row,
        "model_type": "COMMON",
        "sex": _sex(timbre.name),
        "language": "EN" if english else "CN",
        "speed_ratio": 1.0,
        "volume_ratio": 1.0,
        "is_realtime_voice": True,
        "is_support_vc_process": False,
        "is_flexus": False,
        "voice_capability": _capability(english=english),
    }
    return _system(timbre.ids[region], name, "VOICE_MODEL", {"voice_model_meta": meta}, _EVERYWHERE)


def _capability(*, english: bool) -> dict[str, Any]:
    """What SSML a voice takes: all that its language has a use for."""
    return {
        "is_support_phoneme_en": english,
        "is_support_phoneme": not english,
        "is_support_break_time": True,
        "is_support_break_strength": True,
        "is_support_speed": True,
        "is_support_prosody": True,
        "is_support_ssml_say_as": True,
        "is_support_ssml_sub": True,
        "is_support_word": not english,
        "is_support_voice_cache": False,
        "conversion_rate": 0.0 if english else _RATE,
        "conversion_rate_en": _RATE_EN,
        "is_support_srt": True,
    }


def _sex(name: str) -> str:
    words = frozenset(name.casefold().split())
    if "female" in words or name in _WOMEN:
        return "FEMALE"
    return "MALE" if "male" in words or name in _MEN else "UNKNOW"


def _id(name: str) -> str:
    return hashlib.md5(f"metastudio-emulator/{name}".encode(), usedforsecurity=False).hexdigest()


def _system(
    key: str,
    name: str,
    kind: str,
    meta: Mapping[str, Any],
    services: tuple[str, ...],
    tags: tuple[str, ...] = (),
) -> Asset:
    return Asset(
        id=key,
        name=name,
        type=kind,
        state=AssetState.ACTIVED,
        created_at=_MADE_AT,
        updated_at=_MADE_AT,
        tags=tags,
        extra_meta=dict(meta),
        services=services,
        system=True,
    )
