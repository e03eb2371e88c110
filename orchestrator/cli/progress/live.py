"""Progress on a terminal: a line a run, redrawn in place."""

import asyncio
import contextlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self, assert_never

from rich.cells import cell_len
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from orchestrator.cli.progress.board import Board, Told, Tone
from orchestrator.cli.progress.words import clock, size, took
from orchestrator.domain.ids import RunId, StepId
from orchestrator.domain.pipeline import Step
from orchestrator.domain.run import RunState, RunStatus, StepStatus
from orchestrator.engine.live import Progress
from orchestrator.limits.base import Waiting
from orchestrator.steps.base import call_label

_REDRAW_S = 0.2
#: Lines that are not runs: the bar, the count of those not shown, the cursor's.
_FRAME = 4
_NAME_WIDTH = 28

#: What stays on the screen, and how; everything else shows in the run's line.
_KEPT_STYLES = {Tone.BAD: "red", Tone.NOTABLE: "yellow"}

_MARKS = {
    StepStatus.PENDING: ("·", ".", "dim"),
    StepStatus.RUNNING: ("●", "o", "cyan"),
    StepStatus.SENT: ("●", "o", "cyan"),
    StepStatus.UNKNOWN: ("?", "?", "yellow"),
    StepStatus.WAITING: ("◷", "w", "blue"),
    StepStatus.RETRYING: ("↻", "r", "yellow"),
    StepStatus.HELD: ("‖", "h", "magenta"),
    StepStatus.SUCCEEDED: ("✓", "+", "green"),
    StepStatus.FAILED: ("✗", "x", "red"),
    StepStatus.SKIPPED: ("-", "-", "dim"),
    StepStatus.CANCELLED: ("-", "-", "yellow"),
}


class Insight(Protocol):
    """What only the process that works on a run can tell."""

    @property
    def progress(self) -> Mapping[tuple[RunId, StepId], Progress]:
        """How far each step's transfer is."""
        ...

    def quota(self) -> Mapping[str, Waiting]:
        """The calls that wait for the quota, by label."""
        ...

    def waiting_for(self, state: RunState, step: Step) -> str:
        """Why a step is not getting on."""
        ...


