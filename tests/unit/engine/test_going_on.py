"""Runs that are asked for again, taken up after a restart, or met by something unforeseen."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest

from orchestrator.domain import events as ev
from orchestrator.domain.decide import Policy
from orchestrator.domain.ids import RunId, StepId
from orchestrator.domain.pipeline import InputSpec, Pipeline, RetryPolicy, RowsSpec, Step
from orchestrator.domain.run import RunState, RunStatus
from orchestrator.engine.engine import Engine, EngineSettings
from orchestrator.engine.loading import load_state
from orchestrator.engine.poller import PollPolicy
from orchestrator.engine.reception import RowInput, Submission
from orchestrator.engine.turns import StuckRunError
from orchestrator.errors import RetryClass
from orchestrator.metastudio.errors import AnswerLost, ApiError, ConnectFailed, Executed
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
from orchestrator.store.base import RunFilter, Wait
from orchestrator.store.memory import MemoryStore
from orchestrator.store.sqlite import SqliteStore


class AnyParams(Parameters):
    value: Any = None


class Scripted(StepKind[AnyParams]):
    """Does what the test says: each step by its name."""

    name = "kind"
    summary = "a test's own"
    params = AnyParams
    outputs = frozenset()
    leaves: ClassVar[str | None] = "path"

    def __init__(self) -> None:
        self.acts: dict[str, Callable[[StepContext], Awaitable[Done | Waiting]]] = {}
        self.ran: list[str] = []
        self.finds: Callable[[], Awaitable[Found | None]] | None = None
        self.checks: Callable[[], Awaitable[Done | None]] | None = None
        self.asked: list[float] = []

    async def act(self, params: AnyParams, ctx: StepContext) -> Done | Waiting:
        self.ran.append(ctx.step_id if params.value is None else f"{ctx.step_id}:{params.value}")
        act = self.acts.get(ctx.step_id)
        return Done({"value": params.value}) if act is None else await act(ctx)

    async def find(self, params: AnyParams, ctx: StepContext) -> Found | None:
        return None if self.finds is None else await self.finds()

    async def check(self, params: AnyParams, ctx: StepContext, correlation: str) -> Done | None:
        self.asked.append(asyncio.get_running_loop().time())
        return Done() if self.checks is None else await self.checks()

    async def poll(self, around: Surroundings, waits: Sequence[Wait]) -> Mapping[str, str]:
        return {}


Boot = Callable[..., Awaitable[Engine]]


@pytest.fixture
def kind() -> Scripted:
    return Scripted()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
async def boot(kind: Scripted, store: MemoryStore) -> AsyncIterator[Boot]:
    engines: list[Engine] = []
    nothing = cast("Any", None)

    async def booted(*, everything: bool = True, out: str = "/out", **more: Any) -> Engine:
        for engine in engines:
            await engine.stop()
        settings = EngineSettings(
            policy=more.get("policy") or Policy(quiet_time_s=0.01, lookup_every_s=0.001, answer_within_s=0),
            polls=PollPolicy(first_s=3600.0),
            grace_s=0.01,
            out=out,
        )
        around = Surroundings(nothing, nothing, lambda _: None, nothing)
        kinds = more.get("kinds", {"kind": kind})
        clock = more.get("clock", lambda: datetime.now(UTC))
        engine = Engine(store, kinds, around, settings=settings, clock=clock)
        engines.append(engine)
        await engine.start(everything=everything)
        return engine

    yield booted
    for engine in engines:
        await engine.stop()


def step(name: str, *needs: str, value: Any = None, **more: Any) -> Step:
    retry = RetryPolicy(attempts=2, backoff_s=0.001)
    with_ = {} if value is None else {"value": value}
    return Step(StepId(name), "kind", with_, needs=tuple(map(StepId, needs)), retry=retry, **more)


def flow(*steps: Step, **more: Any) -> Pipeline:
    return Pipeline("p", steps=steps, **more)


def rows(*names: str) -> list[RowInput]:
    return [RowInput(name, {"n": name}, {"n": name}) for name in names]


async def ended(engine: Engine, submission: Submission) -> RunState:
    submitted = await asyncio.wait_for(engine.submit(submission), 10)
    await asyncio.wait_for(engine.rest(submitted.run_id), 10)
    state = await load_state(engine._store, submitted.run_id, {})
    assert state is not None
    return state


async def until(engine: Engine, type_: str, begin: Callable[[], Awaitable[Any]]) -> ev.Event:
    with engine.live.watch() as events:
        await begin()
        while type_ != (event := await asyncio.wait_for(events.get(), 10)).body.TYPE:
            pass
        return event


async def for_ever(ctx: StepContext) -> Done:
    await asyncio.Event().wait()
    return Done()


async def hang_after_waiting(ctx: StepContext) -> Waiting:
    return Waiting("job")


def failing(*errors: Exception) -> Callable[[StepContext], Awaitable[Done]]:
    """Raises each error once, then succeeds."""
    left = list(errors)

    async def act(ctx: StepContext) -> Done:
        if left:
            raise left.pop(0)
        return Done()

    return act


# Asked for again


async def test_a_failed_run_goes_on_from_its_failed_step(boot: Boot, kind: Scripted) -> None:
    """What succeeded, and was perhaps paid for, is not done again; `finally` is."""
    kind.acts["b"] = failing(StepError("no room"))
    asked = Submission(flow(step("a"), step("b", "a"), step("c", "b"), finally_=(step("z"),)), "r", {})
    engine = await boot()
    first = await ended(engine, asked)
    assert first.status is RunStatus.FAILED
    second = await ended(engine, asked)
    assert second.id == first.id
    assert second.status is RunStatus.SUCCEEDED
    assert kind.ran == ["a", "b", "z", "b", "c", "z"]


async def test_a_resumed_step_has_its_retries_anew(boot: Boot, kind: Scripted) -> None:
    """Attempts of before do not count against it."""
    busy = [StepError("busy", retry=RetryClass.LATER) for _ in range(3)]
    kind.acts["a"] = failing(*busy)
    asked = Submission(flow(step("a")), "r", {})
    engine = await boot()
    assert (await ended(engine, asked)).status is RunStatus.FAILED
    state = await ended(engine, asked)
    assert state.status is RunStatus.SUCCEEDED
    assert state.steps[StepId("a")].attempt == 4


async def test_a_failed_row_goes_on_alone(boot: Boot, kind: Scripted, store: MemoryStore) -> None:
    """Asked for again, a table's failed row goes on; its sisters are left alone and the table ends well."""
    pipeline = flow(
        step("a", value="${{ inputs.n }}"), step("b", "a", value="${{ inputs.n }}"), rows=RowsSpec()
    )
    failures = [StepError("no room")]

    async def act(ctx: StepContext) -> Done:
        if ctx.run_name == "two" and failures:
            raise failures.pop()
        return Done()

    kind.acts["b"] = act
    engine = await boot()
    asked = Submission(pipeline, "p", {}, rows=rows("one", "two", "three"))
    assert (await ended(engine, asked)).status is RunStatus.FAILED
    kind.ran.clear()
    state = await ended(engine, asked)
    assert state.status is RunStatus.SUCCEEDED
    assert kind.ran == ["b:two"]
    summary = await store.summary(state.id)
    assert summary is not None
    assert (summary.children_succeeded, summary.children_failed, summary.children_own_over) == (3, 0, 3)


