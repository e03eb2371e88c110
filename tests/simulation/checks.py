"""What has to be true when a schedule is over, whatever happened in it."""

import hashlib
from collections.abc import Collection, Iterator, Sequence

from orchestrator.domain import events as ev
from orchestrator.domain.ids import RunId, StepId
from orchestrator.domain.run import RunState, RunStatus, StepStatus
from orchestrator.emulator.records import JobState, PostState
from orchestrator.engine.changes import summarize
from orchestrator.engine.loading import load_state
from orchestrator.store.base import Summary
from tests.simulation.pipelines import ATTEMPTS, PIPELINE
from tests.simulation.world import World

#: Fields of a summary that its run's journal alone decides; the others are kept by the store.
_FOLDED = (
    *("key", "name", "pipeline", "definition", "status", "created_at", "ended_at", "seq"),
    *("steps_total", "steps_done", "error", "hint", "parent", "rows_total"),
)


async def findings(
    world: World, *, timeouts: bool = False, cancelled: Collection[RunId] = frozenset(), more_assets: int = 0
) -> list[str]:
    """What is wrong, in words; nothing, usually.

    `timeouts`: the pipeline's own time limits may end runs. `cancelled`: runs that have to have been. `more_assets`: those
    that a row makes besides its own.
    """
    runs = await world.runs()
    found = [
        *_made_twice_or_lost(world, runs, more_assets),
        *_left_behind(world),
        *(f"{run.id} ({run.name}) is {run.status}" for run in runs if not run.status.over),
    ]
    found += [f"somebody still waits to be polled: {line}" for line in await world.disk.wait_lines()]
    for run in runs:
        journal = await world.disk.journal(run.id)
        state = await load_state(world.disk, run.id, {})
        assert state is not None
        found += [f"{run.name}: {problem}" for problem in _of_journal(journal)]
        found += [f"{run.name}: {problem}" for problem in _of_summary(state, run)]
        found += [f"{run.name}: {problem}" for problem in _of_end(state, world, timeouts=timeouts)]
        if run.rows_total is not None:
            found += [f"{run.name}: {problem}" for problem in await _of_rows(world, run)]
        if run.id in cancelled and run.status is not RunStatus.CANCELLED:
            found.append(f"{run.name}: was cancelled, and is {run.status}")
        if run.status is RunStatus.CANCELLED and run.rows_total is None:
            found += [f"{run.name}: {problem}" for problem in _of_cancelled(state, world)]
    return found


def _made_twice_or_lost(world: World, runs: Sequence[Summary], more_assets: int) -> Iterator[str]:
    totals = world.totals()
    if totals["duplicates_total"]:
        yield f"made twice: {totals['duplicates']}"
    rows = [run for run in runs if run.rows_total is None and run.pipeline == PIPELINE]
    done = sum(run.status is RunStatus.SUCCEEDED for run in rows)
    for kind, count in totals["totals"].items():
        each = 1 + more_assets if kind == "assets" else 1
        if not done * each <= count <= len(rows) * each:
            yield f"{count} {kind} of {len(rows)} rows, {done} of which succeeded"


def _left_behind(world: World) -> Iterator[str]:
    yield from world.leftovers
    for post in world.emulator.world.posts:
        if post.state is not PostState.SENT and not world.network.weather.callback_lost:
            yield f"the callback of job {post.job_id} was never taken: {post.state}"
    for job in world.emulator.world.jobs:
        if job.state in {JobState.WAITING, JobState.PROCESSING}:
            yield f"job {job.id} is still {job.state}"


def _of_journal(journal: Sequence[ev.Event]) -> Iterator[str]:
    """Once an outcome is recorded nothing more happens to the step, or to the run, but by a person's wish."""
    done: set[StepId] = set()
    over = still = False
    for event in journal:
        body = event.body
        if isinstance(body, ev.StepDoubleCancelled):
            continue  # told whenever it is found
        if isinstance(body, ev.RunResumed):
            over = still = False
            done -= set(body.steps)
        elif over:
            yield f"{body.TYPE} after the run's end"
        if still and isinstance(body, ev.StepIntended):
            yield f"step {body.step} was begun while the run was paused or being cancelled"
        still |= isinstance(body, ev.RunPaused | ev.RunCancelling)
        if event.step is not None and event.step in done and not _is_late_word(body):
            yield f"{body.TYPE} of {event.step} after its end"
        over |= isinstance(body, ev.RunSucceeded | ev.RunFailed | ev.RunCancelled)
        adopted = isinstance(body, ev.StepAdopted) and body.outputs is not None
        if event.step is not None and (adopted or isinstance(body, ev.StepSucceeded)):
            done.add(event.step)


