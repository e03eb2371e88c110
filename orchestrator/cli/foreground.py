"""Runs carried in the foreground: submitted, watched to their end."""

import asyncio
import contextlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp

from orchestrator.app import Application
from orchestrator.cli import output
from orchestrator.cli.checking import checked, wanted
from orchestrator.cli.progress.board import Board
from orchestrator.cli.progress.plain import PlainView
from orchestrator.cli.progress.words import count
from orchestrator.cli.results import Report, report
from orchestrator.domain.decide import Policy
from orchestrator.domain.events import Event
from orchestrator.domain.ids import RunId, StepId
from orchestrator.domain.pipeline import Step
from orchestrator.domain.run import RunState
from orchestrator.engine.engine import utc_now
from orchestrator.engine.live import Progress
from orchestrator.engine.reception import Submission
from orchestrator.errors import UnreachableError
from orchestrator.limits.base import Waiting
from orchestrator.server.engine_reads import EngineReads
from orchestrator.server.waiting import in_line
from orchestrator.settings import Settings

if TYPE_CHECKING:
    from orchestrator.cli.progress.live import LiveView


def prepared(
    file: Path, given: Mapping[str, str], rows: Path | None, settings: Settings, *, again: bool = False
) -> Submission:
    """What to run, everything checked. Raises DefinitionError with all mistakes before anything is called."""
    return wanted(checked(file, given, rows, settings, values=True), again=again)


async def carry(
    app: Application, wanted: Submission, *, begun: Callable[[RunId], None] = lambda _: None
) -> Report:
    """Starts the run, or takes it up where it is, and shows its progress on stderr until it is over.

    `begun` is told the run as soon as it is written down.
    """
    with app.engine.live.watch() as events:
        submitted = await app.engine.submit(wanted)
        begun(submitted.run_id)
        summary = await app.store.summary(submitted.run_id)
        if summary is not None and summary.status.over:
            output.note(f"{wanted.name}: already done; --again makes it anew")
            return await report(app.store, summary, known=submitted.rows_known)
        if submitted.known:
            output.note(f"{wanted.name}: goes on where it stopped (run {submitted.run_id})")
            if summary is not None and summary.definition != wanted.pipeline.hash:
                output.note(
                    "the definition has changed since it began, in what makes no other video (such as `retry`, `timeout`); "
                    f"this run keeps the old one. `orchestrator runs replay {submitted.run_id} --file FILE` takes the new one"
                )
        elif submitted.rows_known:
            output.note(f"{wanted.name}: {count(submitted.rows_known, 'row')} done or under way already")
        if summary is not None and summary.group is not None and summary.queued_at is not None:
            queue = await app.store.queue(summary.group, limit=1)
            if queue.taken >= summary.group_limit:
                output.note(
                    f"{wanted.name}: waits for {in_line(summary.group, summary.group_limit, queue.taken)}"
                )
                output.note(
                    "`orchestrator runs list` shows what is under way; a daemon carries on what was left"
                )
        await _watch(app, submitted.run_id, events)
    rested = await app.engine.rest(submitted.run_id)
    return await report(app.store, rested, known=submitted.rows_known)


async def emulator_part(app: Application) -> dict[str, Any] | None:
    """The emulator's address and counters for `--json`; None without an emulator."""
    if app.emulator is None:
        return None
    return {"endpoint": app.emulator.endpoint, "stats": await emulator_stats(app.emulator.endpoint)}


async def emulator_stats(endpoint: str) -> dict[str, Any]:
    """What an emulator has counted. Raises UnreachableError."""
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session,
            session.get(f"{endpoint}/_emulator/stats") as answer,
        ):
            stats: dict[str, Any] = await answer.json()
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise UnreachableError(f"The emulator at {endpoint} gives no counters.") from error
    return stats


def totals_line(stats: Mapping[str, Any]) -> str:
    """The emulator's counters for people: of its whole world, so also of what earlier runs made in it."""
    totals = stats["totals"]
    made = ", ".join(count(totals[f"{noun}s"], noun) for noun in ("video", "script", "asset", "file"))
    line = f"emulator, all runs so far: {made}; {count(stats['calls'], 'call')}, {stats['throttles']:,} throttled"
    # Equal names are no mistake; two videos of one script are.
    if twice := len(stats["duplicates"]["videos_per_script"]):
        line += f", {count(twice, 'script')} {'has' if twice == 1 else 'have'} more than one video"
    return line


async def _watch(app: Application, run_id: RunId, events: asyncio.Queue[Event]) -> None:
    """Shows what happens until the run is over."""
    board = await Board.load(
        app.store,
        run_id,
        looks_for_s=_looks_for_s(app.settings, app.emulator is not None),
        foreground=True,
    )
    view = PlainView() if output.is_plain(sys.stderr) else _live_view(app, board)

    async def show(event: Event) -> None:
        if (told := await board.take(event)) is not None:
            view.tell(told)

    async def follow() -> None:
        while True:
            await show(await events.get())

    async with view:
        follower = asyncio.get_running_loop().create_task(follow())
        try:
            await app.engine.rest(run_id)
        finally:
            follower.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await follower
        while not events.empty():
            await show(events.get_nowait())


def _looks_for_s(settings: Settings, emulated: bool) -> float | None:
    """How long a step at most looks for what a lost request made; None: so short that nobody wonders."""
    if emulated and settings.origins["engine.quiet_time_s"] == "default":
        return None
    return settings.engine.quiet_time_s + Policy().answer_within_s


def _live_view(app: Application, board: Board) -> "LiveView":
    from rich.console import Console

    from orchestrator.cli.progress.live import LiveView

    return LiveView(board, _AppInsight(app), Console(stderr=True), utc_now)


class _AppInsight:
    """Implements `live.Insight`."""

    def __init__(self, app: Application) -> None:
        self._app = app
        self._reads = EngineReads(app.engine, app.store, app.limiter)

    @property
    def progress(self) -> Mapping[tuple[RunId, StepId], Progress]:
        return self._app.engine.live.progress

    def quota(self) -> Mapping[str, Waiting]:
        return {call.label: call for call in self._app.limiter.waiting()}

    def waiting_for(self, state: RunState, step: Step) -> str:
        return self._reads.waiting_for(state, step)