async def test_a_file_that_is_gone_is_fetched_and_nothing_else(
    boot: Boot, kind: Scripted, tmp_path: Path
) -> None:
    """«Already done» means that the file is where it was asked for."""

    async def save(ctx: StepContext) -> Done:
        target = ctx.out / "film.mp4"
        target.write_text("film")
        return Done({"path": str(target)})

    kind.acts["save"] = save
    asked = Submission(flow(step("make"), step("save", "make")), "r", {})
    engine = await boot(out=str(tmp_path))
    await ended(engine, asked)
    await ended(engine, asked)
    assert kind.ran == ["make", "save"]
    (tmp_path / "film.mp4").unlink()
    await ended(engine, asked)
    assert kind.ran == ["make", "save", "save"]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    engine = await boot(out=str(elsewhere))
    state = await ended(engine, asked)
    assert state.steps[StepId("save")].outputs["path"] == str(elsewhere / "film.mp4")
    assert kind.ran.count("make") == 1


async def test_what_cannot_matter_makes_nothing_anew(boot: Boot, kind: Scripted) -> None:
    """A description, the concurrency, an unused column: the same run. A used one: another."""
    engine = await boot()
    steps = (step("a", value="${{ inputs.n }}"),)
    table = [RowInput("one", {"n": 1, "m": 1}, {"n": "1", "note": "old"})]
    inputs = {"n": InputSpec(), "m": InputSpec()}
    await ended(engine, Submission(flow(*steps, inputs=inputs, rows=RowsSpec()), "p", {}, rows=table))
    table = [RowInput("one", {"n": 1, "m": 2}, {"n": "1", "note": "new", "more": "x"})]
    changed = flow(*steps, inputs=inputs, rows=RowsSpec(), description="new", concurrency_limit=1)
    await ended(engine, Submission(changed, "p", {}, rows=table))
    assert kind.ran == ["a:1"]
    table = [RowInput("one", {"n": 2, "m": 2}, {"n": "2"})]
    await ended(engine, Submission(changed, "p", {}, rows=table))
    assert kind.ran == ["a:1", "a:2"]