class LiveView:
    """An async context manager; while it is open, whatever else is written to stderr appears above it."""

    def __init__(self, board: Board, insight: Insight, console: Console, now: Callable[[], datetime]) -> None:
        self._board = board
        self._insight = insight
        self._console = console
        self._now = now
        self._unicode = not console.options.ascii_only
        self._live = Live(console=console, auto_refresh=False, transient=True, redirect_stdout=False)
        self._ticker: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._live.start()
        self._ticker = asyncio.get_running_loop().create_task(self._tick())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._ticker is not None:
            self._ticker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticker
        self._live.stop()

    def tell(self, told: Told) -> None:
        """What goes wrong, or makes somebody wait, stays on the screen."""
        if (style := _KEPT_STYLES.get(told.tone)) is not None:
            self._live.console.print(
                Text("  ".join(part for part in (told.run, told.step, told.what) if part), style=style),
                soft_wrap=True,
            )

    async def _tick(self) -> None:
        while True:
            self._live.update(self.picture(), refresh=True)
            await asyncio.sleep(_REDRAW_S)

    # What is drawn

    def picture(self) -> Group:
        """The whole as it is now: the runs that fit, a count of the others, the bar."""
        room = max(1, shutil.get_terminal_size().lines - _FRAME)
        runs = list(self._board.runs.values())
        if len(runs) > room:
            runs = self._board.under_way
        board = self._board
        hidden = len(runs) - room
        to_come = board.total - board.succeeded - board.failed - len(board.under_way)
        parts: list[Table | Text] = [self._lines(runs[:room])] if runs else []
        more = [
            *([f"{hidden:,} more under way"] if hidden > 0 else []),
            *([f"{to_come:,} to come"] if to_come > 0 else []),
        ]
        if more:
            parts.append(Text(f"and {', '.join(more)}", style="dim"))
        parts.append(self._bar())
        return Group(*parts)

    def _lines(self, runs: Sequence[RunState]) -> Table:
        quota = self._insight.quota()
        # What a step is doing gives way first: names and marks stay whole.
        names = min(_NAME_WIDTH, max(cell_len(state.name) for state in runs))
        steps = max(len(state.all_steps) for state in runs)
        grid = Table.grid(padding=(0, 2), expand=True)
        grid.add_column(no_wrap=True, overflow="ellipsis", width=names)
        grid.add_column(no_wrap=True, width=steps)
        grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        for state in runs:
            grid.add_row(Text(state.name), self._marks(state), self._now_doing(state, quota))
        return grid

    def _bar(self) -> Table:
        board = self._board
        over = board.succeeded + board.failed
        counts = Text(f"{over:,}/{board.total:,} done")
        if board.failed:
            counts.append(f", {board.failed:,} failed", style="red")
        if board.begun_at is not None:
            counts.append(f"  {clock(self._now() - board.begun_at)}", style="dim")
        grid = Table.grid(padding=(0, 2))
        grid.add_row(
            Text(board.root.pipeline.name, style="bold"),
            ProgressBar(total=board.total, completed=over, width=30),
            counts,
        )
        return grid

    def _marks(self, state: RunState) -> Text:
        marks = Text()
        for step in state.all_steps:
            mark, plain, style = _MARKS[state.steps[step.id].status]
            marks.append(mark if self._unicode else plain, style=style)
        return marks

    def _now_doing(self, state: RunState, quota: Mapping[str, Waiting]) -> Text:
        match state.status:
            case RunStatus.SUCCEEDED:
                return Text(f"done in {self._took(state)}", style="green")
            case RunStatus.FAILED | RunStatus.CANCELLED:
                reason = state.error.message if state.error else state.status.value
                return Text(reason, style="red")
            case RunStatus.PAUSED:
                return Text(f"paused: {state.reason}", style="magenta")
            case RunStatus.CREATED | RunStatus.RUNNING | RunStatus.CANCELLING:
                doing = [self._step_doing(state, step, quota) for step in state.all_steps]
                return Text("; ".join(filter(None, doing)))
            case _:
                assert_never(state.status)

    def _step_doing(self, state: RunState, step: Step, quota: Mapping[str, Waiting]) -> str:
        step_state = state.steps[step.id]
        match step_state.status:
            case StepStatus.PENDING | StepStatus.SUCCEEDED | StepStatus.FAILED:
                return ""
            case StepStatus.SKIPPED | StepStatus.CANCELLED:
                return ""
            case StepStatus.RUNNING | StepStatus.SENT:
                reason = self._getting_on(state.id, step.id, quota)
            case StepStatus.WAITING:
                since = step_state.started_at
                reason = f"waits {clock(self._now() - since)}" if since else "waits"
            case StepStatus.UNKNOWN | StepStatus.RETRYING | StepStatus.HELD:
                reason = self._insight.waiting_for(state, step)
                if step_state.error and step_state.error.message.rstrip(".") not in reason:
                    reason = f"{reason} ({step_state.error.message})"
            case _:
                assert_never(step_state.status)
        return f"{step.id}: {reason}" if reason else str(step.id)

    def _getting_on(self, run_id: RunId, step_id: StepId, quota: Mapping[str, Waiting]) -> str:
        if (call := quota.get(call_label(run_id, step_id))) is not None:
            ahead = f"{call.ahead:,} ahead, " if call.ahead else ""
            return f"waits for the quota of {call.operation} ({ahead}{call.wait_s:.1f} s)"
        progress = self._insight.progress.get((run_id, step_id))
        if progress is None:
            return ""
        if not progress.total:
            return progress.phase
        return f"{progress.phase} {100 * progress.done // progress.total} % of {size(progress.total)}"

    def _took(self, state: RunState) -> str:
        if state.created_at is None or state.ended_at is None:
            return "?"
        return took(state.ended_at - state.created_at)
