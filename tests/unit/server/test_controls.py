"""The verbs over HTTP: a real listener and a real store, and in the place of the engine what notes what was asked of it."""

import io
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
import structlog

from orchestrator.domain import events as ev
from orchestrator.domain.ids import RunId, RunKey, StepId, canonical_json
from orchestrator.domain.pipeline import InputSpec, Pipeline, Step
from orchestrator.domain.run import RunState
from orchestrator.engine.changes import Change
from orchestrator.engine.control import Control, ControlError, unknown
from orchestrator.engine.poller import PollPolicy
from orchestrator.server.admin import AdminServer
from orchestrator.server.controls import MAX_BODY_BYTES, Controls
from orchestrator.server.replay_changes import Replays
from orchestrator.server.state_reads import StateReads
from orchestrator.steps.base import kinds
from orchestrator.store.memory import MemoryStore
from tests.unit.server.test_admin import Runs

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
RUN = RunId("01run")
PIPELINE = Pipeline(
    name="cups",
    inputs={"glaze": InputSpec(options={"max_length": 5})},
    steps=(Step(StepId("rest"), "sleep", with_={"seconds": 1}),),
)


@dataclass
class Asked:
    """Implements `Control` by noting what it is asked."""

    calls: list[tuple[Any, ...]] = field(default_factory=list)
    refusal: Exception | None = None

    async def cancel(self, run_id: RunId, *, reason: str = "") -> None:
        self._note("cancel", run_id, reason)

    async def pause(self, run_id: RunId, *, reason: str = "") -> None:
        self._note("pause", run_id, reason)

    async def resume(self, run_id: RunId) -> None:
        self._note("resume", run_id)

    async def retry(self, run_id: RunId) -> None:
        self._note("retry", run_id)

    async def approve(
        self,
        run_id: RunId,
        step: StepId | None = None,
        *,
        approved: bool = True,
        by: str = "",
        comment: str = "",
    ) -> None:
        self._note("approve", run_id, step, approved, by, comment)

    async def replay(
        self,
        run_id: RunId,
        *,
        pipeline: Pipeline | None = None,
        inputs: Mapping[str, Any] | None = None,
        first: StepId | None = None,
    ) -> RunId:
        self._note("replay", run_id, pipeline and [step.id for step in pipeline.steps], inputs, first)
        return run_id

    def _note(self, verb: str, run_id: RunId, *more: Any) -> None:
        if run_id != RUN:
            raise unknown(run_id)
        if self.refusal is not None:
            raise self.refusal
        self.calls.append((verb, *more))


@pytest.fixture
def asked() -> Asked:
    return Asked()


@pytest.fixture
async def controls(asked: Asked) -> Controls:
    store = MemoryStore()
    await store.put_definition(PIPELINE.hash, canonical_json(PIPELINE.to_json()))
    change = Change(RunState(RUN, PIPELINE), AT)
    change.add(ev.RunCreated("blue cup", "cups", PIPELINE.hash, RunKey("k"), {"glaze": "matt"}))
    await store.append(change.append(wake_at=None, polls=PollPolicy()))
    control: Control = asked
    return Controls(control, StateReads(store), Replays(store, kinds(), "cn-north-4"))


@pytest.fixture
async def server(controls: Controls) -> AsyncIterator[AdminServer]:
    async with AdminServer(Runs(), controls=controls) as server:
        yield server


@pytest.fixture
async def http(server: AdminServer) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(server.url) as session:
        yield session


async def post(
    http: aiohttp.ClientSession, verb: str, body: Any = None, *, run: str = RUN, **headers: str
) -> tuple[int, Any]:
    """Status and JSON of the answer; `body` bytes are sent as they are."""
    data = body if isinstance(body, bytes) else json.dumps({} if body is None else body).encode()
    sent = {
        "Content-Type": "application/json",
        **{name.replace("_", "-"): text for name, text in headers.items()},
    }
    # A large body is streamed; the client would rather not have it as bytes.
    async with http.post(f"api/v1/runs/{run}/{verb}", data=io.BytesIO(data), headers=sent) as answer:
        return answer.status, await answer.json()


@pytest.mark.parametrize(
    ("verb", "body", "call"),
    [
        ("cancel", {"reason": "wrong glaze"}, ("cancel", "wrong glaze")),
        ("pause", {}, ("pause", "")),
        ("pause", b"", ("pause", "")),
        ("resume", {}, ("resume",)),
        ("retry", {}, ("retry",)),
        ("approve", {}, ("approve", None, True, "", "")),
        (
            "approve",
            {"step": "look", "approved": False, "by": "Ann", "comment": "too blue"},
            ("approve", "look", False, "Ann", "too blue"),
        ),
        ("replay", {}, ("replay", None, None, None)),
        (
            "replay",
            {"inputs": {"glaze": "gold"}, "from": "rest"},
            ("replay", None, {"glaze": "gold"}, "rest"),
        ),
    ],
)
async def test_a_verb_is_carried_out_and_answered_with_the_run(
    http: aiohttp.ClientSession, asked: Asked, verb: str, body: Any, call: tuple[Any, ...]
) -> None:
    """202 and the run as it then is."""
    status, answer = await post(http, verb, body)
    assert (status, answer["run"]["id"], answer["run"]["name"]) == (202, RUN, "blue cup")
    assert asked.calls == [call]