async def test_again_goes_on_with_what_it_began(boot: Boot, kind: Scripted) -> None:
    """`again`, killed and repeated, makes things once more, not twice."""
    asked = Submission(flow(step("a"), step("b", "a")), "r", {})
    engine = await boot()
    await ended(engine, asked)
    kind.acts["b"] = for_ever
    anew = Submission(flow(step("a"), step("b", "a")), "r", {}, again=True)
    begun = await until(engine, "step.succeeded", lambda: engine.submit(anew))
    engine = await boot(everything=False)
    kind.acts.clear()
    state = await ended(engine, anew)
    assert state.id == begun.run_id
    assert kind.ran.count("a") == 2


# Taken up after a restart


async def test_only_what_was_asked_for_is_carried(boot: Boot, kind: Scripted, store: MemoryStore) -> None:
    """A process that carries one command leaves the state's other unfinished runs alone."""
    kind.acts["a"] = for_ever
    engine = await boot()
    left = await until(
        engine, "step.intended", lambda: engine.submit(Submission(flow(step("a")), "left", {}))
    )
    kind.acts.clear()
    kind.ran.clear()
    engine = await boot(everything=False)
    await ended(engine, Submission(flow(step("b")), "asked", {}))
    assert kind.ran == ["b"]
    summary = await store.summary(left.run_id)
    assert summary is not None
    assert not summary.status.over
    engine = await boot()
    assert (await asyncio.wait_for(engine.wait(left.run_id), 10)).status is RunStatus.SUCCEEDED


async def test_an_edited_table_joins_what_is_under_way(
    boot: Boot, kind: Scripted, store: MemoryStore
) -> None:
    """Rows that did not change are made once, also those that the interrupted table had not begun."""
    kind.acts["a"] = for_ever
    pipeline = flow(step("a", value="${{ inputs.n }}"), rows=RowsSpec(), concurrency_limit=1)
    engine = await boot()
    await until(
        engine,
        "step.intended",
        lambda: engine.submit(Submission(pipeline, "p", {}, rows=rows("1", "2", "3"))),
    )
    kind.acts.clear()
    kind.ran.clear()
    engine = await boot(everything=False)
    await ended(engine, Submission(pipeline, "p", {}, rows=rows("1", "2", "3b")))
    assert sorted(kind.ran) == ["a:1", "a:2", "a:3b"]
    engine = await boot()  # a daemon later takes up the old table, too
    for run in await store.summaries(RunFilter(top_level=True)):
        await asyncio.wait_for(engine.wait(run.id), 10)
    assert sorted(kind.ran) == ["a:1", "a:2", "a:3", "a:3b"]


async def test_an_interrupted_step_is_taken_up_beside_a_long_wait(boot: Boot, kind: Scripted) -> None:
    """A deadline hours ahead does not keep other steps of the run from going on."""
    kind.acts["wait"] = hang_after_waiting
    kind.acts["work"] = for_ever
    engine = await boot()
    asked = Submission(flow(step("wait", timeout_s=6 * 3600.0), step("work")), "r", {})
    await until(engine, "step.waiting", lambda: engine.submit(asked))
    del kind.acts["work"]
    kind.ran.clear()
    engine = await boot()
    with engine.live.watch() as events:
        while (await asyncio.wait_for(events.get(), 10)).step != "work":
            pass
    assert kind.ran == ["work"]


