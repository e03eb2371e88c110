"""The verbs of `orchestrator runs` that change something: which runs are meant, the wish made durable, what comes of it."""

import asyncio
import getpass
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from orchestrator.cli import output
from orchestrator.cli.history import all_runs, find
from orchestrator.cli.places import reason as reason_of
from orchestrator.cli.progress.words import count
from orchestrator.cli.results import summary_json
from orchestrator.cli.runs_following import settled
from orchestrator.cli.runs_place import Hands, Place
from orchestrator.domain.ids import RunId, StepId
from orchestrator.domain.run import RunStatus
from orchestrator.errors import OrchestratorError, UsageError
from orchestrator.server.reads import TOP_LEVEL, RunQuery, RunSummary
from orchestrator.server.replay_changes import Definition

#: Wishes under way at once: their writes are grouped.
_AT_ONCE = 16
#: So many of the runs that a filter finds are shown before it is asked whether they are meant.
_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Which:
    """The runs that are meant: by id or name, or by what they are like."""

    wanted: Sequence[str] = ()
    status: Sequence[str] = ()
    pipeline: str = ""
    parent: str | None = None
    #: Do not ask whether those that were found by what they are like are meant.
    yes: bool = False

    @property
    def by_filter(self) -> bool:
        """Whether runs are looked for by what they are like."""
        return bool(self.status or self.pipeline or self.parent)


@dataclass(frozen=True, slots=True)
class Verb:
    """Something that is done to a run."""

    name: str
    #: Runs in these statuses are taken when a filter names none.
    fits: frozenset[RunStatus]
    act: Callable[[Hands, RunId], Awaitable[RunSummary]]
    #: With `--wait`: to wait for, besides the run's end, and what counts as done as wished.
    until: frozenset[RunStatus] = frozenset({RunStatus.PAUSED})
    good: frozenset[RunStatus] = frozenset({RunStatus.SUCCEEDED})


def cancel(reason: str) -> Verb:
    """Ends runs."""
    return Verb(
        "cancel",
        frozenset({RunStatus.CREATED, RunStatus.RUNNING, RunStatus.PAUSED}),
        lambda hands, run_id: hands.cancel(run_id, reason=reason),
        until=frozenset(),
        good=frozenset({RunStatus.CANCELLED}),
    )


def pause(reason: str) -> Verb:
    """Lets runs begin nothing new."""
    return Verb(
        "pause",
        frozenset({RunStatus.CREATED, RunStatus.RUNNING}),
        lambda hands, run_id: hands.pause(run_id, reason=reason),
        good=frozenset({RunStatus.PAUSED}),
    )


RESUME = Verb("resume", frozenset({RunStatus.PAUSED}), lambda hands, run_id: hands.resume(run_id))
RETRY = Verb("retry", frozenset({RunStatus.FAILED}), lambda hands, run_id: hands.retry(run_id))


def replay(inputs: Mapping[str, Any], changed: Definition | None, first: str | None) -> Verb:
    """Begins a new run in the place of an old one."""
    step = None if first is None else StepId(first)
    return Verb(
        "replay",
        frozenset(),
        lambda hands, run_id: hands.replay(run_id, inputs=inputs, definition=changed, first=step),
    )


def definition(file: Path) -> Definition:
    """The text of a definition's file. Raises UsageError when it cannot be read."""
    try:
        return Definition(file.read_text("utf-8"), str(file))
    except (OSError, UnicodeDecodeError) as error:
        why = reason_of(error) if isinstance(error, OSError) else "it is no UTF-8"
        raise UsageError(f"The definition {file} cannot be read: {why}.", hint="Check --file.") from error


