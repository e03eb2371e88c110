"""A run carried in this process: to its end, or until a person stops it; its rows' results written either way."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.app import Application, application
from orchestrator.cli import output
from orchestrator.cli.foreground import carry, emulator_part, totals_line
from orchestrator.cli.result_tables import keep_results
from orchestrator.cli.results import Report, show
from orchestrator.domain.ids import RunId
from orchestrator.engine.reception import Submission
from orchestrator.server.state_reads import StateReads
from orchestrator.settings import Settings


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run, where its rows' results are (None: nowhere), and the emulator's part."""

    report: Report
    results: Path | None
    emulated: dict[str, Any] | None


async def run_here(
    settings: Settings, wanted: Submission, results: Path | None, *, emulator: bool
) -> Outcome:
    """Carries the run out in this process, with an emulator beside it if wanted; the rows' results go to `results`."""
    async with application(settings, emulator=emulator) as app:
        if app.emulator is not None:
            output.note(f"emulator: {app.emulator.endpoint}")
        found, kept = await carry_and_keep(app, wanted, results)
        return Outcome(found, kept, await emulator_part(app))


async def carry_and_keep(
    app: Application, wanted: Submission, results: Path | None
) -> tuple[Report, Path | None]:
    """As `carry`; then the rows' results go to `results`, also when a person stops it."""
    begun: list[RunId] = []

    async def keep() -> Path | None:
        if not begun or wanted.table is None or results is None:
            return None
        return await keep_results(StateReads(app.store), begun[0], wanted.table, results)

    try:
        found = await carry(app, wanted, begun=begun.append)
    except asyncio.CancelledError:
        await keep()
        raise
    return found, await keep()


def show_outcome(found: Outcome, *, as_json: bool) -> None:
    """The outcome to stdout, and the emulator's counters to stderr."""
    if as_json:
        path = None if found.results is None else str(found.results)
        output.json_result({**found.report.to_json(), "results": path, "emulator": found.emulated})
    else:
        show(found.report)
    if found.emulated is not None:
        output.note(totals_line(found.emulated["stats"]))
