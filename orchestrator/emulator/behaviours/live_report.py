"""Events of the audience, reported to a livestream (reference 6.2.7)."""

import hmac
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from orchestrator.emulator.behaviours.base import Call
from orchestrator.emulator.behaviours.live_interaction import react
from orchestrator.emulator.behaviours.live_playback import put, respond
from orchestrator.emulator.behaviours.live_records import AUDIENCE_EVENTS, AudienceEvent, LiveJob, LiveState
from orchestrator.emulator.behaviours.live_task import REPORT_URL_S, find_job, report_key, report_url
from orchestrator.emulator.refusals import Refusal
from orchestrator.metastudio.models.live_task import LiveEvent, ReportLiveEventReq

#: An expired URL is renewed for so long.
RENEWAL_S = 7 * 24 * 3600.0
_LAST_MS = 4102415999000


def live_event_report(call: Call) -> dict[str, Any]:
    """Takes events in, lets the rules reply; `refresh_url` gives a URL that holds longer, even for an expired one."""
    body = call.body_as(ReportLiveEventReq)
    job = find_job(call)
    refresh = call.flag("refresh_url") or False
    _check_key(call, job, refresh=refresh)
    if not job.state.running:
        raise Refusal("MSS.20010037", f"{job.id} is {job.state}")
    for event in body.events or ():
        job = _take(call, job, event)
    if refresh:
        job = replace(job, report_until=call.now + timedelta(seconds=REPORT_URL_S))
    put(call, job)
    return {"live_event_report_url": report_url(call, job)}


def _take(call: Call, job: LiveJob, event: LiveEvent) -> LiveJob:
    index = command_id = None
    # Before the avatar is at work nobody replies; the event is kept all the same.
    if job.state is LiveState.PROCESSING:
        job, index, reply = react(job, event.type or 0, event.content, call.now, call.config.speed)
        job, command_id = respond(call, job, index, reply)
    call.world[AUDIENCE_EVENTS].put(
        AudienceEvent(
            id=call.world.new_id(),
            job_id=job.id,
            received_at=call.now,
            timestamp=event.timestamp,
            type=event.type,
            content=event.content,
            rule_index=index,
            command_id=command_id,
        )
    )
    return job


def _check_key(call: Call, job: LiveJob, *, refresh: bool) -> None:
    """Passes when the URL's key is right and valid; who has logged in needs none."""
    key = call.text("auth_key")
    if key is None:
        return
    until_ms = call.number("expires_time", 0, _LAST_MS, 0)
    if not hmac.compare_digest(key.encode("utf-8", "replace"), report_key(call, job, until_ms).encode()):
        raise Refusal("MSS.20010039")
    until = datetime.fromtimestamp(until_ms / 1000, UTC)
    if call.now <= until:
        return
    if not refresh:
        raise Refusal("MSS.20010054")
    if call.now > until + timedelta(seconds=RENEWAL_S):
        raise Refusal("MSS.20010077")


BEHAVIOURS = (live_event_report,)