async def test_time_when_nobody_was_there_does_not_count(boot: Boot, kind: Scripted) -> None:
    """A process that was down for longer than a step's timeout still makes its attempt."""
    now = datetime.now(UTC)
    kind.acts["a"] = for_ever
    engine = await boot(clock=lambda: now)
    asked = Submission(flow(step("a", timeout_s=60.0)), "r", {})
    begun = await until(engine, "step.intended", lambda: engine.submit(asked))
    now += timedelta(days=2)
    kind.acts.clear()
    engine = await boot(clock=lambda: now)
    assert (await asyncio.wait_for(engine.wait(begun.run_id), 10)).status is RunStatus.SUCCEEDED


async def test_a_wait_that_ended_while_nobody_was_there_is_asked_for_first(
    boot: Boot, kind: Scripted
) -> None:
    """Past its deadline, the API is asked once more before the step fails."""
    now = datetime.now(UTC)
    kind.acts["a"] = hang_after_waiting
    engine = await boot(clock=lambda: now)
    asked = Submission(flow(step("a", timeout_s=60.0)), "r", {})
    begun = await until(engine, "step.waiting", lambda: engine.submit(asked))
    now += timedelta(days=2)
    engine = await boot(clock=lambda: now)
    assert (await asyncio.wait_for(engine.wait(begun.run_id), 10)).status is RunStatus.SUCCEEDED


# Met by something unforeseen


@pytest.mark.parametrize(
    "error",
    [
        ApiError(status=401, code="APIGW.0301", retry=RetryClass.NEVER),
        ConnectFailed("unreachable", operation="show"),
        ApiError(status=403, retry=RetryClass.QUOTA),
    ],
    ids=["expired", "unreachable", "forbidden"],
)
async def test_a_check_without_a_verdict_does_not_end_a_wait(
    boot: Boot, kind: Scripted, store: MemoryStore, error: Exception
) -> None:
    """Wrong keys or an outage say nothing of the job: asked again later, the run succeeds."""
    now = datetime.now(UTC)
    kind.acts["a"] = hang_after_waiting

    async def fail() -> None:
        raise error

    kind.checks = cast("Any", fail)
    engine = await boot(clock=lambda: now)
    asked = Submission(flow(step("a", timeout_s=60.0)), "r", {})
    begun = await until(engine, "step.waiting", lambda: engine.submit(asked))
    await until(
        engine,
        "step.checked",
        lambda: engine.callback(begun.run_id, job_id="job", result="SUCCEED", asset_id="", stale=False),
    )
    kind.checks = None
    now += timedelta(seconds=61)
    engine = await boot(clock=lambda: now)
    assert (await asyncio.wait_for(engine.wait(begun.run_id), 10)).status is RunStatus.SUCCEEDED


async def test_a_look_up_that_cannot_succeed_calls_for_a_person(boot: Boot, kind: Scripted) -> None:
    """Nobody can say what the lost request made: it is not repeated, and the step does not look for ever."""

    async def lose(ctx: StepContext) -> Done:
        await ctx.sent()
        raise AnswerLost("lost", operation="create", executed=Executed.UNKNOWN)

    async def refuse() -> None:
        raise ApiError(status=403, code="MSS.1", retry=RetryClass.NEVER)

    kind.acts["a"] = lose
    kind.finds = cast("Any", refuse)
    state = await ended(await boot(), Submission(flow(step("a")), "r", {}))
    error = state.steps[StepId("a")].error
    assert state.status is RunStatus.PAUSED
    assert error is not None
    assert error.retry is RetryClass.SUPPORT
    assert "console" in error.hint
    assert kind.ran == ["a"]


