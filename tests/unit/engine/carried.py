"""An engine to order: a store in memory, a step kind that does what the test says, and lives that end without a word."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, cast

from orchestrator.domain import events as ev
from orchestrator.domain.decide import Policy
from orchestrator.domain.ids import RunId, StepId
from orchestrator.domain.pipeline import Pipeline, RetryPolicy, RowsSpec, Step
from orchestrator.domain.run import RunState, RunStatus
from orchestrator.engine.engine import Engine, EngineSettings
from orchestrator.engine.loading import load_state
from orchestrator.engine.poller import PollPolicy
from orchestrator.engine.reception import RowInput, Submission
from orchestrator.steps.approve import Approve
from orchestrator.steps.base import Done, Found, Parameters, StepContext, StepKind, Surroundings, Waiting
from orchestrator.steps.pipeline_run import PipelineRun
from orchestrator.store.base import RunFilter, Store, Summary, Wait
from orchestrator.store.memory import MemoryStore

Act = Callable[["AnyParams", StepContext], Awaitable[Done | Waiting]]

#: No test waits longer for something that has to come.
LONGEST_S = 20.0


class AnyParams(Parameters):
    value: Any = None


class Scripted(StepKind[AnyParams]):
    """Each step, by its id, does what `acts` says; the others hand on their value."""

    name = "kind"
    summary = "a test's own"
    params = AnyParams
    outputs = frozenset({"value"})
    can_be_called_off: ClassVar[bool] = True
    started: ClassVar[str | None] = "job"
    leaves: ClassVar[str | None] = "path"

    def __init__(self) -> None:
        self.acts: dict[str, Act] = {}
        self.ran: list[str] = []
        self.keys: dict[str, str] = {}
        self.finds: Callable[[], Found | None] = lambda: None
        self.checks: Callable[[str], Done | None] = lambda _: None
        self.called_off: list[str] = []
        self.calling_off: Callable[[str], Awaitable[str]] | None = None

    async def act(self, params: AnyParams, ctx: StepContext) -> Done | Waiting:
        self.ran.append(ctx.step_id if params.value is None else f"{ctx.step_id}:{params.value}")
        self.keys[ctx.step_id] = ctx.key
        act = self.acts.get(ctx.step_id)
        return Done({"value": params.value}) if act is None else await act(params, ctx)

    async def find(self, params: AnyParams, ctx: StepContext) -> Found | None:
        return self.finds()

    async def check(self, params: AnyParams, ctx: StepContext, correlation: str) -> Done | None:
        return self.checks(correlation)

    async def cancel(self, params: AnyParams, ctx: StepContext, correlation: str) -> str:
        self.called_off.append(correlation)
        return "called off" if self.calling_off is None else await self.calling_off(correlation)

    async def poll(self, around: Surroundings, waits: Sequence[Wait]) -> Mapping[str, str]:
        return {}


class Carried:
    """One store and the lives of the engines that carry it, one after the other."""

    def __init__(self, store: Store | None = None) -> None:
        self.kind = Scripted()
        self.store = store or MemoryStore()
        self.now: datetime | None = None
        #: Values of secrets, by name.
        self.secrets: dict[str, str] = {}
        #: So much later it is than the wall clock says.
        self.ahead_s = 0.0
        self.concurrency = 100
        self.grace_s = 0.01
        self._engine: Engine | None = None

    @property
    def engine(self) -> Engine:
        """The engine of this life."""
        assert self._engine is not None
        return self._engine

    def clock(self) -> datetime:
        """The wall clock, unless the test has set one."""
        return (self.now or datetime.now(UTC)) + timedelta(seconds=self.ahead_s)

    async def boot(self, *, everything: bool = True) -> Engine:
        """Another life: what the one before had under way is dropped."""
        await self.end()
        nothing = cast("Any", None)
        self._engine = Engine(
            self.store,
            {"kind": self.kind, "approve": Approve(), "pipeline.run": PipelineRun()},
            Surroundings(nothing, nothing, lambda _: None, nothing, secrets=self.secrets),
            settings=EngineSettings(
                policy=Policy(quiet_time_s=0.01, lookup_every_s=0.001, answer_within_s=0),
                polls=PollPolicy(first_s=3600.0),
                concurrency=self.concurrency,
                grace_s=self.grace_s,
                out="/out",
            ),
            clock=self.clock,
        )
        await self._engine.start(everything=everything)
        return self._engine

    async def end(self) -> None:
        """No life any more."""
        if self._engine is not None:
            await self._engine.stop()
            self._engine = None

    async def end_later(self) -> None:
        """This life takes no more work, and is still there."""
        await self.engine.stop()

    async def submit(self, pipeline: Pipeline, rows: Sequence[RowInput] | None = None, **more: Any) -> RunId:
        """A run that has been asked for."""
        inputs = more.pop("inputs", {})
        return (await self.engine.submit(Submission(pipeline, "r", inputs, rows=rows, **more))).run_id

    async def until(
        self, type_: str, begin: Callable[[], Awaitable[Any]], *, step: str | None = None, times: int = 1
    ) -> ev.Event:
        """The event of that type that follows from `begin`; the last of so many."""
        with self.engine.live.watch() as events:
            await begin()
            while times:
                event = await asyncio.wait_for(events.get(), LONGEST_S)
                times -= type_ == event.body.TYPE and step in {None, event.step}
            return event

    async def begun(self, pipeline: Pipeline, type_: str = "step.waiting", **more: Any) -> RunId:
        """A run that has got as far as an event of that type."""
        found: list[RunId] = []
        times, step_id = more.pop("times", 1), more.pop("step", None)

        async def submit() -> None:
            found.append(await self.submit(pipeline, **more))

        await self.until(type_, submit, times=times, step=step_id)
        return found[0]

    async def over(self, run_id: RunId) -> RunState:
        """The run at its end."""
        await asyncio.wait_for(self.engine.wait(run_id), LONGEST_S)
        return await self.state(run_id)

    async def rest(self, run_id: RunId) -> Summary:
        """The run where nothing of it goes on without a person."""
        return await asyncio.wait_for(self.engine.rest(run_id), LONGEST_S)

    async def settled(self) -> None:
        """Nothing has a turn and nothing is being done."""
        while self.engine._turns._turning or self.engine._dispatcher._running:  # type: ignore[attr-defined] # only the local one has this
            await self.engine._turns.idle()
            await asyncio.sleep(0)

    async def state(self, run_id: RunId) -> RunState:
        """The run as its journal has it."""
        state = await load_state(self.store, run_id, {})
        assert state is not None
        return state

    def damage(self, run_id: RunId) -> None:
        """The run's journal cannot be read any more."""
        journals: dict[RunId, list[ev.Event]] = cast("Any", self.store)._journals
        first = journals[run_id][0]
        journals[run_id][0] = ev.Event(run_id, 1, first.at, ev.RunStarted())

    async def types(self, run_id: RunId) -> list[str]:
        """Its events."""
        return [event.body.TYPE for event in await self.store.journal(run_id)]

    async def children(self, run_id: RunId) -> dict[str, Summary]:
        """The runs of its rows by their names."""
        found: dict[str, Summary] = {}
        cursor = ""
        while page := await self.store.summaries(RunFilter(parent=run_id), cursor=cursor):
            found.update((one.name, one) for one in page)
            cursor = page[-1].id
        return found

    async def statuses(self, run_id: RunId) -> dict[str, RunStatus]:
        """How the runs of its rows stand."""
        return {name: one.status for name, one in sorted((await self.children(run_id)).items())}


