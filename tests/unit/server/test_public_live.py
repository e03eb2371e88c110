"""What the public listener makes of the events that livestreams report, over a real socket."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from orchestrator.metastudio.callbacks import (
    LIVE_QUERY,
    VIDEO_QUERY,
    SignatureFields,
    VideoCallback,
    derive_key,
    derive_live_key,
    sign,
)
from orchestrator.metastudio.live_events import LiveEventCallback, correlation_of, told_of
from orchestrator.server.public import PublicServer

MASTER, OLD = "new-master-key", "old-master-key"
NOW_MS = 1_744_612_873_350
PUBLIC = "https://hooks.example.com/mso"
STREAM = {
    "event_type": "RTMP_STREAM_STATE_CHANGE",
    "message": json.dumps(
        {
            "room_id": "r",
            "job_id": "j",
            "output_url": "rtmp://host/app",
            "stream_key": "k",
            "state": "CONNECTED",
        }
    ),
}


@dataclass
class Inbox:
    """Keeps what arrives; knows one run."""

    taken: list[tuple[LiveEventCallback, bool]] = field(default_factory=list)

    async def callback(self, run_id: str, callback: VideoCallback, *, stale: bool) -> bool:
        raise AssertionError((run_id, callback, stale))

    async def live_event(self, run_id: str, event: LiveEventCallback, *, stale: bool) -> bool:
        if run_id == "run-1":
            self.taken.append((event, stale))
        return run_id == "run-1"


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
async def server(inbox: Inbox) -> AsyncIterator[PublicServer]:
    server = PublicServer(inbox, keys=[MASTER, OLD], public_url=PUBLIC, now_ms=lambda: NOW_MS, read_s=60)
    async with server:
        yield server


async def post(
    server: PublicServer,
    body: Any = STREAM,
    *,
    run: str = "run-1",
    key: str | None = None,
    ms: int = NOW_MS,
    fields: SignatureFields = LIVE_QUERY,
) -> int:
    url = f"{PUBLIC}/callbacks/live/{run}"
    signed = sign(url, derive_live_key(MASTER, run) if key is None else key, ms, fields=fields)
    host, port = server.address
    text = body if isinstance(body, str) else json.dumps(body)
    async with (
        aiohttp.ClientSession() as session,
        session.post(signed.replace(PUBLIC, f"http://{host}:{port}"), data=text) as answer,
    ):
        return answer.status


async def test_an_event_is_handed_on(server: PublicServer, inbox: Inbox) -> None:
    """Signed with any of the keys; what may be kept of it has no address and no key."""
    assert await post(server) == 204
    assert await post(server, key=derive_live_key(OLD, "run-1")) == 204
    (event, stale), _ = inbox.taken
    assert not stale
    assert correlation_of(event.job_id or "", event.event_type) == "livestream j RTMP_STREAM_STATE_CHANGE"
    assert told_of(event) == '{"state": "CONNECTED"}'


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"key": derive_key(MASTER, "run-1")}, 401),
        ({"key": derive_live_key(MASTER, "run-2")}, 401),
        ({"fields": VIDEO_QUERY}, 401),
        ({"body": "{"}, 400),
        ({"body": {"message": "{}"}}, 400),
        ({"run": "run-2"}, 404),
        ({"run": "~"}, 404),
    ],
)
async def test_others_are_refused(
    server: PublicServer, inbox: Inbox, wrong: dict[str, Any], status: int
) -> None:
    """A key for videos, or for another run, is none; nor is a signature in the wrong parameters."""
    assert await post(server, **wrong) == status
    assert inbox.taken == []


async def test_a_stale_one_is_a_hint_at_most(server: PublicServer, inbox: Inbox) -> None:
    """It is refused, and whoever takes it is told."""
    assert await post(server, ms=NOW_MS - 600_000) == 401
    assert [stale for _, stale in inbox.taken] == [True]


async def test_a_strange_event_brings_nothing(server: PublicServer, inbox: Inbox) -> None:
    """What the reference does not have is taken, and nothing of it is kept; half a character breaks nothing."""
    assert await post(server, {"event_type": "NEW\ud800", "message": {"job_id": "j", "secret": "s"}}) == 204
    ((event, _),) = inbox.taken
    assert told_of(event) == "{}"
    assert correlation_of(event.job_id or "", event.event_type) == "livestream j NEW\\ufffd"
