"""Performs one action and says what came of it, as events. The one place where failures become outcomes."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, assert_never

import structlog
from pydantic import BaseModel, ValidationError

from orchestrator.definition.mistakes import sentence
from orchestrator.domain import events as ev
from orchestrator.domain.decide import CallOff, Check, FanOut, LookUp, Perform, StepAction
from orchestrator.domain.ids import RunId, StepId, adoption_key
from orchestrator.domain.input_files import paths_in
from orchestrator.domain.retry import next_attempt_at, next_check_at
from orchestrator.engine.confidential import Confidential
from orchestrator.engine.control import ControlError, UnknownRunError
from orchestrator.engine.dispatch.base import Job
from orchestrator.engine.fan_out import FanOuts
from orchestrator.engine.sub_runs import SubRuns
from orchestrator.errors import OrchestratorError, RetryClass
from orchestrator.metastudio.errors import ApiError, CallError, Executed, NotFound
from orchestrator.steps.base import (
    CannotTellError,
    Done,
    GoesOn,
    StepContext,
    StepError,
    StepKind,
    Surroundings,
    Waiting,
)
from orchestrator.store.base import StoreError

#: Between two looks at a child run whose end has not been told.
_CHILD_CHECK_S = 30.0
#: Pauses between tries to call something off.
_CALL_OFF_PAUSES_S = (1.0, 3.0, 10.0)

log = structlog.get_logger(__name__)

Record = Callable[[RunId, ev.EventBody], Awaitable[bool]]
Progress = Callable[[RunId, StepId, str, int, int], None]


class Executor:
    """Stateless but for what it works with."""

    def __init__(
        self,
        kinds: Mapping[str, StepKind[Any]],
        around: Surroundings,
        *,
        clock: Callable[[], datetime],
        record: Record,
        progress: Progress,
        items: FanOuts,
        sub_runs: SubRuns,
        cancel: Callable[..., Awaitable[None]],
    ) -> None:
        """`record` returns when the event is durable: whether it still counts. `cancel` ends a child run."""
        self._items, self._sub_runs, self._cancel = items, sub_runs, cancel
        self._kinds = kinds
        self._around = around
        self._clock = clock
        self._record = record
        self._progress = progress

    async def perform(self, job: Job) -> ev.EventBody | None:
        """The event that ends the action, None when it does not count any more. Raises nothing but cancellation."""
        action = job.action
        tokens = structlog.contextvars.bind_contextvars(
            run=job.run_id, step=action.step.id, attempt=action.attempt
        )
        confidential = Confidential(job.state, self._around.secrets)
        try:
            return confidential.masked(await self._perform(job, confidential))
        except SupersededError:
            return None
        finally:
            structlog.contextvars.reset_contextvars(**tokens)

    async def _perform(self, job: Job, confidential: Confidential) -> ev.EventBody:
        action = job.action

        async def record(run_id: RunId, event: ev.EventBody) -> bool:
            return await self._record(run_id, confidential.masked(event))

        attempt = _Attempt(job, self._around, self._clock, record, self._progress, self._sub_runs)
        if action.step.foreach is not None or (action.step.pipeline and isinstance(action, CallOff)):
            return await self._of_child(attempt, action)
        try:
            kind, params = self._prepare(action, confidential)
        except OrchestratorError as error:
            return attempt.failed_for_good(error_info(error))
        match action:
            case Perform():
                return await self._act(kind, params, attempt)
            case LookUp():
                return await self._look_up(kind, params, attempt)
            case Check():
                return await self._check(
                    kind.check(params, attempt.context(), action.correlation), attempt, action
                )
            case CallOff():
                return await self._call_off(kind, params, attempt, action)
            case FanOut():
                raise AssertionError("only steps with foreach fan out")
            case _:
                assert_never(action)

    async def _of_child(self, attempt: "_Attempt", action: StepAction) -> ev.EventBody:
        """A step with `foreach` waits for a child run, and one with a pipeline has it called off in the same way."""
        match action:
            case FanOut():
                return await self._fan_out(action, attempt)
            case Check(correlation=child):
                looked = self._items.look(RunId(child))
                return await self._check(looked, attempt, action)
            case CallOff(correlation=child):
                return await self._call_off_child(RunId(child), attempt)
            case _:
                raise AssertionError(action)

    async def _call_off_child(self, child: RunId, attempt: "_Attempt") -> ev.EventBody:
        """Over once the child run is: what it has begun is called off by itself."""
        step, number, hints = attempt.step.id, attempt.number, attempt.job.state.hint_count(child)
        try:
            await self._cancel(child)
        except (ControlError, UnknownRunError):  # it is over
            return ev.StepCancelled(step, number, f"The run {child} is over.")
        except OrchestratorError as error:
            log.warning("a child run cannot be called off", child=child, error=error.message)
        again_at = self._clock() + timedelta(seconds=_CHILD_CHECK_S)
        return ev.StepChecked(step, number, hints, again_at)

    async def _fan_out(self, action: FanOut, attempt: "_Attempt") -> ev.EventBody:
        if not action.items:
            return ev.StepSucceeded(attempt.step.id, attempt.number, {"results": [], "total": 0})
        try:
            child = await self._items.begin(attempt.job.state, action)
        except StoreError as error:
            busy = StepError(error.message, hint=error.hint, code="STORE", retry=RetryClass.LATER)
            return self._failed(busy, attempt)
        except OrchestratorError as error:
            return attempt.failed_for_good(error_info(error))
        # Its end pokes this run; asked now and then as well, should that get lost with the process.
        return self._waiting(Waiting(child, check_after_s=_CHILD_CHECK_S, poll=False), attempt)

    def _prepare(self, action: StepAction, confidential: Confidential) -> tuple[StepKind[Any], BaseModel]:
        kind = self._kinds.get(action.step.uses)
        if kind is None:
            raise ParametersError(
                f"There is no step kind {action.step.uses!r}.",
                hint="Was the run started by a version of the orchestrator that has it?",
            )
        given = {} if isinstance(action, FanOut) else confidential.filled(action.step, action.params)
        try:
            return kind, kind.params.model_validate(given)
        except ValidationError as error:
            details = "; ".join(
                f"{'.'.join(str(part) for part in detail['loc']) or action.step.uses} {sentence(detail)}"
                for detail in error.errors(include_url=False, include_input=False)
            )
            raise ParametersError(
                f"The values for {action.step.uses} do not fit: {details}.",
                hint="Mend the definition or the row and start again.",
            ) from error

    async def _act(self, kind: StepKind[Any], params: BaseModel, attempt: "_Attempt") -> ev.EventBody:
        step, number = attempt.step, attempt.number
        try:
            async with asyncio.timeout(step.timeout_s):
                outcome = await kind.act(params, attempt.context())
        except TimeoutError:
            within = f" within {step.timeout_s:g} s" if step.timeout_s is not None else " in time"
            error = ev.ErrorInfo(
                f"Not done{within}.", "Start the run again to give it as long once more.", "TIMEOUT"
            )
            return attempt.unknown(error) if attempt.unanswered else ev.StepFailed(step.id, number, error)
        except SupersededError:
            raise
        except OrchestratorError as error:
            return self._failed(error, attempt)
        except Exception as error:  # a defect in a step kind must fail its step, not the engine
            log.exception("step kind failed unexpectedly", kind=kind.name)
            info = defect(kind.name, error)
            return attempt.unknown(info) if attempt.unanswered else ev.StepFailed(step.id, number, info)
        match outcome:
            case Done(outputs=outputs):
                return ev.StepSucceeded(step.id, number, outputs)
            case Waiting():
                return self._waiting(outcome, attempt)
            case _:
                assert_never(outcome)

    def _waiting(self, outcome: Waiting, attempt: "_Attempt") -> ev.StepWaiting:
        after_s = outcome.check_after_s
        return ev.StepWaiting(
            attempt.step.id,
            attempt.number,
            outcome.correlation,
            deadline_at=attempt.deadline_at,
            next_check_at=None if after_s is None else self._clock() + timedelta(seconds=after_s),
            polled=outcome.poll,
            check_every_s=after_s,
        )

    def _failed(self, error: OrchestratorError, attempt: "_Attempt") -> ev.EventBody:
        info = error_info(error)
        if attempt.unanswered and not (isinstance(error, CallError) and error.executed is Executed.NO):
            log.warning("no answer to a creating request", code=info.code, request_id=info.request_id)
            return attempt.unknown(info)
        again_at = next_attempt_at(
            attempt.step.retry,
            attempt=attempt.number - attempt.made_before,
            retry=info.retry,
            now=self._clock(),
            salt=f"{attempt.job.run_id}/{attempt.step.id}",
        )
        log.warning(
            "attempt failed",
            error=info.message,
            code=info.code,
            request_id=info.request_id,
            again_at=again_at,
        )
        if again_at is None:
            return attempt.failed_for_good(info)
        return ev.StepFailed(attempt.step.id, attempt.number, info, again_at)

    async def _look_up(self, kind: StepKind[Any], params: BaseModel, attempt: "_Attempt") -> ev.EventBody:
        began_at = self._clock()
        try:
            found = await kind.find(params, attempt.context())
        except CannotTellError as error:
            log.warning("a person has to look", error=error.message)
            return attempt.failed_for_good(error_info(error))
        except OrchestratorError as error:
            log.warning("look-up failed", error=error.message)
            info = error_info(error)
            return ev.StepLookedUp(attempt.step.id, attempt.number, began_at, conclusive=False, error=info)
        except Exception as error:  # as in `_act`
            log.exception("step kind failed unexpectedly", kind=kind.name)
            info = defect(kind.name, error)
            return ev.StepLookedUp(attempt.step.id, attempt.number, began_at, conclusive=False, error=info)
        if found is None:
            return ev.StepLookedUp(attempt.step.id, attempt.number, began_at)
        log.info("adopted what a lost attempt made", outputs=found.outputs, facts=found.facts)
        return ev.StepAdopted(attempt.step.id, attempt.number, found.outputs, found.facts)

    async def _check(self, asked: Awaitable[Done | None], attempt: "_Attempt", action: Check) -> ev.EventBody:
        try:
            done = await asked
        except OrchestratorError as error:
            return self._no_verdict(error, attempt, action)
        except Exception as error:  # as in `_act`
            log.exception("step kind failed unexpectedly", kind=attempt.step.uses)
            return ev.StepFailed(attempt.step.id, attempt.number, defect(attempt.step.uses, error))
        if done is None:
            if attempt.step.pipeline is not None and attempt.is_overdue:
                await self._sub_runs.give_up(RunId(action.correlation))
            again_s = attempt.check_every_s
            again_at = None if again_s is None else self._clock() + timedelta(seconds=again_s)
            return ev.StepChecked(attempt.step.id, attempt.number, action.hints, again_at)
        return ev.StepSucceeded(attempt.step.id, attempt.number, done.outputs)

    def _no_verdict(self, error: OrchestratorError, attempt: "_Attempt", action: Check) -> ev.EventBody:
        """Only what is said of the thing waited for ends the wait; wrong keys, an outage or a quota are about us."""
        info = error_info(error)
        about_it = isinstance(error, StepError | NotFound) or (
            isinstance(error, ApiError) and error.status == 400
        )
        if about_it and info.retry is not RetryClass.LATER:
            return ev.StepFailed(attempt.step.id, attempt.number, info)
        log.warning("check failed", error=error.message)
        again_at = next_check_at(
            attempt.unanswered_checks,
            now=self._clock(),
            salt=f"{attempt.job.run_id}/{attempt.step.id}",
        )
        return ev.StepChecked(attempt.step.id, attempt.number, action.hints, again_at, conclusive=False)

    async def _call_off(
        self, kind: StepKind[Any], params: BaseModel, attempt: "_Attempt", action: CallOff
    ) -> ev.EventBody:
        """A few tries: what cannot be called off then goes on at the provider, and the run ends without it."""
        for pause_s in (*_CALL_OFF_PAUSES_S, None):
            try:
                told = await kind.cancel(params, attempt.context(), action.correlation)
            except OrchestratorError as error:
                told = GoesOn(f"It could not be called off: {error.message}")
                log.warning("calling off failed", error=error.message)
                if pause_s is None or getattr(error, "retry", RetryClass.NEVER) is not RetryClass.LATER:
                    break
                await asyncio.sleep(pause_s)
            except Exception as error:  # as in `_act`
                log.exception("step kind failed unexpectedly", kind=kind.name)
                told = GoesOn(defect(kind.name, error).message)
                break
            else:
                break
        return ev.StepCancelled(attempt.step.id, attempt.number, told, isinstance(told, GoesOn))


class SupersededError(OrchestratorError):
    """The attempt does not count any more: what it was about to do is not wanted."""


class ParametersError(OrchestratorError):
    """A step's values do not fit its kind."""

    code = "PARAMETERS"


