"""The engine with a store in memory and step kinds made for the purpose."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, cast

import pytest

from orchestrator.domain.decide import Policy
from orchestrator.domain.ids import RunId, StepId
from orchestrator.domain.pipeline import Pipeline, RetryPolicy, RowsSpec, Step
from orchestrator.domain.run import RunStatus, StepStatus
from orchestrator.engine.control import UnknownRunError
from orchestrator.engine.engine import Engine, EngineSettings
from orchestrator.engine.loading import load_state
from orchestrator.engine.poller import PollPolicy
from orchestrator.engine.reception import RowInput, Submission
from orchestrator.errors import RetryClass
from orchestrator.metastudio.errors import AnswerLost, Executed
from orchestrator.steps.base import (
    Done,
    Found,
    Parameters,
    StepContext,
    StepError,
    StepKind,
    Surroundings,
    Waiting,
)
from orchestrator.store.base import Append, RunFilter, StoreError, Wait
from orchestrator.store.memory import MemoryStore


class AnyParams(Parameters):
    value: Any = None


Act = Callable[[AnyParams, StepContext], Awaitable[Done | Waiting]]


class Kind(StepKind[AnyParams]):
    """Does what the test says."""

    name = "kind"
    summary = "a test's own"
    params = AnyParams
    outputs = frozenset()

    def __init__(self, act: Act) -> None:
        self._act = act
        self.found: list[Found | None] = []
        self.over: dict[str, str] = {}
        self.checks: list[Done | None] = []

    async def act(self, params: AnyParams, ctx: StepContext) -> Done | Waiting:
        return await self._act(params, ctx)

    async def find(self, params: AnyParams, ctx: StepContext) -> Found | None:
        return self.found.pop(0) if self.found else None

    async def check(self, params: AnyParams, ctx: StepContext, correlation: str) -> Done | None:
        return self.checks.pop(0) if self.checks else Done({"was": correlation})

    async def poll(self, around: Surroundings, waits: Sequence[Wait]) -> Mapping[str, str]:
        return self.over


async def echo(params: AnyParams, ctx: StepContext) -> Done:
    return Done({"value": params.value})


def around() -> Surroundings:
    nothing = cast("Any", None)
    return Surroundings(nothing, nothing, lambda _: None, nothing)


Make = Callable[..., Awaitable[Engine]]


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    engines: list[Engine] = []

    async def made(kind: Kind, store: MemoryStore | None = None, **policy: float) -> Engine:
        settings = EngineSettings(
            policy=Policy(
                quiet_time_s=policy.get("quiet_time_s", 0.0), lookup_every_s=0.001, answer_within_s=0
            ),
            polls=PollPolicy(first_s=policy.get("poll_s", 60.0)),
            grace_s=0.01,
        )
        engine = Engine(store or MemoryStore(), {"kind": kind}, around(), settings=settings)
        await engine.start()
        engines.append(engine)
        return engine

    yield made
    for engine in engines:
        await engine.stop()


def step(name: str, value: Any = None, *needs: str, **more: Any) -> Step:
    retry = RetryPolicy(attempts=more.pop("attempts", 3), backoff_s=0.001)
    with_ = {} if value is None else {"value": value}
    return Step(StepId(name), "kind", with_, needs=tuple(StepId(n) for n in needs), retry=retry, **more)


def pipeline(*steps: Step, **more: Any) -> Pipeline:
    return Pipeline("p", steps=steps, **more)


async def result(engine: Engine, submission: Submission) -> Any:
    submitted = await engine.submit(submission)
    await engine.wait(submitted.run_id)
    return await load_state(engine._store, submitted.run_id, {})


async def test_outputs_flow_from_step_to_step(make: Make) -> None:
    """A step starts when what it uses is done, and reads its outputs."""
    engine = await make(Kind(echo))
    steps = (step("a", "${{ inputs.n }}"), step("b", "${{ steps.a.value + 1 }}", "a"))
    state = await result(
        engine, Submission(pipeline(*steps, outputs={"n": "${{ steps.b.value }}"}), "r", {"n": 1})
    )
    assert state.status is RunStatus.SUCCEEDED
    assert state.outputs == {"n": 2}


async def test_steps_without_needs_run_side_by_side(make: Make) -> None:
    """Two steps that wait for each other's start both start."""
    barrier = asyncio.Barrier(2)

    async def meet(params: AnyParams, ctx: StepContext) -> Done:
        await barrier.wait()
        return Done()

    engine = await make(Kind(meet))
    assert (
        await result(engine, Submission(pipeline(step("a"), step("b")), "r", {}))
    ).status is RunStatus.SUCCEEDED


