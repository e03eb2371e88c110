"""`orchestrator db`: upkeep of the state file."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli import output
from orchestrator.cli.options import ConfigOption, JsonOption, StateOption
from orchestrator.errors import UsageError

app = typer.Typer(help="Upgrade, check, back up and prune the state.")


@app.command("upgrade")
def upgrade(*, state: StateOption = None, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Bring the state to this version's schema.

    Whatever opens the state does so by itself; with this it is done at a moment of your choice. The file as it was is kept
    beside it. Not while a daemon or a run works on it.
    """
    from orchestrator.store import sqlite_upkeep

    path = _path(state, config)
    done = sqlite_upkeep.upgrade(path)
    if as_json:
        kept = None if done.backup is None else str(done.backup)
        output.json_result({"state": str(path), "from": done.before, "to": done.after, "backup": kept})
    elif done.backup is None:
        output.result(f"{path} has schema version {done.after}: nothing to do")
    else:
        output.result(f"{path}: schema version {done.before} → {done.after}, the old file is {done.backup}")


@app.command("check")
def check(*, state: StateOption = None, as_json: JsonOption = False, config: ConfigOption = None) -> int:
    """Check that the state is whole.

    SQLite's own integrity check, then every run: its journal without gaps, its entry in the list as the journal has it,
    counters, waits, definitions and child runs. Reads only, also while a daemon works. Exit code 1 when something is wrong.
    """
    from orchestrator.cli.progress.words import count
    from orchestrator.store import sqlite_upkeep

    path = _path(state, config)
    report = sqlite_upkeep.check(path)
    if as_json:
        problems = [{"run": problem.run_id, "problem": problem.what} for problem in report.problems]
        output.json_result(
            {
                "state": str(path),
                "ok": not problems,
                "runs": report.runs,
                "events": report.events,
                "problems": problems,
            }
        )
    else:
        for problem in report.problems:
            output.result(str(problem))
        looked = f"{path}: {count(report.runs, 'run')}, {count(report.events, 'event')}"
        found = count(len(report.problems), "problem") if report.problems else "all is well"
        output.result(f"{looked}: {found}")
    if report.problems:
        output.note("Keep the file as it is and restore a backup, or report this with the output.")
    return 1 if report.problems else 0


@app.command("backup")
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The copy, a new file.", show_default=False)],
    *,
    state: StateOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Copy the state, also while a daemon works.

    The copy is the state as it was at one moment, in one file that can be used as a state itself.
    """
    from orchestrator.cli.progress.words import size
    from orchestrator.store import sqlite_upkeep

    path = _path(state, config)
    written = sqlite_upkeep.backup(path, file)
    if as_json:
        output.json_result({"state": str(path), "backup": str(file), "bytes": written})
    else:
        output.result(f"{file} ({size(written)})")


@app.command("prune")
def prune(
    *,
    older_than: Annotated[
        str,
        typer.Option(
            metavar="DURATION", help="How long ago a run has to have ended: 30d.", show_default=False
        ),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many it would be.")] = False,
    state: StateOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Forget runs that ended long ago, with their journals.

    Never one that is not over, nor one that a run that stays still needs. What is forgotten is made anew when it is asked
    for again. Not while a daemon or a run works on the state: a daemon prunes by itself, see the setting
    retention.finished.
    """
    from orchestrator.cli.progress.words import count
    from orchestrator.domain.durations import seconds
    from orchestrator.store import sqlite_upkeep

    try:
        age = timedelta(seconds=seconds(older_than, years=100))
    except ValueError as error:
        raise UsageError(f"--older-than {older_than!r} {error}.", hint="Write --older-than 30d.") from error
    path = _path(state, config)
    before = datetime.now(UTC) - age
    forgotten = sqlite_upkeep.prune(path, before, dry_run=dry_run)
    if as_json:
        output.json_result(
            {"state": str(path), "runs": forgotten, "dry_run": dry_run, "before": before.isoformat()}
        )
    else:
        output.result(f"{count(forgotten, 'run')} {'would be forgotten' if dry_run else 'forgotten'}")


def _path(state: str | None, config: Path | None) -> Path:
    from orchestrator.app import state_path
    from orchestrator.cli.startup import start

    return state_path(start({"state": state}, config, quiet=True))
