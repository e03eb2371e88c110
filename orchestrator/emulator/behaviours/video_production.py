"""Video jobs of every kind: list (reference 5.2.1)."""

from datetime import timedelta
from typing import Any

from orchestrator.emulator.behaviours.avatar_video import JOB_TYPE, job_info
from orchestrator.emulator.behaviours.base import Call, compact
from orchestrator.emulator.records import Job, JobState

_STATES = (*(state.value for state in JobState), "BLOCK")
#: Without `create_since` the list reaches back a month.
_REACH = timedelta(days=31)


def list_digital_human_video(call: Call) -> dict[str, Any]:
    """Jobs that fit every filter, a page of them."""
    states = call.items("state", _STATES)
    since = call.time("create_since") or call.now - _REACH
    until = call.time("create_until")
    kind = call.text("job_type", (JOB_TYPE, "PHOTO_DIGITAL_HUMAN_VIDEO"))
    fuzzy = call.items("fuzzy_query_field")
    wanted = {name: call.text(name) for name in ("script_id", "asset_name", "job_id")}

    def fits(job: Job) -> bool:
        values = {"script_id": job.script_id or "", "asset_name": job.asset_name, "job_id": job.id}
        return (
            (not states or job.state in states)
            and job.created_at >= since
            and (until is None or job.created_at <= until)
            and kind in {None, JOB_TYPE}
            and all(
                text is None or _matches(text, values[name], fuzzy=name in fuzzy)
                for name, text in wanted.items()
            )
        )

    rows = call.ordered(
        filter(fits, call.world.jobs),
        {
            "create_time": lambda job: job.created_at,
            "update_time": lambda job: job.updated_at,
            "asset_order": lambda job: job.created_at,
        },
    )
    jobs = [compact(job_info(call, job)) for job in call.page(rows)]
    return {"count": len(rows), "jobs": jobs}


def _matches(wanted: str, value: str, *, fuzzy: bool) -> bool:
    return wanted.casefold() in value.casefold() if fuzzy else wanted == value


BEHAVIOURS = (list_digital_human_video,)
