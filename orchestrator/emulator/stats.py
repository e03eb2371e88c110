"""What has been counted: calls, uploads, callbacks, and what exists twice that should exist once."""

from collections import Counter as Tally
from collections.abc import Iterable
from typing import Any

from orchestrator.emulator.records import AssetState, JobState
from orchestrator.emulator.tables import Table
from orchestrator.emulator.world import World

_GONE = frozenset({AssetState.DELETING, AssetState.DELETED})
_CALL_COUNTS = ("calls", "throttled", "refused", "faults")


def stats(world: World) -> dict[str, Any]:
    """Calls and throttles per operation, uploads, callbacks, live totals and duplicates.

    Totals count what customers made and still have: outputs of jobs, deleted things, failed or cancelled files and
    jobs are left out.
    """
    counts = {counter.id: counter.value for counter in world.counters}
    operations: dict[str, dict[str, int]] = {}
    for name, value in sorted(counts.items()):
        kind, _, operation = name.partition("/")
        if kind in _CALL_COUNTS:
            operations.setdefault(operation, dict.fromkeys(_CALL_COUNTS, 0))[kind] = value
    videos, scripts, assets, files = _live(world)
    duplicates = {
        "videos_per_script": _doubled(videos),
        "scripts": _doubled(scripts),
        "assets": _doubled(assets),
        "files": _doubled(files),
    }
    return {
        "operations": operations,
        "calls": sum(row["calls"] for row in operations.values()),
        "throttles": sum(row["throttled"] for row in operations.values()),
        "uploads": {"puts": counts.get("uploads/puts", 0), "bytes": counts.get("uploads/bytes", 0)},
        "callbacks": {
            "sent": counts.get("callbacks/sent", 0),
            "refused": counts.get("callbacks/refused", 0),
            "lost": counts.get("callbacks/lost", 0),
            "pending": len(world.pending_posts()),
        },
        "totals": {
            "assets": len(assets),
            "files": len(files),
            "scripts": len(scripts),
            "videos": sum(job.state.live for job in world.jobs),
        },
        "records": {name: len(table) for name, table in shown_tables(world).items()},
        "jobs": {state.value: sum(job.state is state for job in world.jobs) for state in JobState},
        "duplicates": duplicates,
        "duplicates_total": sum(n - 1 for group in duplicates.values() for n in group.values()),
    }


def shown_tables(world: World) -> dict[str, Table[Any]]:
    """The tables that a customer may look into, by the name of what they hold."""
    return {
        "assets": world.assets,
        "files": world.files,
        "scripts": world.scripts,
        "jobs": world.jobs,
        "callbacks": world.posts,
        "late_calls": world.late_calls,
        **world.further,
    }


def _live(world: World) -> tuple[list[str], list[str], list[str], list[str]]:
    own = {asset.id: asset for asset in world.assets if asset.job_id is None and asset.state not in _GONE}
    videos = [job.script_id for job in world.jobs if job.state.live and job.script_id is not None]
    files = [
        f"{file.asset_id}/{file.name}" for file in world.files if file.asset_id in own and file.state.live
    ]
    return videos, [script.name for script in world.scripts], [asset.name for asset in own.values()], files


def _doubled(names: Iterable[str]) -> dict[str, int]:
    return {name: count for name, count in Tally(names).items() if count > 1}