async def test_a_transient_failure_is_tried_again(make: Make) -> None:
    """`later` is retried up to the step's attempts; the last failure is the run's, with its hint."""
    tries: list[int] = []

    async def fail(params: AnyParams, ctx: StepContext) -> Done:
        tries.append(ctx.attempt)
        raise StepError("busy", hint="wait", code="BUSY", retry=RetryClass.LATER)

    engine = await make(Kind(fail))
    state = await result(engine, Submission(pipeline(step("a")), "r", {}))
    assert tries == [1, 2, 3]
    assert state.status is RunStatus.FAILED
    assert (state.error.message, state.error.hint, state.error.code) == ("Step a: busy", "wait", "BUSY")


async def test_a_permanent_failure_is_not_tried_again(make: Make) -> None:
    """`never` fails at once; steps behind it do not start; on_failure and finally do."""
    ran: list[str] = []

    async def act(params: AnyParams, ctx: StepContext) -> Done:
        ran.append(ctx.step_id)
        if ctx.step_id == "a":
            raise StepError("wrong")
        return Done()

    engine = await make(Kind(act))
    flow = pipeline(step("a"), step("b", None, "a"), on_failure=(step("c"),), finally_=(step("d"),))
    state = await result(engine, Submission(flow, "r", {}))
    assert ran == ["a", "c", "d"]
    assert state.status is RunStatus.FAILED
    assert state.steps[StepId("b")].status is StepStatus.PENDING


async def test_a_defect_in_a_kind_fails_its_step_only(make: Make) -> None:
    """An unexpected exception becomes a failure of the step, and the engine goes on."""

    async def act(params: AnyParams, ctx: StepContext) -> Done:
        if params.value == "bad":
            raise ZeroDivisionError
        return Done()

    engine = await make(Kind(act))
    bad = await result(engine, Submission(pipeline(step("a", "bad")), "r", {}))
    good = await result(engine, Submission(pipeline(step("a", "good")), "r", {}))
    assert bad.error.code == "DEFECT"
    assert good.status is RunStatus.SUCCEEDED


async def test_values_that_do_not_fit_are_named(make: Make) -> None:
    """Parameters are checked against the kind before anything is called."""
    engine = await make(Kind(echo))
    flow = pipeline(Step(StepId("a"), "kind", {"vlaue": 1}))
    state = await result(engine, Submission(flow, "r", {}))
    assert state.error.code == "PARAMETERS"
    assert "vlaue" in state.error.message


async def test_an_expression_that_fails_fails_the_step(make: Make) -> None:
    """A missing output is an error with a place, not a crash."""
    engine = await make(Kind(echo))
    state = await result(engine, Submission(pipeline(step("a", "${{ steps.b.value }}")), "r", {}))
    assert state.error.code == "EXPRESSION"


async def test_a_timeout_ends_the_step(make: Make) -> None:
    """A step that takes too long fails as TIMEOUT."""

    async def hang(params: AnyParams, ctx: StepContext) -> Done:
        await asyncio.Event().wait()
        return Done()

    engine = await make(Kind(hang))
    state = await result(engine, Submission(pipeline(step("a", timeout_s=0.02)), "r", {}))
    assert state.error.code == "TIMEOUT"


async def test_a_lost_answer_is_looked_for_and_adopted(make: Make) -> None:
    """What a lost attempt made is taken over; the request is not sent again."""
    sent: list[int] = []

    async def lose(params: AnyParams, ctx: StepContext) -> Done:
        await ctx.sent()
        sent.append(ctx.attempt)
        raise AnswerLost("lost", operation="create", executed=Executed.UNKNOWN)

    kind = Kind(lose)
    kind.found = [None, Found({"id": "x"})]
    engine = await make(kind, quiet_time_s=5.0)
    state = await result(engine, Submission(pipeline(step("a")), "r", {}))
    assert sent == [1]
    assert state.steps[StepId("a")].outputs == {"id": "x"}


