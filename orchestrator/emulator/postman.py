"""Callbacks: which are to be sent, when, and what becomes of them (reference tables 5-146, 6-31).

Events of a livestream keep their order: they stand in a line, and only the first of a job's line is on its way. What a
fault plan delays or forges goes past the line. The line of a receiver that takes nothing doesn't grow for ever: the
oldest are lost.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from orchestrator.emulator.config import EmulatorConfig
from orchestrator.emulator.faults import Fault, FaultRule
from orchestrator.emulator.records import CallbackTarget, Job, JobState, Post, PostState
from orchestrator.emulator.tables import Kind
from orchestrator.emulator.world import World
from orchestrator.metastudio.callbacks import LIVE_QUERY, VIDEO_QUERY, sign, sign_headers

if TYPE_CHECKING:
    from orchestrator.emulator.behaviours.base import Moment

#: How long a callback that is to change places waits for another one of its job; not divided by the speed.
SWAP_S = 60.0
#: So many callbacks of a job wait at most; one more, and the one that has waited longest is lost.
MAX_IN_LINE = 1000
#: When a callback is given up, those behind it that have waited so long are lost too: so a receiver that is gone hears
#: of a job for an hour after its end, not for days.
MAX_WAIT_S = 3600.0


@dataclass(frozen=True, slots=True)
class Letter:
    """A callback ready to be posted now."""

    post_id: str
    url: str = field(repr=False)
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The callbacks of a job, whose id it has: one on its way, behind it those numbered from `first` to before `end`."""

    id: str
    on_its_way: str | None = None
    first: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class InLine:
    """A callback in the line of its job; the id is the job's and its number there."""

    id: str
    post: Post


@dataclass(frozen=True, slots=True, kw_only=True)
class Swapping:
    """A callback of a job, whose id it has, that steps back behind the next one, or goes on alone at `until`."""

    id: str
    post: Post
    until: datetime


def _give_up_swapping(moment: "Moment", swapping: Swapping) -> None:
    moment.world[SWAPS].drop(swapping.id)
    _join(moment.world, swapping.post)
    _call_first(moment.world, swapping.post.job_id, moment.now)


LINES = Kind("callback_lines", Line)
IN_LINE = Kind("callbacks_in_line", InLine)
SWAPS = Kind("callback_swaps", Swapping, due_at=lambda swapping: swapping.until, on_due=_give_up_swapping)