class _Attempt:
    """What one attempt is about and how far its creating request got."""

    def __init__(
        self,
        job: Job,
        around: Surroundings,
        clock: Callable[[], datetime],
        record: Record,
        progress: Progress,
        sub_runs: SubRuns,
    ) -> None:
        self.job = job
        self._sub_runs = sub_runs
        self._until = job.state.steps[job.action.step.id].deadline_at
        self.step = job.action.step
        self.number = job.action.attempt
        #: A creating request left and is not accounted for.
        self.unanswered = False
        state = job.state.steps[self.step.id]
        #: Attempts of before the run was resumed.
        self.made_before = state.attempts_before
        self._facts = dict(state.facts)
        self.check_every_s = state.check_every_s
        self.unanswered_checks = state.unanswered_checks
        #: When the request left that may have been lost.
        self._sent_at = state.sent_at
        self._run = job.state
        self._around, self._clock, self._record, self._progress = around, clock, record, progress

    @property
    def deadline_at(self) -> datetime | None:
        """Of a wait that begins now: time that the process was not there does not count."""
        if self.step.timeout_s is None or self.step.foreach is not None:
            return None  # with `foreach` the time is each item's own
        return self._clock() + timedelta(seconds=self.step.timeout_s)

    @property
    def is_overdue(self) -> bool:
        """Whether what the step waits for should have been over by now."""
        return self._until is not None and self._until <= self._clock()

    async def begin(self, inputs: Mapping[str, Any]) -> str:
        """As `SubRun.begin`."""
        return await self._sub_runs.begin(self.job.state, self.step, inputs)

    async def look(self, run_id: str) -> Done | None:
        """As `SubRun.look`."""
        return await self._sub_runs.look(RunId(run_id))

    def context(self) -> StepContext:
        run_id, step_id = self.job.run_id, self.step.id
        return StepContext(
            run_id=run_id,
            run_name=self._run.name,
            step_id=step_id,
            attempt=self.number,
            key=adoption_key(run_id, step_id),
            facts=self._facts,
            order=self.job.order,
            run_created_at=self._run.created_at or self._clock(),
            now=self._clock(),
            sent_at=self._sent_at,
            around=self._around,
            folder=_path(self._run.pipeline.folder),
            out=_path(self._run.out),
            input_files=self._input_files(),
            sent=self._sent,
            note=self._note,
            on_progress=lambda phase, done, total: self._progress(run_id, step_id, phase, done, total),
            told=self._run.told(self._run.steps[step_id].correlation),
            sub_run=self if self.step.pipeline is not None else None,
        )

    def _input_files(self) -> frozenset[str]:
        specs, inputs = self._run.pipeline.inputs, self._run.inputs
        if not specs:
            return frozenset()
        return frozenset(
            path for name, spec in specs.items() for path in paths_in(spec.type, inputs.get(name))
        )

    def failed_for_good(self, error: ev.ErrorInfo) -> ev.StepFailed:
        """Held, where a person can see to the cause."""
        held = error.retry in {RetryClass.QUOTA, RetryClass.SUPPORT} and not self.step.continue_on_error
        return ev.StepFailed(self.step.id, self.number, error, held=held)

    def unknown(self, error: ev.ErrorInfo) -> ev.StepUnknown:
        return ev.StepUnknown(self.step.id, self.number, error)

    async def _sent(self) -> None:
        self.unanswered = True
        if not await self._record(self.job.run_id, ev.StepSent(self.step.id, self.number)):
            raise SupersededError

    async def _note(self, facts: Mapping[str, Any]) -> None:
        if not await self._record(self.job.run_id, ev.StepNoted(self.step.id, self.number, dict(facts))):
            raise SupersededError
        self._facts.update(facts)
        self.unanswered = False


@lru_cache(maxsize=256)
def _path(text: str) -> Path:
    return Path(text)


def defect(kind: str, error: Exception) -> ev.ErrorInfo:
    """What the user learns of an exception that no step kind should raise."""
    return ev.ErrorInfo(
        f"{type(error).__name__} inside {kind}.", "This is a defect: report it with the log.", "DEFECT"
    )


def error_info(error: OrchestratorError) -> ev.ErrorInfo:
    """The journal's form of an error."""
    return ev.ErrorInfo(
        error.message,
        error.hint,
        str(getattr(error, "code", "") or ""),
        getattr(error, "retry", RetryClass.NEVER),
        str(getattr(error, "request_id", "") or ""),
    )
