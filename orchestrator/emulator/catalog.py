"""What the platform itself brings along: the voices of the region and an avatar (reference 11.12)."""

import csv
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

from orchestrator.emulator.records import Asset, AssetState

#: The avatar that the reference's examples and the sample pipelines use.
AVATAR_ID = "0c7798664ee7178b3dba3bbef57c32e7"
_MADE_AT = datetime(2025, 1, 1, tzinfo=UTC)


@cache
def system_assets(region: str) -> dict[str, Asset]:
    """The platform's assets in a region, by id."""
    column = region.replace("-", "_")
    source = files("orchestrator.metastudio.spec").joinpath("timbres.csv")
    assets = [_avatar()]
    for row in csv.DictReader(source.read_text("utf-8").splitlines()):
        voice_id = _corrections(row["correction_from_published_page"]).get(region, row[column])
        if voice_id:
            assets.append(_voice(voice_id, row["name"] or f"Voice {row['row']}"))
    return {asset.id: asset for asset in assets}


def _corrections(text: str) -> dict[str, str]:
    pairs = (part.strip().partition("=") for part in text.split(";") if "=" in part)
    return {region: voice for region, _, voice in pairs}


def _avatar() -> Asset:
    meta = {"human_model_2d_meta": {"model_version": "V3", "model_resolution": "4K", "is_flexus": False}}
    return _system(AVATAR_ID, "Presenter", "HUMAN_MODEL_2D", meta, ("VIDEO_2D", "LIVE_2D"))


def _voice(voice_id: str, name: str) -> Asset:
    male = "male" in name and "female" not in name
    sex = "MALE" if male else "FEMALE" if "emale" in name else "UNKNOW"
    meta = {"voice_model_meta": {"model_type": "COMMON", "sex": sex, "is_realtime_voice": True}}
    return _system(voice_id, name, "VOICE_MODEL", meta, ())


def _system(key: str, name: str, kind: str, meta: Mapping[str, Any], services: tuple[str, ...]) -> Asset:
    return Asset(
        id=key,
        name=name,
        type=kind,
        state=AssetState.ACTIVED,
        created_at=_MADE_AT,
        updated_at=_MADE_AT,
        extra_meta=dict(meta),
        services=services,
        system=True,
    )