@pytest.mark.parametrize("where", ["find", "check", "act"])
async def test_a_defect_anywhere_in_a_kind_ends_its_own_step_only(
    boot: Boot, kind: Scripted, where: str
) -> None:
    """An exception that no kind should raise becomes a failure, and other runs go on."""

    async def break_down(*_: Any) -> Any:
        raise TimeoutError if where == "act" else ZeroDivisionError

    async def lose(ctx: StepContext) -> Done:
        await ctx.sent()
        raise AnswerLost("lost", operation="create", executed=Executed.UNKNOWN)

    if where == "find":
        kind.acts["a"], kind.finds = lose, break_down
    elif where == "check":
        kind.acts["a"] = lambda _: _waiting_now()
        kind.checks = break_down
    else:
        kind.acts["a"] = break_down
    engine = await boot()
    # What the request made is not known if it cannot be looked for: that is for a person.
    expected = RunStatus.PAUSED if where == "find" else RunStatus.FAILED
    assert (await ended(engine, Submission(flow(step("a")), "r", {}))).status is expected
    assert (await ended(engine, Submission(flow(step("b")), "r", {}))).status is RunStatus.SUCCEEDED


async def _waiting_now() -> Waiting:
    return Waiting("job", check_after_s=0.0, poll=False)


async def test_a_run_that_cannot_be_read_is_told_and_stops_nobody(
    boot: Boot, kind: Scripted, store: MemoryStore
) -> None:
    """Whoever waits for it learns why; the others go on."""
    kind.acts["a"] = hang_after_waiting
    engine = await boot()
    begun = await until(engine, "step.waiting", lambda: engine.submit(Submission(flow(step("a")), "r", {})))
    for hash_ in store._definitions:
        store._definitions[hash_] = '{"name": 1, "steps": "none"}'
    engine = await boot()
    engine.poke(begun.run_id)
    with pytest.raises(StuckRunError, match="cannot go on"):
        await asyncio.wait_for(engine.wait(begun.run_id), 10)
    assert (await ended(engine, Submission(flow(step("b")), "r", {}))).status is RunStatus.SUCCEEDED


async def test_a_wait_of_a_kind_that_is_gone_stops_nobody(boot: Boot, kind: Scripted) -> None:
    """A poller that does not know a kind goes on with the others."""
    now = datetime.now(UTC)
    kind.acts["a"] = hang_after_waiting
    engine = await boot(clock=lambda: now)
    await until(engine, "step.waiting", lambda: engine.submit(Submission(flow(step("a")), "r", {})))
    now += timedelta(days=1)
    other = Scripted()
    engine = await boot(clock=lambda: now, kinds={"other": other})
    pipeline = Pipeline("q", steps=(Step(StepId("b"), "other"),))
    assert (await ended(engine, Submission(pipeline, "r", {}))).status is RunStatus.SUCCEEDED


async def test_half_a_character_from_outside_harms_nobody(
    boot: Boot, kind: Scripted, store: MemoryStore
) -> None:
    """Text that UTF-8 cannot hold is journaled with a question mark."""
    kind.acts["a"] = failing(StepError("bad \ud83d text"))
    state = await ended(await boot(), Submission(flow(step("a")), "r", {"title": "Cup \ud83d"}))
    assert state.error is not None
    assert state.error.message == "Step a: bad ? text"
    assert state.inputs == {"title": "Cup ?"}


async def test_joined_rows_do_not_count_against_the_concurrency(boot: Boot, kind: Scripted) -> None:
    """The limit bounds the rows under way, wherever in the table finished ones stand."""
    engine = await boot()
    pipeline = flow(step("a", value="${{ inputs.n }}"), rows=RowsSpec(), concurrency_limit=2)
    old = rows(*(f"old{n}" for n in range(10)))
    await ended(engine, Submission(pipeline, "p", {}, rows=old))
    under_way = most = 0

    async def count(ctx: StepContext) -> Done:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        return Done()

    kind.acts["a"] = count
    new = rows(*(f"new{n}" for n in range(10)))
    assert (
        await ended(engine, Submission(pipeline, "p", {}, rows=[*new, *old]))
    ).status is RunStatus.SUCCEEDED
    assert 1 <= most <= 2


async def test_equal_rows_are_each_counted(boot: Boot, kind: Scripted) -> None:
    """Two rows of one table that share a run both count when it ends."""
    engine = await boot()
    kind.acts["a"] = for_ever
    pipeline = flow(step("a"), rows=RowsSpec())
    await until(engine, "step.intended", lambda: engine.submit(Submission(pipeline, "p", {}, rows=rows("x"))))
    kind.acts.clear()
    engine = await boot(everything=False)
    twice = Submission(pipeline, "p", {}, rows=rows("x", "x", "y"))
    assert (await ended(engine, twice)).status is RunStatus.SUCCEEDED


