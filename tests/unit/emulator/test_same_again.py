"""The same seed gives the same run: a session with every kind of fault, played twice, to the last id."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from orchestrator.emulator.control import control
from orchestrator.emulator.faults import FaultPlan
from orchestrator.emulator.storage import StorageRules
from orchestrator.emulator.wire import Answer, Delivery, Request

MD5_OF_ABC = "kAFQmDzST7DWlj99KOF/cg=="
PLAN = FaultPlan.model_validate(
    {
        "seed": 11,
        "rules": [
            {"on": "list_assets", "do": "error", "probability": 0.4, "status": 503},
            {"on": "create_digital_asset", "do": "late", "probability": 0.2, "seconds": 20},
            {"on": "create_digital_asset", "do": "reset_after", "probability": 0.2},
            {"on": "create_file", "do": "expired_url", "every": 3},
            {"on": "storage.put", "do": "reset_after", "every": 4},
            {"on": "create2_d_digital_human_video", "do": "html", "nth": 2},
            {"on": "callback", "do": "double", "probability": 0.5},
            {"on": "callback", "do": "forge", "probability": 0.5},
            {"on": "video", "do": "fail", "probability": 0.4, "code": "MSS.45000014"},
            {"on": "*", "do": "throttle", "probability": 0.1},
            {"on": "*", "do": "mistyped", "probability": 0.1},
        ],
    }
)
Played = tuple[list[str], str, str]


def session(tenant: Any, clock: Any) -> Iterator[str]:
    """What is done next depends on what came back alone; yields what was seen."""
    storage = StorageRules(tenant.emulator)
    callback = {"callback_url": "http://127.0.0.1:9/x", "auth_type": "MSS_A", "key": "k"}
    for number in range(12):
        asset = tenant.send("POST", "/digital-assets", {"asset_name": f"A{number}", "asset_type": "IMAGE"})
        yield seen(asset)
        yield seen(tenant.send("GET", "/digital-assets", limit=5))
        if asset.delivery is Delivery.WHOLE and isinstance(asset.json().get("asset_id"), str):
            yield from upload(tenant, storage, asset.json()["asset_id"])
        text = {"shoot_script": {"text_config": {"text": "Hello, this is the new kettle."}}}
        script = tenant.send(
            "POST", "/digital-human-video-scripts", {"script_name": "S", "shoot_scripts": [text]}
        )
        yield seen(script)
        if isinstance(script.json().get("script_id"), str):
            body = {"script_id": script.json()["script_id"], "callback_config": callback}
            yield seen(tenant.send("POST", "/2d-digital-human-videos", body))
        clock.pass_s(7)
        tenant.emulator.settle()
        yield from (f"{post.id} {post.forged}" for post in tenant.emulator.postman.due(clock.now))


def upload(tenant: Any, storage: StorageRules, asset_id: str) -> Iterator[str]:
    body = {"asset_id": asset_id, "file_name": "a.png", "file_type": "png", "asset_file_category": "MAIN"}
    made = tenant.send("POST", "/files", {**body, "file_md5": MD5_OF_ABC, "file_size": 3})
    yield seen(made)
    if not isinstance(made.json().get("upload_url"), str):
        return
    target = made.json()["upload_url"].removeprefix("http://storage.invalid")
    headers = {"Content-MD5": MD5_OF_ABC, "Content-Length": "3"}
    yield seen(storage.put(Request("PUT", target, headers, b"abc")))
    yield seen(tenant.send("POST", f"/files/{made.json()['file_id']}/complete", {"state": "CREATED"}))


def seen(answer: Answer) -> str:
    return f"{answer.status} {answer.delivery} {answer.body!r}"


@pytest.fixture
def play(make_tenant: Callable[..., Any], clock: Any) -> Callable[[int], Played]:
    """Plays the session from the same time on: what was seen, the journal, the state."""
    start = clock.now

    def run(seed: int) -> Played:
        clock.now = start
        tenant = make_tenant(seed=seed, faults=PLAN)
        answers = list(session(tenant, clock))
        journal, state = (
            control(tenant.emulator, Request("GET", f"/_emulator/{name}")).body.decode()
            for name in ("journal", "state")
        )
        return answers, journal, state

    return run


def test_the_same_seed_gives_the_same_run(play: Callable[[int], Played]) -> None:
    """Answers, journal and state, byte for byte; the plan has hit in many ways."""
    first, again = play(5), play(5)
    assert first == again
    rows = json.loads(first[1])["requests"]
    assert len({row["fault"] for row in rows if "fault" in row}) >= 6


def test_ids_do_not_depend_on_when_something_happens_by_itself(
    make_tenant: Callable[..., Any], clock: Any
) -> None:
    """The next asset is called the same whether a callback fell due before it or not."""
    callback = {"callback_url": "http://127.0.0.1:9/x", "auth_type": "MSS_A", "key": "k"}
    ids = []
    for seconds, due in ((60, 1), (0, 0)):
        tenant = make_tenant()
        tenant.video(tenant.script(), callback_config=callback)
        clock.pass_s(seconds)
        ids.append(tenant.asset())
        assert len(tenant.emulator.postman.due(clock.now)) == due
    assert ids[0] == ids[1]


def test_another_seed_gives_other_ids(play: Callable[[int], Played]) -> None:
    """And the same faults at the same places: those follow the seed of the plan."""
    journals = [json.loads(play(seed)[1])["requests"] for seed in (5, 6)]
    ids = [{row["request_id"] for row in rows} for rows in journals]
    assert not ids[0] & ids[1]
    hits = [[(row["operation"], row.get("fault")) for row in rows] for rows in journals]
    assert hits[0] == hits[1]
