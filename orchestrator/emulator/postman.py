"""Callbacks: which are to be sent, when, and what becomes of them (reference table 5-146)."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from orchestrator.emulator.config import EmulatorConfig
from orchestrator.emulator.faults import Fault, FaultRule
from orchestrator.emulator.records import Job, JobState, Post, PostState
from orchestrator.emulator.world import World
from orchestrator.metastudio.callbacks import sign


@dataclass(frozen=True, slots=True)
class Letter:
    """A callback ready to be posted now."""

    post_id: str
    url: str = field(repr=False)
    body: bytes


class Postman:
    """Writes callbacks when jobs end, and repeats those that were not taken."""

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
        rule = self._next_fault()
        fault = None if rule is None else rule.do
        if fault is Fault.LOST:
            self._world.count("callbacks/lost")
            return
        if fault is Fault.FORGE:
            self._plan(job, now, forged=True)
        late = rule.seconds if rule is not None and fault is Fault.LATE else 0.0
        self._plan(job, now + timedelta(seconds=late))
        if fault is Fault.DOUBLE:
            self._plan(job, now)

    def due(self, now: datetime) -> list[Post]:
        """Callbacks to be sent by now."""
        return [post for post in self._world.pending_posts() if post.due_at <= now]

    def letter(self, post: Post, real_now: datetime) -> Letter:
        """The callback as it goes out, signed with the time of sending."""
        target, body = post.target, json.dumps(post.body).encode()
        if target.auth_type != "MSS_A":
            return Letter(post.id, target.url, body)
        key = f"not {target.key}" if post.forged else target.key
        ms = int(real_now.timestamp() * 1000)
        url = sign(target.url, key, ms, decimal=self._config.callback_time == "decimal")
        return Letter(post.id, url, body)

    def tried(self, post_id: str, now: datetime, *, taken: bool) -> None:
        """Takes note of a try: done when it was taken, else again later, a bounded number of times."""
        post = self._world.posts.get(post_id)
        if post is None or post.state is not PostState.PENDING:
            return
        tries = post.tries + 1
        self._world.count("callbacks/sent" if taken else "callbacks/refused")
        if taken:
            self._world.put_post(replace(post, state=PostState.SENT, tries=tries))
        elif post.forged or tries >= self._config.callback_tries:
            self._world.put_post(replace(post, state=PostState.GIVEN_UP, tries=tries))
        else:
            wait = self._config.callback_backoff_s * 2 ** (tries - 1) / self._config.speed
            self._world.put_post(replace(post, tries=tries, due_at=now + timedelta(seconds=wait)))

    def _plan(self, job: Job, due_at: datetime, *, forged: bool = False) -> None:
        assert job.callback is not None
        succeeded = (job.state is JobState.SUCCEED) is not forged
        body = {"job_id": job.id, "result": "SUCCEED" if succeeded else "FAILED"}
        if succeeded:
            body["asset_id"] = job.output_asset_id
        self._world.put_post(
            Post(
                id=self._world.new_id(),
                job_id=job.id,
                target=job.callback,
                body=body,
                due_at=due_at,
                forged=forged,
            )
        )
