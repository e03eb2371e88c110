"""What the demo does: the sample pipeline on the emulator, and a look into every video that came of it."""

import asyncio
import contextlib
import shutil
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.app import Application, application
from orchestrator.cli import output
from orchestrator.cli.foreground import carry, emulator_part, prepared, totals_line
from orchestrator.cli.places import reason
from orchestrator.cli.probe import UnplayableError, Video, probe
from orchestrator.cli.progress.words import count
from orchestrator.cli.results import Report, show_failures
from orchestrator.cli.samples import sample_pipeline, write_table
from orchestrator.cli.startup import start
from orchestrator.domain.run import RunStatus
from orchestrator.errors import UsageError
from orchestrator.settings import Listen, Settings


@dataclass(frozen=True, slots=True)
class _Outcome:
    report: Report
    videos: tuple[Video, ...]
    emulator: dict[str, Any]

    @property
    def complete(self) -> bool:
        """Every row has its playable video, and nothing was made twice."""
        whole = len(self.videos) == len(self.report.results) > 0
        return (
            whole
            and self.report.run.status is RunStatus.SUCCEEDED
            and not self.emulator["stats"]["duplicates_total"]
        )


async def demonstrate(
    out: Path, rows: int, *, keep: bool, as_json: bool, config: Path | None, log_level: str | None
) -> int:
    """The exit code: 0 only if every video is there and plays."""
    with _state_folder(out, keep=keep) as folder:
        settings = _settings(out, folder, config, log_level)
        table = folder / "products.csv"
        await asyncio.to_thread(write_table, table, rows)
        async with application(settings, emulator=True, admin=True) as app:
            output.note(f"emulator: {_endpoint(app)}")
            output.note(f"dashboard: {app.admin_url}")
            wanted = await asyncio.to_thread(prepared, sample_pipeline(), {}, table, settings)
            found = await carry(app, wanted)
            outcome = await _outcome(app, found)
            _show(outcome, app, keep=keep, as_json=as_json)
            if keep:
                output.note(f"kept until Ctrl-C; the state stays in {folder}")
                # Being stopped is its proper end.
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.shield(app.engine.failed)
        return 0 if outcome.complete else 1


@contextlib.contextmanager
def _state_folder(out: Path, *, keep: bool) -> Iterator[Path]:
    """A fresh folder below `out` for the demo's state."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="state-", dir=out)).resolve()
    except OSError as error:
        raise UsageError(
            f"The output folder {out} cannot be written: {reason(error)}.", hint="Choose another --out."
        ) from error
    try:
        yield folder
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def _settings(out: Path, folder: Path, config: Path | None, log_level: str | None) -> Settings:
    flags: dict[str, Any] = {"out": out, "state": f"sqlite:///{folder}/state.db", "log.level": log_level}
    settings = start(flags, config, quiet=True)
    listen = settings.admin.listen
    if _is_free(listen):
        return settings
    output.note(f"{listen} is taken: the dashboard gets another port")
    return start({**flags, "admin.listen": str(Listen(listen.host, 0))}, config, quiet=True)


def _is_free(listen: Listen) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in listen.host else socket.AF_INET) as probe_socket:
        # As the listener itself will: a port that was just let go of is free.
        probe_socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe_socket.bind((listen.host, listen.port))
        except OSError:
            return False
    return True


async def _outcome(app: Application, found: Report) -> _Outcome:
    videos: list[Video] = []
    for result in found.results:
        path = result.outputs.get("video")
        if not isinstance(path, str):
            continue  # it failed, which the report says
        try:
            videos.append(await asyncio.to_thread(probe, Path(path)))
        except UnplayableError as error:
            output.complain(error.message, error.hint)
    part = await emulator_part(app)
    assert part is not None
    return _Outcome(found, tuple(videos), part)


def _show(outcome: _Outcome, app: Application, *, keep: bool, as_json: bool) -> None:
    show_failures(outcome.report)
    output.note(totals_line(outcome.emulator["stats"]))
    if as_json:
        output.json_result(
            {
                **outcome.report.to_json(),
                "videos": [video.to_json() for video in outcome.videos],
                "dashboard": app.admin_url,
                "emulator": outcome.emulator,
            }
        )
        return
    missing = len(outcome.report.results) - len(outcome.videos)
    output.note(
        f"{count(len(outcome.videos), 'playable video')}{f', {missing:,} missing' if missing else ''}:"
    )
    for video in outcome.videos:
        output.result(f"{video.path}  {video}")
    ending = "" if keep else "  (it ends with the demo; --keep keeps it)"
    output.result(f"dashboard: {app.admin_url}{ending}")


def _endpoint(app: Application) -> str:
    assert app.emulator is not None
    return app.emulator.endpoint