def _of_cancelled(state: RunState, world: World) -> Iterator[str]:
    """From its end on nothing is made for it, and no job begins."""
    assert state.ended_at is not None
    emulated = world.emulator.world
    # An item has its name among its parameters.
    title = state.inputs.get("title") or (state.row or {})["params"]["asset_name"]
    made = [thing for thing in (*emulated.assets, *emulated.scripts) if thing.name == title]
    own = {asset.id for asset in emulated.assets if asset.name == title and asset.job_id is None}
    made += [file for file in emulated.files if file.asset_id in own]
    jobs = [job for job in emulated.jobs if job.asset_name == title]
    for thing in (*made, *jobs):
        if thing.created_at > state.ended_at and getattr(thing, "job_id", None) is None:
            yield f"{type(thing).__name__} {thing.id} was made after the run was cancelled"
    for job in jobs:
        if job.state is not JobState.CANCELED and job.starts_at > state.ended_at:
            yield f"job {job.id} began after the run was cancelled, and is {job.state}"


def _is_late_word(body: ev.EventBody) -> bool:
    """What a run's cancellation does to a step that had succeeded: the job it started is called off."""
    return body.TYPE == "step.cancelled"


def _of_summary(state: RunState, run: Summary) -> Iterator[str]:
    folded = summarize(state, None)
    for name in _FOLDED:
        if getattr(folded, name) != getattr(run, name):
            yield f"its summary says {name}={getattr(run, name)!r}, its journal {getattr(folded, name)!r}"
    if run.status.over and run.wake_at is not None:
        yield f"over, and to be woken at {run.wake_at}"


def _of_end(state: RunState, world: World, *, timeouts: bool) -> Iterator[str]:
    """A run has its file, or a failure that the weather is to blame for."""
    if state.rows_total is not None:
        return
    if state.status is RunStatus.SUCCEEDED and state.pipeline.name == PIPELINE:
        made = {str(path) for path in world.downloads}
        if state.outputs.get("video") not in made:
            yield f"succeeded without its file {state.outputs.get('video')!r}"
    elif state.status is RunStatus.FAILED and not (timeouts or _to_blame(state, world)):
        yield f"failed for no good reason: {state.error}"


def _to_blame(state: RunState, world: World) -> bool:
    failed = next(step for step in state.steps.values() if step.status is StepStatus.FAILED)
    job_failed = world.network.weather.job_failed > 0 and failed.correlation is not None
    used_up = failed.attempt - failed.attempts_before >= ATTEMPTS
    # Items and sub-pipelines have runs of their own, which are looked at as well.
    items_failed = failed.error is not None and failed.error.code in {"ITEMS", "SUB_RUN"}
    return job_failed or used_up or items_failed or failed.unknowns >= world.policy.max_unknowns


async def _of_rows(world: World, run: Summary) -> list[str]:
    """A table run knows how its rows ended."""
    assert run.rows_total is not None
    rows = await world.disk.rows(run.id, 0, run.rows_total)
    ends = [await _status(world, row.child) for row in rows]
    found = []
    if run.status is not RunStatus.CANCELLED and None in ends:
        found.append("over, although not every row has a run")
    succeeded = ends.count(RunStatus.SUCCEEDED)
    failed = len([end for end in ends if end is not None and end.over]) - succeeded
    if (run.children_succeeded, run.children_failed) != (succeeded, failed):
        counted = f"{run.children_succeeded} succeeded, {run.children_failed} failed"
        found.append(f"counts {counted}; of its rows {succeeded} did, {failed} did not")
    if run.status is RunStatus.SUCCEEDED and failed:
        found.append(f"succeeded with {failed} rows that did not")
    return found


async def _status(world: World, run_id: RunId | None) -> RunStatus | None:
    run = None if run_id is None else await world.disk.summary(run_id)
    return None if run is None else run.status


async def trace(world: World) -> list[str]:
    """Everything that happened, in the order of time: requests, journals, the ends of processes."""
    lines = [
        f"{entry['at'][:26]:26} api      {entry['method']} {entry['operation']} {entry['target']} {entry['status']}"
        f" {entry.get('error_code', '')}{entry.get('fault', '')}".rstrip()
        for entry in world.emulator.journal
    ]
    lines += [f"{at.isoformat()[:26]:26} process  {what}" for at, what in world.told]
    for run in reversed(await world.runs()):
        for event in await world.disk.journal(run.id):
            where = f"{event.step or ''} {event.attempt or ''}".strip()
            what = f"{run.name} {event.seq} {event.body.TYPE} {where} {ev.encode(event.body)}"
            lines.append(f"{event.at.isoformat()[:26]:26} {run.id[-6:]}   {what}")
    return sorted(lines, key=lambda line: line[:26])


def fingerprint(lines: Sequence[str]) -> str:
    """16 hex digits for everything that happened, byte for byte."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
