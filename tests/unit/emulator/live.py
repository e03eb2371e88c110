"""Live rooms and livestreams of the tests: bodies that the service takes, and what was told of them."""

import json
from typing import Any

from tests.unit.emulator.conftest import AVATAR, EMMA

URL = "https://example.com/live?run=7"
EVENTS = ["SHOOT_SCRIPT_SWITCH", "RTMP_STREAM_STATE_CHANGE", "REPLY_COMMAND_FINISH"]


def scene(name: str = "Kettle", *texts: str) -> dict[str, Any]:
    """A scene; each text is a paragraph and, at five words, lasts two seconds."""
    lines = texts or ("One two three four five.", "Six seven eight nine ten.")
    items = [
        {"sequence_no": number, "title": f"Part {number}", "text_config": {"text": text}}
        for number, text in enumerate(lines, 1)
    ]
    return {
        "script_name": name,
        "model_asset_id": AVATAR,
        "voice_config": {"voice_asset_id": EMMA},
        "shoot_scripts": items,
    }


def room_body(**changes: Any) -> dict[str, Any]:
    return {"room_name": "Shop", "scene_scripts": [scene()], **changes}


def callback(**changes: Any) -> dict[str, Any]:
    return {"live_event_type_callback_url": URL, "callback_event_type": EVENTS, **changes}


def room(tenant: Any, **changes: Any) -> str:
    return str(tenant.ok("POST", "/smart-live-rooms", room_body(**changes))["room_id"])


def started(tenant: Any, room_id: str, **changes: Any) -> str:
    """The id of a livestream that was started."""
    answer = tenant.send("POST", f"/smart-live-rooms/{room_id}/smart-live-jobs", changes)
    assert answer.status < 300, answer.body
    return str(answer.json()["job_id"])


class Live:
    """A livestream of a tenant, and what it does."""

    def __init__(self, tenant: Any, clock: Any, **body: Any) -> None:
        """`body` is of the room, whose events all go to a callback."""
        self.tenant, self.clock = tenant, clock
        self.room_id = room(tenant, **{"live_event_callback_config": callback(), **body})
        self.job_id = started(tenant, self.room_id)
        self.path = f"/smart-live-rooms/{self.room_id}/smart-live-jobs/{self.job_id}"

    def show(self) -> Any:
        return self.tenant.ok("GET", self.path)

    def command(self, name: str, **params: Any) -> Any:
        return self.tenant.ok("POST", f"{self.path}/command", {"command": name, "params": params})

    def report(self, *events: tuple[int, Any]) -> Any:
        rows = [{"timestamp": 1, "type": kind, "content": json.dumps(value)} for kind, value in events]
        return self.tenant.ok("POST", f"{self.path}/live-event-report", {"total": len(rows), "events": rows})

    def told(self) -> list[str]:
        """What was told since the last time, in short; every callback is taken."""
        emulator, found = self.tenant.emulator, []
        emulator.settle()
        while posts := [post for post in emulator.postman.due(self.clock.now) if post.job_id == self.job_id]:
            for post in posts:
                found.append(short(post.body))
                emulator.postman.tried(post.id, self.clock.now, taken=True)
        return found

    def after(self, seconds: float) -> list[str]:
        """What was told after so long."""
        self.clock.pass_s(seconds)
        return self.told()


def short(body: dict[str, str]) -> str:
    """`Kettle 1` for a paragraph, `said` for a reply, the state of a stream."""
    message = json.loads(body["message"])
    if body["event_type"] == "SHOOT_SCRIPT_SWITCH":
        return f"{message['scene_script_name']} {message['shoot_script_sequence_no']}"
    return str(message["state"]) if "state" in message else "said"
