"""An emulator without a socket in which something of each kind exists, for requests that lead somewhere."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

from orchestrator.emulator.config import EmulatorConfig
from orchestrator.emulator.core import Emulator
from orchestrator.emulator.records import Asset, AssetState
from orchestrator.emulator.storage import StorageRules
from orchestrator.emulator.wire import Answer, Request
from orchestrator.metastudio.operations import OPERATIONS
from tests.conformance.flows import AVATAR, EMMA, PIXEL, file_body, md5_of, room_body, script_body

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
_STORAGE = "http://storage.invalid"
#: What a job is a job of, by a part of the operation's name; the first that fits counts.
_JOBS = {
    "2d_model": "avatar",
    "tts": "preview",
    "live": "live",
    "training": "voice",
    "job": "voice",
    "": "video",
}


class Inhabited:
    """A tenant, and the ids of what it has."""

    def __init__(self) -> None:
        """Makes one of everything; what takes time is done."""
        self.emulator = Emulator(EmulatorConfig(render=False, limits=False), clock=lambda: NOW)
        self._ids: dict[str, str] = {}
        self._make("asset_id", "create_digital_asset", {"asset_name": "Kettle", "asset_type": "IMAGE"})
        made = self._make("file_id", "create_file", file_body(self._ids["asset_id"], PIXEL, "kettle.png"))
        self._put(made["upload_url"])
        self._make("script_id", "create_video_scripts", script_body())
        self._make("video", "create2_d_digital_human_video", {"script_id": self._ids["script_id"]})
        self._make("room_id", "create_smart_live_room", room_body(room_name="On the air"))
        self._make("live", "start_smart_live", {})
        self._ids["studio"] = self._ids["room_id"]
        self._make("room_id", "create_smart_live_room", room_body())
        self._make("group_id", "create_interaction_rule_group", {"group_name": "Rules"})
        self._make("product_id", "create_product", {"name": "Kettle"})
        self._make("avatar", "create2d_model_training_job", {"name": "Sara"})
        self._make("voice", "create_training_basic_job", {"voice_name": "Sara", "create_type": "SEGMENT"})
        self._make("preview", "create_tts_audition", {"text": "Hello.", "emotion": EMMA})
        self.emulator.advance(10)

    @property
    def ids(self) -> Sequence[str]:
        """Whatever a body may name."""
        return (*self._ids.values(), AVATAR, EMMA)

    def path(self, operation: str) -> dict[str, str]:
        """What the path of an operation can name."""
        kind = next(kind for part, kind in _JOBS.items() if part in operation)
        names = OPERATIONS[operation].path_names
        known = {**self._ids, "job_id": self._ids.get(kind, "")}
        if "job_id" in names:
            known["room_id"] = self._ids.get("studio", "")
        return {name: known[name] for name in names}

    def send(
        self,
        name: str,
        body: Any = None,
        *,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, Any] | None = None,
    ) -> Answer:
        """The answer to an operation."""
        operation, config = OPERATIONS[name], self.emulator.config
        named = {
            key: quote(value, safe="") for key, value in (self.path(name) if path is None else path).items()
        }
        target = operation.path.format_map({"project_id": config.project_id, **named})
        sent = b"" if body is None else json.dumps(body).encode("utf-8", "surrogatepass")
        target += f"?{urlencode(query, doseq=True)}" if query else ""
        return self.emulator.handle(Request(operation.method, target, {"X-Auth-Token": config.token}, sent))

    def has_asset(self, asset_id: str, kind: str) -> None:
        """From now on there is a usable asset of this id."""
        record = Asset(
            id=asset_id, name="Named", type=kind, state=AssetState.ACTIVED, created_at=NOW, updated_at=NOW
        )
        self.emulator.world.assets.put(record)

    def _make(self, key: str, operation: str, body: Any) -> dict[str, Any]:
        answer = self.send(operation, body)
        assert answer.status < 300, answer.body
        value: dict[str, Any] = answer.json()
        self._ids[key] = value[key if key.endswith("_id") else "job_id"]
        return value

    def _put(self, url: str) -> None:
        headers = {"Content-MD5": md5_of(PIXEL), "Content-Length": str(len(PIXEL))}
        request = Request("PUT", url.removeprefix(_STORAGE), headers, PIXEL)
        assert StorageRules(self.emulator).put(request).status == 200
        self.send("confirm_file_upload", {"state": "CREATED"})
