"""Callbacks: which are to be sent, when, and what becomes of them (reference tables 5-146, 6-31).

Events of a livestream keep their order: they stand in a line, and only the first of a job's line is on its way. What a
fault plan delays or forges goes past the line.
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


@dataclass(frozen=True, slots=True)
class Letter:
    """A callback ready to be posted now."""

    post_id: str
    url: str = field(repr=False)
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class InLine:
    """A callback in the line of its job; the ids are in the order of the line."""

    id: str
    post: Post


@dataclass(frozen=True, slots=True, kw_only=True)
class Swapping:
    """A callback that steps back behind the next one of its job, or goes on alone at `until`."""

    id: str
    post: Post
    until: datetime


def _give_up_swapping(moment: "Moment", swapping: Swapping) -> None:
    moment.world[SWAPS].drop(swapping.id)
    _join(moment.world, swapping.post)
    _call_first(moment.world, swapping.post.job_id, moment.now)


LINE = Kind("callback_line", InLine)
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
        before = [one for one in self._world[SWAPS] if one.post.job_id == post.job_id]
        if swaps and not before:
            until = post.due_at + timedelta(seconds=SWAP_S)
            self._world[SWAPS].put(Swapping(id=post.id, post=post, until=until))
        elif post.target.service == "live" or before:
            _join(self._world, post)
            for swapping in before:
                self._world[SWAPS].drop(swapping.id)
                _join(self._world, swapping.post)
            _call_first(self._world, post.job_id, post.due_at)
        else:
            self._world.put_post(post)

    def _finish(self, post: Post, now: datetime) -> None:
        self._world.put_post(post)
        entry = next((entry for entry in self._world[LINE] if entry.post.id == post.id), None)
        if entry is not None:
            self._world[LINE].drop(entry.id)
            _call_first(self._world, post.job_id, now)


def _join(world: World, post: Post) -> None:
    world[LINE].put(InLine(id=f"{world.count('callbacks/lined_up'):012d}", post=post))


def _call_first(world: World, job_id: str, now: datetime) -> None:
    """Sends off the first of a job's line, unless it is on its way already."""
    first = next((entry.post for entry in world[LINE] if entry.post.job_id == job_id), None)
    if first is not None and world.posts.get(first.id) is None:
        world.put_post(replace(first, due_at=max(first.due_at, now)))
