"""What many tests need first: files in storage, assets that can be used, scripts."""

import base64
import hashlib
import http.client
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from tests.conformance.official import Official

#: The avatar that the platform brings along, and a voice of the region that the emulator stands in by default.
AVATAR = "0c7798664ee7178b3dba3bbef57c32e7"
EMMA = "aca15f9fe7912b2d5d8eb827f2d1327b"
#: A PNG of one pixel.
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)

#: A rule that answers comments about the price.
RULE = {
    "rule_index": "1",
    "rule_name": "Price",
    "event_type": 1,
    "hit_condition": {"relation": "AND", "tags": [{"tag": "comment", "match": "REGEX", "value": "price"}]},
    "trigger": {"reply_mode": "SYSTEM_REPLY", "reply_texts": ["It is a bargain."]},
}


def transferred(
    method: str, url: str, data: bytes | None = None, headers: Mapping[str, str] | None = None
) -> tuple[int, bytes, Mapping[str, str]]:
    """Status, body and headers of a request to a presigned URL; nothing is sent that is not named here."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=20)
    try:
        connection.request(method, f"{parts.path}?{parts.query}", data, dict(headers or {}))
        answer = connection.getresponse()
        return answer.status, answer.read(), dict(answer.headers)
    finally:
        connection.close()


def put(url: str, data: bytes, headers: Mapping[str, str] | None = None) -> None:
    """Uploads, with the headers that the URL was signed for."""
    status, text, _ = transferred("PUT", url, data, headers)
    assert status == 200, text


def put_file(url: str, data: bytes) -> None:
    """Uploads to a URL of create_file, which is signed for the digest."""
    put(url, data, {"Content-MD5": md5_of(data)})


def got(url: str) -> bytes:
    """Downloads."""
    status, data, _ = transferred("GET", url)
    assert status == 200, data
    return data


def md5_of(data: bytes) -> str:
    """The digest as the API wants it: Base64, 24 characters."""
    return base64.b64encode(hashlib.md5(data).digest()).decode()


def file_body(asset_id: str, data: bytes, name: str, category: str = "MAIN") -> dict[str, Any]:
    """The body of create_file."""
    return {
        "asset_id": asset_id,
        "file_name": name,
        "file_md5": md5_of(data),
        "file_size": len(data),
        "file_type": name.rpartition(".")[2],
        "asset_file_category": category,
    }


def asset(sdk: Official, **changes: Any) -> str:
    """An asset that waits for its main file."""
    made = sdk.create_digital_asset({"asset_name": "Kettle", "asset_type": "IMAGE", **changes})
    return str(made.asset_id)


def active_asset(sdk: Official, data: bytes = PIXEL, name: str = "kettle.png", **changes: Any) -> str:
    """An asset whose main file is uploaded and confirmed."""
    asset_id = asset(sdk, **changes)
    made = sdk.create_file(file_body(asset_id, data, name))
    put_file(made.upload_url, data)
    sdk.confirm_file_upload({"state": "CREATED"}, file_id=made.file_id)
    return asset_id


def script_body(**changes: Any) -> dict[str, Any]:
    """A script of two scenes."""
    return {
        "script_name": "Kettle",
        "script_description": "All about it",
        "model_asset_id": AVATAR,
        "voice_config": {"voice_asset_id": EMMA, "speed": 110},
        "video_config": {"codec": "H264", "bitrate": 4000, "width": 1280, "height": 720, "frame_rate": "25"},
        "shoot_scripts": [
            {"sequence_no": 1, "shoot_script": {"text_config": {"text": "Hello, this is the new kettle."}}},
            {"sequence_no": 2, "shoot_script": {"text_config": {"text": "It boils."}}},
        ],
        "priv_data": "sku=4711",
        **changes,
    }


def script(sdk: Official, **changes: Any) -> str:
    """A script that videos can be made of."""
    return str(sdk.create_video_scripts(script_body(**changes)).script_id)


def room_body(**changes: Any) -> dict[str, Any]:
    """A room that repeats a script of three paragraphs."""
    paragraphs = [
        {"sequence_no": number, "title": f"Part {number}", "text_config": {"text": f"This is part {number}."}}
        for number in (1, 2, 3)
    ]
    scene = {
        "script_name": "Kettles",
        "model_asset_id": AVATAR,
        "voice_config": {"voice_asset_id": EMMA},
        "layer_config": [{"layer_type": "HUMAN", "position": {"dx": 0, "dy": 0, "layer_index": 1}}],
        "shoot_scripts": paragraphs,
    }
    return {
        "room_name": "Kettle show",
        "room_description": "All evening",
        "room_type": "NORMAL",
        "scene_scripts": [scene],
        "interaction_rules": [RULE],
        "play_policy": {"repeat_count": -1, "random_play_mode": "NONE"},
        "video_config": {"codec": "H264", "bitrate": 3000, "width": 1080, "height": 1920},
        "output_urls": ["rtmp://push.example.com/live"],
        "stream_keys": ["secret"],
        "view_mode": "VERTICAL",
        "priv_data": "shop=1",
        **changes,
    }