class Postman:
    """Writes callbacks when jobs end or tell of something, and repeats those that were not taken."""

    def __init__(
        self, config: EmulatorConfig, world: World, next_fault: Callable[[], FaultRule | None]
    ) -> None:
        """`next_fault` tells what is to happen to the next callback."""
        self._config = config
        self._world = world
        self._next_fault = next_fault

    def job_ended(self, job: Job, now: datetime) -> None:
        """Plans what the end of `job` is to send; nothing for a job without a callback."""
        if job.callback is None:
            return
        truth: dict[str, Any] = {"job_id": job.id, "result": "FAILED"}
        success = {"job_id": job.id, "result": "SUCCEED", "asset_id": job.output_asset_id}
        lie = success
        if job.state is JobState.SUCCEED:
            truth, lie = success, truth
        self.send(job.callback, job.id, truth, now, forged_body=lie)

    def send(
        self,
        target: CallbackTarget,
        job_id: str,
        body: Mapping[str, Any],
        now: datetime,
        *,
        forged_body: Mapping[str, Any] | None = None,
    ) -> None:
        """Plans a callback, and what a fault plan makes of it."""
        rule = self._next_fault()
        fault = None if rule is None else rule.do
        if fault is Fault.LOST:
            self._world.count("callbacks/lost")
            return
        post = Post(id=self._world.new_id(), job_id=job_id, target=target, body=dict(body), due_at=now)
        if fault is Fault.FORGE:
            lie = body if forged_body is None else forged_body
            self._world.put_post(replace(post, id=self._world.new_id(), body=dict(lie), forged=True))
        if rule is not None and fault is Fault.LATE:
            self._world.put_post(replace(post, due_at=now + timedelta(seconds=rule.seconds)))
            return
        self._plan(post, swaps=fault is Fault.REORDER)
        if fault is Fault.DOUBLE:
            self._plan(replace(post, id=self._world.new_id()))

    def due(self, now: datetime) -> list[Post]:
        """Callbacks to be sent by now."""
        return [post for post in self._world.pending_posts() if post.due_at <= now]

    def letter(self, post: Post, real_now: datetime) -> Letter:
        """The callback as it goes out, signed with the time of sending."""
        target, body = post.target, json.dumps(post.body).encode()
        key = f"not {target.key}" if post.forged else target.key
        ms, decimal = int(real_now.timestamp() * 1000), self._config.callback_time == "decimal"
        if target.auth_type == "MSS_A":
            fields = LIVE_QUERY if target.service == "live" else VIDEO_QUERY
            return Letter(post.id, sign(target.url, key, ms, decimal=decimal, fields=fields), body)
        if target.auth_type == "MSS_A_HEAD":
            return Letter(post.id, target.url, body, sign_headers(target.url, key, ms, decimal=decimal))
        return Letter(post.id, target.url, body)

    def tried(self, post_id: str, now: datetime, *, taken: bool) -> None:
        """Takes note of a try: done when it was taken, else again later, a bounded number of times."""
        post = self._world.posts.get(post_id)
        if post is None or post.state is not PostState.PENDING:
            return
        tries = post.tries + 1
        self._world.count("callbacks/sent" if taken else "callbacks/refused")
        if taken:
            self._finish(replace(post, state=PostState.SENT, tries=tries), now)
        elif post.forged or tries >= self._config.callback_tries:
            self._finish(replace(post, state=PostState.GIVEN_UP, tries=tries), now)
        else:
            wait = self._config.callback_backoff_s * 2 ** (tries - 1) / self._config.speed
            self._world.put_post(replace(post, tries=tries, due_at=now + timedelta(seconds=wait)))

    def _plan(self, post: Post, *, swaps: bool = False) -> None:
        before = self._world[SWAPS].get(post.job_id)
        if swaps and before is None:
            until = post.due_at + timedelta(seconds=SWAP_S)
            self._world[SWAPS].put(Swapping(id=post.job_id, post=post, until=until))
        elif post.target.service == "live" or before is not None:
            _join(self._world, post)
            if before is not None:
                self._world[SWAPS].drop(before.id)
                _join(self._world, before.post)
            _call_first(self._world, post.job_id, post.due_at)
        else:
            self._world.put_post(post)

    def _finish(self, post: Post, now: datetime) -> None:
        self._world.put_post(post)
        line = self._world[LINES].get(post.job_id)
        if line is None or line.on_its_way != post.id:
            return
        self._world[LINES].put(replace(line, on_its_way=None))
        if post.state is PostState.GIVEN_UP:
            _lose(self._world, post.job_id, until=now - timedelta(seconds=MAX_WAIT_S / self._config.speed))
        _call_first(self._world, post.job_id, now)


def _join(world: World, post: Post) -> None:
    line = world[LINES].get(post.job_id) or Line(id=post.job_id)
    world[IN_LINE].put(InLine(id=_place(line.id, line.end), post=post))
    first = line.first
    if line.end - first >= MAX_IN_LINE:
        world[IN_LINE].drop(_place(line.id, first))
        world.count("callbacks/lost")
        first += 1
    world[LINES].put(replace(line, first=first, end=line.end + 1))


def _lose(world: World, job_id: str, *, until: datetime) -> None:
    """Drops what has been in a job's line since before `until`."""
    line = world[LINES].get(job_id)
    if line is None:
        return
    first = line.first
    while (entry := world[IN_LINE].get(_place(job_id, first))) is not None and entry.post.due_at <= until:
        world[IN_LINE].drop(entry.id)
        first += 1
    if first > line.first:
        world.count("callbacks/lost", first - line.first)
        world[LINES].put(replace(line, first=first))


def _call_first(world: World, job_id: str, now: datetime) -> None:
    """Sends off the first of a job's line, unless one is on its way already; a line that is over is cleared away."""
    line = world[LINES].get(job_id)
    if line is None or line.on_its_way is not None:
        return
    first = world[IN_LINE].get(_place(job_id, line.first))
    if first is None:
        world[LINES].drop(job_id)
        return
    world[IN_LINE].drop(first.id)
    world[LINES].put(replace(line, on_its_way=first.post.id, first=line.first + 1))
    world.put_post(replace(first.post, due_at=max(first.post.due_at, now)))


def _place(job_id: str, number: int) -> str:
    return f"{job_id}/{number}"
