"""What came of a run: the last word of its journal, and of its summary where there is none."""

from collections.abc import Mapping
from typing import Any

from orchestrator.domain import events as ev
from orchestrator.domain import secrets
from orchestrator.domain.run import RunStatus
from orchestrator.server.reads import RowResult
from orchestrator.store.base import Row, Store, Summary


async def row_result(store: Store, row: Row) -> RowResult:
    """What has come of a row so far."""
    run = None if row.child is None else await store.summary(row.child)
    if run is None:
        return RowResult(row.number, row.name, row.row)
    outputs, error = await ending(store, run)
    return RowResult(row.number, row.name, row.row, run.id, run.status, outputs, error)


async def ending(store: Store, run: Summary) -> tuple[Mapping[str, Any], ev.ErrorInfo | None]:
    """What a run handed back, as it is displayed, or why it did not; neither as long as it is under way."""
    if run.status is RunStatus.PAUSED:
        hint = f"See to the cause, then `orchestrator runs resume {run.id}` and the same command again."
        return {}, ev.ErrorInfo(f"paused: {run.reason}", hint)
    if run.status is RunStatus.CANCELLED:
        return {}, ev.ErrorInfo(f"cancelled: {run.reason}" if run.reason else "cancelled")
    if not run.status.over:
        return {}, None
    # The last event of a run that is over says what came of it.
    for event in await store.journal(run.id, max(0, run.seq - 1)):
        match event.body:
            case ev.RunSucceeded(outputs=outputs):
                return secrets.displayed(outputs), None
            case ev.RunFailed(error=error):
                return {}, error
            case _:
                continue
    return {}, ev.ErrorInfo(run.error or run.status.value, run.hint)