async def test_a_replay_takes_another_definition(http: aiohttp.ClientSession, asked: Asked) -> None:
    """Inputs that the run has are not asked for again; new ones get their defaults."""
    text = (
        "pipeline: cups\ninputs: {glaze: {type: string}, size: {type: string, default: big}}\n"
        "steps:\n  nap: {uses: sleep, with: {seconds: 2}}\n"
    )
    status, _ = await post(http, "replay", {"definition": text})
    assert (status, asked.calls) == (202, [("replay", ["nap"], {"size": "big"}, None)])


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"definition": "pipeline: cups\nsteps:\n  nap: {uses: slep}\n", "file": "my.yaml"}, "my.yaml:3:"),
        ({"inputs": {"glaze": "much too long"}}, "more than 5"),
        ({"inputs": {"glase": "x"}}, "did you mean 'glaze'?"),
    ],
)
async def test_what_is_wrong_with_a_replay_is_told(
    http: aiohttp.ClientSession, asked: Asked, body: Any, words: str
) -> None:
    """422 with every mistake at its place; nothing has begun."""
    status, answer = await post(http, "replay", body)
    assert (status, answer["error"]["code"]) == (422, "invalid-definition")
    assert words in answer["error"]["message"]
    assert answer["error"]["problems"][0]["code"]
    assert asked.calls == []


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("resume", {"reason": "x"}),
        ("cancel", {"reason": 5}),
        ("cancel", {"reason": "x" * 1001}),
        ("cancel", ["x"]),
        ("cancel", b"{"),
        ("cancel", b'{"reason": "a", "reason": "b"}'),
        ("cancel", b"[" * 100_000),
        ("cancel", b"\xff"),
        ("approve", {"approved": "yes"}),
        ("replay", {"first": "rest"}),
    ],
)
async def test_a_wrong_body_is_refused(
    http: aiohttp.ClientSession, asked: Asked, verb: str, body: Any
) -> None:
    """Unknown fields, wrong types and what is no JSON: 422 with what is wrong, and nothing is done."""
    status, answer = await post(http, verb, body)
    assert (status, answer["error"]["code"], asked.calls) == (422, "invalid-body", [])


async def test_a_body_has_its_bounds(http: aiohttp.ClientSession, asked: Asked) -> None:
    """What is larger than any definition is not read."""
    status, _ = await post(http, "cancel", b" " * (MAX_BODY_BYTES + 1))
    assert (status, asked.calls) == (413, [])


async def test_an_unknown_run_and_one_that_does_not_fit(http: aiohttp.ClientSession, asked: Asked) -> None:
    """404, and 409 with what to do instead."""
    for verb in ("cancel", "pause", "resume", "retry", "replay", "approve"):
        status, answer = await post(http, verb, run="nobody")
        assert (status, answer["error"]["code"]) == (404, "not-found")
    asked.refusal = ControlError("Run 01run is succeeded and cannot be paused.", hint="Replay it.")
    status, answer = await post(http, "pause")
    assert (status, answer["error"]["code"], answer["error"]["hint"]) == (409, "conflict", "Replay it.")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Type": "application/x-www-form-urlencoded"}, 415),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Sec_Fetch_Site": "same-origin"}, 202),
        ({"Sec_Fetch_Site": "same-origin", "Origin": "https://proxy.example"}, 202),
        ({"Content_Type": "application/json; charset=utf-8"}, 202),
    ],
)
async def test_pages_of_other_sites_cannot_act(
    http: aiohttp.ClientSession, asked: Asked, headers: dict[str, str], expected: int
) -> None:
    """What a foreign page's browser sends is refused; our own page and programs are not."""
    status, _ = await post(http, "cancel", **headers)
    assert (status, len(asked.calls)) == (expected, int(expected == 202))


async def test_our_own_page_may_act(http: aiohttp.ClientSession, server: AdminServer, asked: Asked) -> None:
    """Its origin is the address that it was asked under."""
    status, _ = await post(http, "cancel", Origin=server.url.rstrip("/"))
    assert (status, len(asked.calls)) == (202, 1)


async def test_verbs_are_posted(http: aiohttp.ClientSession, asked: Asked) -> None:
    """A link or a picture can do nothing."""
    async with http.get(f"api/v1/runs/{RUN}/cancel") as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "POST")
    status, _ = await post(http, "explode")
    assert (status, asked.calls) == (404, [])


async def test_every_verb_is_logged_without_its_body(controls: Controls) -> None:
    """Who was admitted by what, which run, what came of it."""
    async with AdminServer(Runs(), controls=controls, token="t0ken") as server:
        headers = {"Authorization": "Bearer t0ken"}
        async with aiohttp.ClientSession(server.url, headers=headers) as http:
            with structlog.testing.capture_logs() as logs:
                await post(http, "cancel", {"reason": "a secret"})
        async with aiohttp.ClientSession(server.url) as http:
            assert (await post(http, "cancel"))[0] == 401
    (line,) = [line for line in logs if line["event"] == "admin.control"]
    assert (line["verb"], line["run"], line["by"], line["status"]) == ("cancel", RUN, "token", 202)
    assert "a secret" not in str(logs)