def step(name: str, *needs: str, value: Any = None, uses: str = "kind", **more: Any) -> Step:
    """A step that is tried twice."""
    more.setdefault("retry", RetryPolicy(attempts=2, backoff_s=0.001))
    with_ = {} if value is None else {"value": value}
    return Step(StepId(name), uses, with_, needs=tuple(map(StepId, needs)), **more)


def flow(*steps: Step, **more: Any) -> Pipeline:
    """A pipeline of these steps."""
    return Pipeline("p", steps=steps, **more)


def table(*steps: Step, **more: Any) -> Pipeline:
    """A pipeline of these steps for each row."""
    return flow(*steps, rows=RowsSpec(), **more)


def rows(*names: str) -> list[RowInput]:
    """Rows of these names."""
    return [RowInput(name, {"n": name}, {"n": name}) for name in names]


async def wait_for_job(params: AnyParams, ctx: StepContext) -> Waiting:
    """Wait for a job that is called as the run and the step are."""
    return Waiting(f"job-{ctx.run_name}-{ctx.step_id}", poll=False)


async def for_ever(params: AnyParams, ctx: StepContext) -> Done:
    """No end."""
    await asyncio.Event().wait()
    return Done()


def failing(*errors: Exception) -> Act:
    """Raises each error once, then succeeds."""
    left = list(errors)

    async def act(params: AnyParams, ctx: StepContext) -> Done:
        if left:
            raise left.pop(0)
        return Done({"value": params.value})

    return act
