"""`orchestrator runs logs` and `watch`: a run's journal as lines, and its progress until it is over."""

import asyncio
import shutil
import sys
from contextlib import aclosing

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from orchestrator.cli import output
from orchestrator.cli.daemon_client import DaemonClient
from orchestrator.cli.history import event_json, find
from orchestrator.cli.results import error_text, summary_json
from orchestrator.cli.runs_following import LOOK_AGAIN_S, Following
from orchestrator.cli.runs_lines import log_line, said
from orchestrator.cli.tables import heading, steps_table, summaries_table
from orchestrator.domain.ids import RunId
from orchestrator.domain.run import RunStatus
from orchestrator.errors import OrchestratorError
from orchestrator.server.reads import EventView, RunDetail, RunQuery, RunReader, RunSummary

#: Times go on, and a daemon is asked, so often.
_REDRAW_S = 1.0
#: Lines of a picture that are not runs of rows.
_FRAME = 12


async def show_logs(
    reads: RunReader,
    daemon: DaemonClient | None,
    wanted: str,
    *,
    follow: bool,
    as_json: bool,
    look_again_s: float = LOOK_AGAIN_S,
) -> None:
    """Prints the journal, a line an event; with `follow`, goes on until the run is over."""
    run_id = (await find(reads, wanted)).id
    if not follow:
        for event in await reads.events(run_id, 0):
            _log(event, as_json=as_json)
        return
    following = Following(reads, await _alive(daemon, run_id), run_id, look_again_s=look_again_s)
    async with aclosing(following.events(history=True, rows=False)) as events:
        async for event in events:
            _log(event, as_json=as_json)


def _log(event: EventView, *, as_json: bool) -> None:
    if as_json:
        output.json_result(event_json(event), one_line=True)
    else:
        output.result(log_line(event))


async def watch_run(
    reads: RunReader,
    daemon: DaemonClient | None,
    wanted: str,
    *,
    as_json: bool,
    look_again_s: float = LOOK_AGAIN_S,
) -> RunStatus:
    """Shows a run's progress until it is over; its last status.

    On a terminal a picture that is redrawn, else a line a change; JSON: an object an event, and last the run.
    """
    run_id = (await find(reads, wanted)).id
    following = Following(reads, await _alive(daemon, run_id), run_id, look_again_s=look_again_s)
    if as_json:
        await _watch_json(following)
    elif output.is_plain(sys.stdout):
        await _watch_lines(following)
    else:
        await _watch_picture(following, reads)
    detail = await following.detail()
    if as_json:
        output.json_result({"run": summary_json(detail.summary)}, one_line=True)
    else:
        _close(detail)
    return detail.summary.status


def _close(detail: RunDetail) -> None:
    summary = detail.summary
    output.result(f"{summary.name}: {summary.status.value}")
    if summary.error is not None:
        output.note(error_text(summary.error))
        if summary.error.hint:
            output.note(summary.error.hint)


async def _watch_json(following: Following) -> None:
    async with aclosing(following.events(history=False, rows=True)) as events:
        async for event in events:
            output.json_result({"run": event.run_id, **event_json(event)}, one_line=True)


async def _watch_lines(following: Following) -> None:
    detail = await following.detail()
    summary = detail.summary
    output.result(f"{summary.name}  {summary.status.value}  {summary.reason}".rstrip())
    async with aclosing(following.events(history=False, rows=True)) as events:
        async for event in events:
            name = following.names.get(event.run_id, "")
            output.result("  ".join(part for part in (name, event.step or "", said(event)) if part))


async def _watch_picture(following: Following, reads: RunReader) -> None:
    with Live(console=Console(highlight=False), auto_refresh=False, transient=True) as live:

        async def redraw() -> None:
            while True:
                live.update(await _picture(following, reads), refresh=True)
                await asyncio.sleep(_REDRAW_S)

        drawing = asyncio.get_running_loop().create_task(redraw())
        try:
            async with aclosing(following.events(history=False, rows=False)) as events:
                async for _ in events:
                    if drawing.done():
                        drawing.result()
        finally:
            drawing.cancel()
            await asyncio.wait({drawing})


async def _picture(following: Following, reads: RunReader) -> Group:
    detail = await following.detail()
    parts = [heading(detail)]
    if detail.steps:
        parts += [steps_table(detail)]
    elif rows := await _under_way(reads, detail.summary.id):
        parts += [summaries_table(rows)]
    return Group(*(part for table in parts for part in (Text(""), table)))


async def _under_way(reads: RunReader, run_id: RunId) -> list[RunSummary]:
    room = max(1, shutil.get_terminal_size().lines - _FRAME)
    open_ = frozenset(status for status in RunStatus if not status.over)
    found, _ = await reads.runs(RunQuery(status=open_, parent=run_id), limit=room)
    return list(found)


async def _alive(daemon: DaemonClient | None, run_id: RunId) -> DaemonClient | None:
    """The daemon, if it is there and knows the run: what a killed one left, or another's address, is no use."""
    if daemon is None:
        return None
    try:
        return daemon if await daemon.run(run_id) is not None else None
    except OrchestratorError:
        return None