async def test_a_hinted_wait_asks_once_a_hint(boot: Boot, kind: Scripted) -> None:
    """A check that says «not over» is not repeated by itself: callbacks and the poller bring the next."""
    kind.acts["a"] = hang_after_waiting

    async def not_yet() -> None:
        return None

    kind.checks = cast("Any", not_yet)
    engine = await boot()
    begun = await until(engine, "step.waiting", lambda: engine.submit(Submission(flow(step("a")), "r", {})))
    checked = await until(
        engine,
        "step.checked",
        lambda: engine.callback(begun.run_id, job_id="job", result="SUCCEED", asset_id="", stale=False),
    )
    assert isinstance(checked.body, ev.StepChecked)
    assert checked.body.next_check_at is None
    assert len(kind.asked) == 1


async def test_equal_submissions_at_once_are_one_run(boot: Boot, kind: Scripted) -> None:
    """Two that ask for the same at the same time get the same run."""
    engine = await boot()
    asked = Submission(flow(step("a")), "r", {})
    one, two = await asyncio.gather(engine.submit(asked), engine.submit(asked))
    assert one.run_id == two.run_id
    assert (await asyncio.wait_for(engine.wait(RunId(one.run_id)), 10)).status is RunStatus.SUCCEEDED
    assert kind.ran == ["a"]


async def test_our_own_crashes_do_not_use_up_a_steps_patience(boot: Boot, kind: Scripted) -> None:
    """However often the process dies between the record of a sending and the sending, the step goes on."""
    dying = 5

    async def send(ctx: StepContext) -> Done:
        nonlocal dying
        await ctx.sent()
        if dying:
            dying -= 1
            await asyncio.Event().wait()
        return Done()

    kind.acts["a"] = send
    engine = await boot()
    asked = Submission(flow(step("a")), "r", {})
    begun = await until(engine, "step.sent", lambda: engine.submit(asked))
    for _ in range(4):
        engine = await boot(everything=False)
        await until(engine, "step.sent", lambda: engine.submit(asked))  # noqa: B023 - awaited in this turn
    engine = await boot()
    assert (await asyncio.wait_for(engine.wait(begun.run_id), 10)).status is RunStatus.SUCCEEDED


async def test_two_tables_make_a_shared_row_once(tmp_path: Path, kind: Scripted) -> None:
    """However their turns interleave, rows of the same content get one run."""
    nothing = cast("Any", None)
    file = await SqliteStore(tmp_path / "state.db").open()
    engine = Engine(file, {"kind": kind}, Surroundings(nothing, nothing, lambda _: None, nothing))
    await engine.start()
    pipeline = flow(step("pay", value="${{ inputs.n }}"), rows=RowsSpec(), concurrency_limit=1)
    tables = [
        Submission(pipeline, "p", {}, rows=rows("a", "b")),
        Submission(pipeline, "p", {}, rows=rows("a", "b", "c")),
    ]
    for submitted in [await engine.submit(table) for table in tables]:
        assert (await asyncio.wait_for(engine.wait(submitted.run_id), 10)).status is RunStatus.SUCCEEDED
    assert sorted(kind.ran) == ["pay:a", "pay:b", "pay:c"]
    await engine.stop()
    await file.close()


async def test_the_same_words_in_another_folder_are_another_run(boot: Boot, kind: Scripted) -> None:
    """Paths in a definition start at its folder, so equal text may mean other files."""
    engine = await boot()
    for folder in ("/clients/a", "/clients/b"):
        await ended(engine, Submission(flow(step("a", value="./cup.jpg"), folder=folder), "r", {}))
    assert kind.ran == ["a:./cup.jpg", "a:./cup.jpg"]


