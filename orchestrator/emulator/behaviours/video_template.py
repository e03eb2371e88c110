"""Templates of video scripts that the platform brings along (reference 5.1.2: SYSTEM_VIDEO_TEMPLET)."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Any

from orchestrator.emulator.catalog import AVATAR_ID, system_assets
from orchestrator.emulator.records import Script

_MADE_AT = datetime(2025, 1, 1, tzinfo=UTC)
#: Name, mode, colour, and what is said in each scene.
_TEMPLATES = (
    (
        "Product introduction",
        "LANDSCAPE",
        "#DCE6F2",
        ("Meet our new product.", "It is light, it is quick, and it lasts.", "Order it today."),
    ),
    ("News", "LANDSCAPE", "#1E3250", ("Good evening. These are the news of the day.",)),
    ("Short video", "VERTICAL", "#F2E2DC", ("Three tips that you should not miss.",)),
)


@cache
def system_scripts(region: str) -> dict[str, Script]:
    """The platform's templates in a region, by id."""
    return {script.id: script for script in _scripts(region)}


def _scripts(region: str) -> Iterator[Script]:
    voice = next(key for key, asset in system_assets(region).items() if asset.type == "VOICE_MODEL")
    for name, view, color, texts in _TEMPLATES:
        width, height = (1920, 1080) if view == "LANDSCAPE" else (1080, 1920)
        background = [{"background_type": "COLOR", "background_color_config": color}]
        body: dict[str, Any] = {
            "script_name": name,
            "view_mode": view,
            "model_asset_id": AVATAR_ID,
            "model_asset_type": "HUMAN_MODEL_2D",
            "voice_config": {"voice_asset_id": voice},
            "video_config": {"codec": "H264", "bitrate": 4000, "width": width, "height": height},
            "shoot_scripts": [
                {
                    "sequence_no": number,
                    "shoot_script": {"text_config": {"text": text}, "background_config": background},
                }
                for number, text in enumerate(texts)
            ],
        }
        key = hashlib.md5(f"{region}/{name}".encode(), usedforsecurity=False).hexdigest()
        yield Script(id=key, body=body, created_at=_MADE_AT, updated_at=_MADE_AT)