async def test_nothing_found_in_the_quiet_time_allows_a_new_request(make: Make) -> None:
    """After the quiet time a creating request is repeated, and only then."""
    sent: list[int] = []

    async def lose_once(params: AnyParams, ctx: StepContext) -> Done:
        await ctx.sent()
        sent.append(ctx.attempt)
        if len(sent) == 1:
            raise AnswerLost("lost", operation="create", executed=Executed.UNKNOWN)
        return Done({"id": "y"})

    engine = await make(Kind(lose_once), quiet_time_s=0.01)
    state = await result(engine, Submission(pipeline(step("a")), "r", {}))
    assert sent == [1, 2]
    assert state.steps[StepId("a")].outputs == {"id": "y"}


async def test_a_refused_request_is_repeated_at_once(make: Make) -> None:
    """An answer that says «not executed» needs no quiet time."""
    sent: list[int] = []

    async def refuse_once(params: AnyParams, ctx: StepContext) -> Done:
        await ctx.sent()
        sent.append(ctx.attempt)
        if len(sent) == 1:
            raise AnswerLost("refused", operation="create", executed=Executed.NO)
        return Done()

    engine = await make(Kind(refuse_once), quiet_time_s=3600.0)
    state = await result(engine, Submission(pipeline(step("a")), "r", {}))
    assert state.status is RunStatus.SUCCEEDED
    assert sent == [1, 2]


async def waiting(params: AnyParams, ctx: StepContext) -> Waiting:
    return Waiting("job-1")


async def started(engine: Engine, store: MemoryStore) -> RunId:
    with engine.live.watch() as events:
        submitted = await engine.submit(Submission(pipeline(step("a")), "r", {}))
        while (await events.get()).body.TYPE != "step.waiting":
            pass
    return submitted.run_id


async def test_a_callback_ends_a_wait_after_confirmation(make: Make) -> None:
    """The callback is a hint; the outcome is what the check says. Repeated, it changes nothing."""
    store = MemoryStore()
    engine = await make(Kind(waiting), store)
    run_id = await started(engine, store)
    for _ in range(3):
        assert await engine.callback(run_id, job_id="job-1", result="SUCCEED", asset_id="x", stale=False)
    await engine.wait(run_id)
    assert await engine.callback(run_id, job_id="job-1", result="FAILED", asset_id="", stale=False)
    types = [event.body.TYPE for event in await store.journal(run_id)]
    assert types.count("callback.received") == 1
    assert types[-1] == "run.succeeded"


async def test_a_callback_that_lies_ends_nothing(make: Make) -> None:
    """When the API says «not over», the step goes on waiting, and the poller finds the end."""
    store = MemoryStore()
    kind = Kind(waiting)
    kind.checks = [None, Done({"was": "over"})]
    engine = await make(kind, store, poll_s=0.05)
    run_id = await started(engine, store)
    await engine.callback(run_id, job_id="job-1", result="SUCCEED", asset_id="", stale=False)
    kind.over = {"job-1": "SUCCEED"}
    summary = await engine.wait(run_id)
    assert summary.status is RunStatus.SUCCEEDED
    assert "poll.found" in [event.body.TYPE for event in await store.journal(run_id)]


async def test_a_callback_for_nobody_is_refused(make: Make) -> None:
    """An unknown run takes no callback."""
    engine = await make(Kind(waiting))
    assert not await engine.callback(RunId("nobody"), job_id="j", result="SUCCEED", asset_id="", stale=False)


async def test_a_stale_callback_only_hurries_the_poller(make: Make) -> None:
    """Out of its time it is no evidence and leaves no event."""
    store = MemoryStore()
    engine = await make(Kind(waiting), store, poll_s=3600.0)
    run_id = await started(engine, store)
    (before,) = await store.wait_lines()
    assert await engine.callback(run_id, job_id="job-1", result="SUCCEED", asset_id="", stale=True)
    (after,) = await store.wait_lines()
    assert after.poll_at < before.poll_at
    assert "callback.received" not in [event.body.TYPE for event in await store.journal(run_id)]


async def test_a_waiting_run_holds_no_memory(make: Make) -> None:
    """Its state is dropped until something happens."""
    store = MemoryStore()
    engine = await make(Kind(waiting), store)
    run_id = await started(engine, store)
    await engine._turns.idle()
    assert run_id not in engine._turns._states
    assert not engine._under_way