def approve(step: str | None, *, approved: bool, by: str, comment: str) -> Verb:
    """Gives a step the word that it waits for; without a name, in that of whoever is logged in."""
    which = None if step is None else StepId(step)
    name = by or _user()
    over = frozenset(status for status in RunStatus if status.over)
    return Verb(
        "approve",
        frozenset(),
        lambda hands, run_id: hands.approve(run_id, which, approved=approved, by=name, comment=comment),
        good=frozenset({RunStatus.SUCCEEDED}) if approved else over,
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user without a name, as containers have them
        return ""


async def carry_out(place: Place, which: Which, verb: Verb, *, wait: bool, as_json: bool) -> int:
    """Does it to every run that is meant, and prints each; the exit code.

    A run that it cannot be done to keeps the others from nothing. Raises UsageError when no run is meant.
    """
    if wait and place.daemon is None:
        raise UsageError(
            "Nobody carries the runs of this state now, so there is nothing to wait for.",
            hint="Start `orchestrator daemon`, or leave out --wait.",
        )
    chosen = await _chosen(place, which, verb)
    if not chosen:
        rows = "" if which.parent else "; `--parent RUN` looks among the rows of a table"
        output.note(f"no run to {verb.name}{rows}")
        return 0
    code, done = 0, list[RunSummary]()
    async with aclosing(_acted(place.hands, chosen, verb)) as outcomes:
        async for found in outcomes:
            if isinstance(found, OrchestratorError):
                output.complain(found.message, found.hint)
                code = max(code, found.exit_code)
                continue
            done.append(found)
            if not wait:
                _print(found, as_json=as_json)
    if wait:
        return max(code, await _wait(place, done, verb, as_json=as_json))
    if done and place.daemon is None:
        output.note(
            "written down: the next `orchestrator daemon`, or `orchestrator run`, on this state carries it out"
        )
    return code


async def _acted(
    hands: Hands, chosen: Sequence[RunSummary], verb: Verb
) -> AsyncGenerator[RunSummary | OrchestratorError, None]:
    """What came of each wish, in their order; several are under way at once."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def act(run: RunSummary) -> RunSummary | OrchestratorError:
        async with gate:
            try:
                return await verb.act(hands, run.id)
            except OrchestratorError as error:
                return error

    tasks = [asyncio.get_running_loop().create_task(act(run)) for run in chosen]
    try:
        for task in tasks:
            yield await task
    finally:
        for task in tasks:
            task.cancel()


async def _chosen(place: Place, which: Which, verb: Verb) -> list[RunSummary]:
    if not which.wanted and not which.by_filter:
        raise UsageError(
            f"Which runs to {verb.name}?",
            hint="Give their ids or names, or say what they are like: --status, --pipeline, --parent.",
        )
    if which.wanted:
        if which.by_filter:
            raise UsageError("Give runs or a filter, not both.", hint="Leave out one of them.")
        found = [await find(place.reads, wanted, unique=True) for wanted in which.wanted]
        return list({run.id: run for run in found}.values())
    query = RunQuery(
        status=frozenset(map(RunStatus, which.status)) or verb.fits,
        parent=TOP_LEVEL if which.parent is None else (await find(place.reads, which.parent, unique=True)).id,
        pipeline=which.pipeline,
    )
    # The oldest first: they have waited longest.
    chosen = [run async for run in all_runs(place.reads, query)][::-1]
    if chosen and not which.yes:
        _confirm(chosen, verb)
    return chosen


def _confirm(chosen: Sequence[RunSummary], verb: Verb) -> None:
    """Raises UsageError when nobody can be asked, Abort when the answer is no."""
    what = f"{verb.name} {count(len(chosen), 'run')}"
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(f"This would {what}.", hint="Pass --yes if that is meant.")
    for run in chosen[:_SHOWN]:
        output.note(f"  {run.id}  {run.name}  {run.status.value}")
    if len(chosen) > _SHOWN:
        output.note(f"  and {len(chosen) - _SHOWN:,} more")
    typer.confirm(f"{what[:1].upper()}{what[1:]}?", abort=True, err=True)


async def _wait(place: Place, runs: Sequence[RunSummary], verb: Verb, *, as_json: bool) -> int:
    """Until every run is where it was wished to be, over, or stands still; 1 when one is elsewhere."""
    assert place.daemon is not None
    daemon = place.daemon
    code = 0
    for run in runs:
        status = await settled(daemon, run.id, verb.until)
        detail = await daemon.run(run.id)
        _print(run if detail is None else detail.summary, as_json=as_json)
        code = code if status in verb.good else 1
    return code


def _print(run: RunSummary, *, as_json: bool) -> None:
    if as_json:
        output.json_result(summary_json(run), one_line=True)
    else:
        output.result(f"{run.id}  {run.name}  {run.status.value}")
