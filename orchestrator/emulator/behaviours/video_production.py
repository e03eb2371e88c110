"""Video jobs of every kind: list (reference 5.2.1)."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from orchestrator.emulator.behaviours.avatar_video import JOB_TYPE, job_info
from orchestrator.emulator.behaviours.base import Call, compact
from orchestrator.emulator.records import Job

#: Without `create_since` the list reaches back a month.
_REACH = timedelta(days=31)


def list_digital_human_video(call: Call) -> dict[str, Any]:
    """Jobs that fit every filter, a page of them."""

    def order_of_asset(job: Job) -> int:
        asset = call.world.assets.get(job.output_asset_id)
        return (asset.order or 0) if asset is not None else 0

    rows = call.ordered(
        filter(_filter(call), call.world.jobs),
        {
            "create_time": lambda job: (job.created_at, 0),
            "update_time": lambda job: (job.updated_at, 0),
            "asset_order": lambda job: (order_of_asset(job), job.created_at),
        },
    )
    jobs = [compact(job_info(call, job)) for job in call.page(rows)]
    return {"count": len(rows), "jobs": jobs}


def _filter(call: Call) -> Callable[[Job], bool]:
    # The reference's own example asks for states that jobs don't have: they are in no job, and no mistake.
    states = call.items("state")
    since = call.time("create_since") or call.now - _REACH
    until = call.time("create_until")
    fuzzy = call.items("fuzzy_query_field")
    # Photo-based videos are in the list too, but no operation of the reference makes one.
    kind = call.text("job_type") or JOB_TYPE
    wanted = {name: call.text(name) for name in ("script_id", "asset_name", "job_id")}

    def fits(job: Job) -> bool:
        values = {"script_id": job.script_id or "", "asset_name": job.asset_name, "job_id": job.id}
        return (
            (not states or job.state in states)
            and job.created_at >= since
            and (until is None or job.created_at <= until)
            and kind == JOB_TYPE
            and all(
                text is None or _matches(text, values[name], fuzzy=name in fuzzy)
                for name, text in wanted.items()
            )
        )

    return fits


def _matches(wanted: str, value: str, *, fuzzy: bool) -> bool:
    return wanted.casefold() in value.casefold() if fuzzy else wanted == value


BEHAVIOURS = (list_digital_human_video,)