async def test_the_same_content_is_not_run_twice(make: Make) -> None:
    """A second submission finds the first; `again` makes it anew."""
    engine = await make(Kind(echo))
    asked = Submission(pipeline(step("a")), "r", {"n": 1})
    first = await engine.submit(asked)
    await engine.wait(first.run_id)
    assert await engine.submit(asked) == type(first)(first.run_id, known=True)
    again = await engine.submit(Submission(pipeline(step("a")), "r", {"n": 1}, again=True))
    assert again.run_id != first.run_id
    assert (
        await engine.submit(Submission(pipeline(step("a")), "r", {"n": 1}, content="changed"))
    ).known is False


def rows(count: int) -> list[RowInput]:
    return [RowInput(f"row-{n}", {"n": n}, {"n": str(n)}) for n in range(count)]


async def test_rows_become_child_runs(make: Make) -> None:
    """Each row has its own run; one that fails fails its parent, not its sisters."""

    async def odd(params: AnyParams, ctx: StepContext) -> Done:
        if params.value == 3:
            raise StepError("three")
        return Done()

    store = MemoryStore()
    engine = await make(Kind(odd), store)
    flow = pipeline(step("a", "${{ inputs.n }}"), rows=RowsSpec(), concurrency_limit=2)
    submitted = await engine.submit(Submission(flow, "p", {}, rows=rows(5)))
    parent = await engine.wait(submitted.run_id)
    assert (parent.children_succeeded, parent.children_failed) == (4, 1)
    assert parent.status is RunStatus.FAILED
    children = await store.summaries(RunFilter(parent=submitted.run_id))
    assert {child.name for child in children} == {f"row-{n}" for n in range(5)}


async def test_concurrency_bounds_the_children_under_way(make: Make) -> None:
    """No more child runs at once than the pipeline allows."""
    under_way = most = 0

    async def count(params: AnyParams, ctx: StepContext) -> Done:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        return Done()

    engine = await make(Kind(count))
    flow = pipeline(step("a"), rows=RowsSpec(), concurrency_limit=3)
    submitted = await engine.submit(Submission(flow, "p", {}, rows=rows(20)))
    assert (await engine.wait(submitted.run_id)).children_succeeded == 20
    assert most <= 3


async def test_a_new_engine_goes_on_where_the_old_one_was(make: Make) -> None:
    """What was recorded is not done again."""
    store = MemoryStore()
    ran: list[str] = []
    gate = asyncio.Event()

    async def act(params: AnyParams, ctx: StepContext) -> Done:
        ran.append(ctx.step_id)
        if ctx.step_id == "b" and not gate.is_set():
            await asyncio.Event().wait()
        return Done()

    engine = await make(Kind(act), store)
    with engine.live.watch() as events:
        submitted = await engine.submit(Submission(pipeline(step("a"), step("b", None, "a")), "r", {}))
        while (await events.get()).body.TYPE != "step.succeeded":
            pass
    await engine.stop()
    gate.set()
    engine = await make(Kind(act), store)
    assert (await engine.wait(submitted.run_id)).status is RunStatus.SUCCEEDED
    assert ran.count("a") == 1


class BrokenStore(MemoryStore):
    """Works until told otherwise."""

    broken = False

    async def append(self, append: Append) -> None:
        if self.broken:
            raise StoreError("The disk is full.")
        await super().append(append)


async def test_a_store_that_fails_stops_the_engine_loudly(make: Make) -> None:
    """Whoever waits learns why; nothing is pretended."""
    store = BrokenStore()

    async def break_it(params: AnyParams, ctx: StepContext) -> Done:
        store.broken = True
        return Done()

    engine = await make(Kind(break_it), store)
    submitted = await engine.submit(Submission(pipeline(step("a")), "r", {}))
    with pytest.raises(StoreError, match="disk is full"):
        await engine.wait(submitted.run_id)


async def test_waiting_for_a_run_that_is_not_there_is_an_error(make: Make) -> None:
    """An unknown run is named."""
    engine = await make(Kind(echo))
    with pytest.raises(UnknownRunError, match="no run nobody"):
        await engine.wait(RunId("nobody"))
