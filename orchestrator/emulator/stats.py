"""What has been counted: calls, uploads, callbacks, and what exists twice that should exist once."""

from collections import Counter as Tally
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from orchestrator.emulator.records import Asset, AssetState, JobState
from orchestrator.emulator.tables import Table
from orchestrator.emulator.world import World

T = TypeVar("T")

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
    assets = _kept(world, "assets", (world.assets,), lambda: _census(_own_assets(world)))
    files = _kept(world, "files", (world.assets, world.files), lambda: _census(_own_files(world)))
    scripts = _kept(world, "scripts", (world.scripts,), lambda: _census(one.name for one in world.scripts))
    videos = _kept(world, "videos", (world.jobs,), lambda: _census(_paid_videos(world)))
    jobs = _kept(world, "jobs", (world.jobs,), lambda: Tally(job.state for job in world.jobs))
    duplicates = {
        "videos_per_script": videos.doubled,
        "scripts": scripts.doubled,
        "assets": assets.doubled,
        "files": files.doubled,
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
            "assets": assets.total,
            "files": files.total,
            "scripts": scripts.total,
            "videos": sum(count for state, count in jobs.items() if state.live),
        },
        "records": {name: len(table) for name, table in shown_tables(world).items()},
        "jobs": {state.value: jobs[state] for state in JobState},
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


@dataclass(frozen=True, slots=True)
class _Census:
    """How many names there are, and which of them more than once."""

    total: int
    doubled: dict[str, int]


#: What was worked out of a world's tables, with the versions that they had then: a page that asks every other second
#: must not walk through a hundred thousand records for it.
_WORKED_OUT: WeakKeyDictionary[World, dict[str, tuple[tuple[int, ...], Any]]] = WeakKeyDictionary()


def _kept(world: World, name: str, tables: tuple[Table[Any], ...], work_out: Callable[[], T]) -> T:
    """What `work_out` gives, or gave if nothing in the tables has changed since."""
    versions = tuple(table.version for table in tables)
    known = _WORKED_OUT.setdefault(world, {})
    if name not in known or known[name][0] != versions:
        known[name] = (versions, work_out())
    value: T = known[name][1]
    return value


def _own_assets(world: World) -> Iterable[str]:
    return (asset.name for asset in world.assets if _is_own(asset))


def _own_files(world: World) -> Iterable[str]:
    for file in world.files:
        asset = world.assets.get(file.asset_id) if file.state.live else None
        if asset is not None and _is_own(asset):
            yield f"{file.asset_id}/{file.name}"


def _paid_videos(world: World) -> Iterable[str]:
    return (job.script_id for job in world.jobs if job.state.live and job.script_id is not None)


def _is_own(asset: Asset) -> bool:
    return asset.job_id is None and asset.state not in _GONE


def _census(names: Iterable[str]) -> _Census:
    tally = Tally(names)
    return _Census(tally.total(), {name: count for name, count in tally.items() if count > 1})