async def test_an_unresolved_request_is_looked_for_before_it_is_repeated(boot: Boot, kind: Scripted) -> None:
    """A run that is asked for again looks first for what nobody could tell it about."""

    async def lose(ctx: StepContext) -> Done:
        await ctx.sent()
        raise AnswerLost("lost", operation="create", executed=Executed.UNKNOWN)

    async def refuse() -> None:
        raise ApiError(status=403, code="MSS.1", retry=RetryClass.NEVER)

    async def find() -> Found:
        return Found({"id": "made"})

    kind.acts["a"], kind.finds = lose, cast("Any", refuse)
    engine = await boot()
    asked = Submission(flow(step("a")), "r", {})
    assert (await ended(engine, asked)).status is RunStatus.PAUSED
    kind.finds = find
    state = await ended(engine, asked)
    assert state.steps[StepId("a")].outputs == {"id": "made"}
    assert kind.ran == ["a"]


async def test_a_table_is_done_when_its_last_failed_row_was_retried_alone(
    boot: Boot, kind: Scripted, store: MemoryStore
) -> None:
    """Its own status follows that of its rows, without going through the others again."""
    failures = [StepError("no room")]

    async def act(ctx: StepContext) -> Done:
        if ctx.run_name == "r1" and failures:
            raise failures.pop()
        return Done()

    kind.acts["a"] = act
    engine = await boot()
    asked = Submission(flow(step("a"), rows=RowsSpec()), "p", {}, rows=rows("r0", "r1"))
    table = await ended(engine, asked)
    assert table.status is RunStatus.FAILED
    (failed,) = await store.summaries(RunFilter(frozenset({RunStatus.FAILED}), parent=table.id))
    await engine.retry(failed.id)
    await asyncio.wait_for(engine.wait(failed.id), 10)
    await engine._turns.idle()
    summary = await store.summary(table.id)
    assert summary is not None
    assert (summary.status, summary.error) == (RunStatus.SUCCEEDED, "")


async def test_an_edited_table_waits_for_the_failed_row_that_goes_on(boot: Boot, kind: Scripted) -> None:
    """A joined row that had failed does not count as failed while it goes on."""
    pipeline = flow(step("a", value="${{ inputs.n }}"), rows=RowsSpec())
    failures = [StepError("no room")]

    async def act(ctx: StepContext) -> Done:
        if ctx.run_name == "r7" and failures:
            raise failures.pop()
        return Done()

    kind.acts["a"] = act
    engine = await boot()
    names = [f"r{n}" for n in range(20)]
    assert (await ended(engine, Submission(pipeline, "p", {}, rows=rows(*names)))).status is RunStatus.FAILED
    edited = await ended(engine, Submission(pipeline, "p", {}, rows=rows(*names[:19], "new")))
    assert edited.status is RunStatus.SUCCEEDED


async def test_a_job_that_failed_is_made_anew(boot: Boot, kind: Scripted) -> None:
    """Waiting again for a dead job helps nobody: what made it is done again, what came before is not."""
    jobs = iter(["job-1", "job-2"])
    verdicts: list[Exception] = [StepError("job failed", code="MSS.1")]

    async def produce(ctx: StepContext) -> Done:
        return Done({"job_id": next(jobs)})

    async def wait(ctx: StepContext) -> Waiting:
        return Waiting(kind_job(ctx), check_after_s=0.0, poll=False)

    def kind_job(ctx: StepContext) -> str:
        return "job-1" if verdicts else "job-2"

    async def check() -> Done:
        if verdicts:
            raise verdicts.pop()
        return Done()

    kind.acts["video"], kind.acts["finished"], kind.checks = produce, wait, check
    asked = Submission(flow(step("script"), step("video", "script"), step("finished", "video")), "r", {})
    engine = await boot()
    assert (await ended(engine, asked)).status is RunStatus.FAILED
    assert (await ended(engine, asked)).status is RunStatus.SUCCEEDED
    assert kind.ran == ["script", "video", "finished", "video", "finished"]


async def test_a_step_gets_what_it_failed_without(boot: Boot, kind: Scripted) -> None:
    """A step that was passed over as failed is done again when one behind it failed for want of it."""
    kind.acts["a"] = failing(StepError("not today"))
    pipeline = flow(step("a", continue_on_error=True), step("b", "a", value="${{ steps.a }}"))
    engine = await boot()
    assert (await ended(engine, Submission(pipeline, "r", {}))).status is RunStatus.FAILED
    assert (await ended(engine, Submission(pipeline, "r", {}))).status is RunStatus.SUCCEEDED
