"""The emulator without a socket: requests in, answers out, and what is due by the clock.

`Emulator.handle` never waits; faults that take time or cut connections are part of the answer, for the adapter (or a
simulation) to carry out.
"""

import re
import sys
from collections import deque
from collections.abc import Callable, Container
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from orchestrator.emulator.access import Gate
from orchestrator.emulator.behaviours import kinds
from orchestrator.emulator.behaviours.materials import stored_file_id
from orchestrator.emulator.config import EmulatorConfig
from orchestrator.emulator.faults import CALLBACK, FaultPlan, FaultRule, Faults, Hits
from orchestrator.emulator.journal import Journal, is_text
from orchestrator.emulator.ledger import Ledger, LedgerError
from orchestrator.emulator.postman import Postman
from orchestrator.emulator.presign import Presigner
from orchestrator.emulator.quota import Quota
from orchestrator.emulator.records import Job, Rendered, Segment
from orchestrator.emulator.refusals import INVALID_PARAMETER, NOT_FOUND, THROTTLED, Refusal
from orchestrator.emulator.routes import Match, Router
from orchestrator.emulator.stage import Stage
from orchestrator.emulator.wire import Answer, Request
from orchestrator.emulator.world import World
from orchestrator.errors import UsageError
from orchestrator.metastudio.operations import OPERATIONS, RATES

#: Whose chapter has codes, refusals and request ids of its own (reference 10).
SPEECH_CATEGORY = "TTS Management"
_REQUEST_ID = re.compile(r"[\w-]{1,128}", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """An answer, and what the journal says of it."""

    answer: Answer
    operation: str
    code: str = ""
    fault: str = ""


class Emulator:
    """One tenant's MetaStudio in one region, as pure calls."""

    def __init__(
        self,
        config: EmulatorConfig,
        *,
        storage_url: str = "http://storage.invalid",
        api_url: str = "http://metastudio.invalid",
        ledger: Ledger | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        in_slices: bool = False,
    ) -> None:
        """`clock` is the world's time before `advance`; `ledger` keeps what happens, memory alone without it.

        `in_slices` tells that somebody calls `go_on` until an `advance` is done, which otherwise does it all by itself.

        Raises:
            UsageError: there is no such region.
            LedgerError: what is kept is damaged.
        """
        if config.region not in RATES:
            hint = f"Regions: {', '.join(sorted(RATES))}."
            raise UsageError(f"unknown region {config.region!r}", hint=hint)
        self.config = config
        self.world = World(config.seed, render=config.render, kinds=kinds())
        self.links = Presigner(storage_url, config.ak[::-1], f"storage/{config.sk}")
        self._clock = clock
        self._ledger = ledger
        self._in_slices = in_slices
        self._offset = timedelta()
        #: How far the world is still to be moved ahead.
        self._ahead = timedelta()
        self._faults = Faults(config.faults or FaultPlan())
        #: Time or faults have been set and aren't kept yet.
        self._set = False
        self._journal = Journal(config.journal_size)
        self._to_render: dict[str, None] = {}
        if ledger is not None:
            with ledger.loading():
                self._load(ledger)
        self._gate = Gate(config, self.world)
        self._quota = Quota(RATES[config.region] if config.limits else {})
        self._router = Router(OPERATIONS.values())
        self.postman = Postman(config, self.world, lambda: self.next_fault(CALLBACK))
        self._stage = Stage(
            config,
            self.world,
            self.links,
            api_url,
            next_fault=self.next_fault,
            chance=self._chance,
            send=self.postman.send,
        )
        self._to_render.update((job.id, None) for job in self.world.unrendered())

    # -- time ------------------------------------------------------------------------------------

    @property
    def real_now(self) -> datetime:
        """The clock, which senders' clocks are compared with."""
        return self._clock()

    @property
    def now(self) -> datetime:
        """Time of the emulated world: the clock and what it was advanced by."""
        return self._clock() + self._offset

    def advance(self, by_s: float) -> None:
        """Moves the world's time ahead, from one thing that is due to the next.

        In slices this only sets out: requests that come before `advancing` is over meet the world on its way, whole,
        at the time that it has come to.
        """
        self._ahead += timedelta(seconds=by_s)
        if not self._in_slices:
            self.go_on()

    @property
    def advancing(self) -> bool:
        """Whether the world has not yet come to the time that it was advanced to."""
        return bool(self._ahead)

    def go_on(self, at_most: int = sys.maxsize) -> bool:
        """Lets at most so many things happen; whether more are due, by the clock or by an `advance`."""
        left = at_most
        while left > 0:
            left -= self._happen(left)
            if left <= 0 or not self._ahead:
                break
            self._leap()
        self.keep()
        due = self.world.next_planned
        return self.advancing or (due is not None and due <= self.now)

    def _leap(self) -> None:
        """Moves time to when the next thing is due, or as far as it is to be moved."""
        due = self.world.next_planned
        leap = self._ahead if due is None else min(self._ahead, max(due - self.now, timedelta()))
        self._offset += leap
        self._ahead -= leap
        self._set = True

    def next_due(self, *, except_posts: Container[str] = ()) -> datetime | None:
        """When, by the clock, something happens by itself again; None: not before a request.

        Callbacks named in `except_posts` are on their way already.
        """
        due = self.world.next_due(except_posts)
        return None if due is None else due - self._offset

    def settle(self) -> None:
        """Lets happen what is due; `handle` does it by itself."""
        self._happen(sys.maxsize)
        self.keep()

    def _happen(self, at_most: int) -> int:
        """Lets at most so many things happen that are due now; how many there were."""
        now, count = self.now, 0
        with self.world.by_itself():
            for settled in islice(self.world.settle(now, self._stage.at), at_most):
                count += 1
                for job in settled.started:
                    if self.config.render and job.doomed is None and not job.stuck:
                        self._to_render[job.id] = None
                for job in settled.finished:
                    self._to_render.pop(job.id, None)
                    self.postman.job_ended(job, now)
                for call in settled.late:
                    self._stage.carry_out_late(call, now)
        return count

    # -- requests --------------------------------------------------------------------------------

    def handle(self, request: Request) -> Answer:
        """The answer to a request of the API or of IAM; what it changed is kept before it returns.

        Raises:
            LedgerError: it could not be kept. Then nobody may be told that it was done; what it changed stays in the
                world and is written as soon as that is possible. While it isn't, no further request is carried out.
        """
        self.settle()
        request_id = self._request_id(request)
        outcome = self._outcome(request, request_id)
        answer = outcome.answer.with_header("X-Request-Id", request_id)
        self.note(
            request, outcome.operation, answer, code=outcome.code, fault=outcome.fault, request_id=request_id
        )
        try:
            self.keep()
        except LedgerError:
            self._journal.take_back()
            raise
        return answer

    def note(
        self,
        request: Request,
        operation: str,
        answer: Answer,
        *,
        code: str = "",
        fault: str = "",
        request_id: str = "",
    ) -> None:
        """Writes a request into the journal; queries of presigned URLs stay out."""
        self._journal.note(
            request,
            operation,
            answer,
            at=self.now.isoformat(),
            code=code,
            fault=fault,
            request_id=request_id,
        )

    def next_fault(self, on: str, *, operation: bool = False) -> FaultRule | None:
        """What the plan does to the next request of this kind."""
        rule = self._faults.next(on, operation=operation)
        if rule is not None:
            self.world.count(f"faults/{on}")
        return rule

    def _outcome(self, request: Request, request_id: str) -> _Outcome:
        if not all(map(is_text, (request.method, request.target, request.header("X-App-UserId") or ""))):
            self.world.count("calls/unknown")
            self.world.count("refused/unknown")
            refusal = Refusal(INVALID_PARAMETER, "the request's line or X-App-UserId is not written in UTF-8")
            return _Outcome(refusal.answer(), "unknown", refusal.code)
        path = request.path.rstrip("/")
        login = self._gate.login(request, real_now=self.real_now, now=self.now)
        if login is not None:
            self.world.count(f"calls/{login[0]}")
            return _Outcome(login[1], login[0])
        match = self._router.match(request.method, request.path)
        if path == "/v3/projects" and request.method == "GET":
            name = "iam.list_projects"
        elif match is None:
            name = "unknown"
        else:
            name = match.operation.id
        self.world.count(f"calls/{name}")
        fault = ""
        try:
            if name == "unknown":
                raise Refusal(NOT_FOUND, f"{request.method} {path[:200]} is no operation of the API")  # noqa: TRY301 - all refusals end in one place
            if not _brings_its_key(name, request):
                self._gate.authorise(request, real_now=self.real_now, now=self.now)
            if match is None:
                return _Outcome(self._gate.projects(request), name)
            rule = self._admit(match, request)
            fault = "" if rule is None else rule.do.value
            return _Outcome(self._stage.perform(match, request, rule, self.now), name, fault=fault)
        except Refusal as refusal:
            self.world.count(f"{'throttled' if refusal.code == THROTTLED else 'refused'}/{name}")
            if match is not None and match.operation.category == SPEECH_CATEGORY:
                refusal = refusal.in_the_words_of_speech()
            return _Outcome(refusal.answer(request_id), name, refusal.code, fault)

    def _request_id(self, request: Request) -> str:
        """The caller's own for speech previews (reference 10.1, 10.2), else a new one."""
        given = request.header("X-Request-Id") or ""
        match = self._router.match(request.method, request.path) if given else None
        kept = match is not None and match.operation.category == SPEECH_CATEGORY
        return given if kept and _REQUEST_ID.fullmatch(given) else self.world.new_id()

    def _admit(self, match: Match, request: Request) -> FaultRule | None:
        self._gate.check_project(request, match.path["project_id"])
        self._quota.check(match.operation.id, self.real_now)
        return self.next_fault(match.operation.id, operation=True)

    def _chance(self, name: str) -> float:
        return self._faults.chance(name)

    # -- rendering -------------------------------------------------------------------------------

    def take_render_orders(self) -> list[Job]:
        """Jobs whose video is to be rendered now; each is handed out once."""
        orders = [job for key in self._to_render if (job := self.world.jobs.get(key)) is not None]
        self._to_render.clear()
        return orders

    def made(self, file_id: str, segment: Segment) -> None:
        """Takes note of a file that was made."""
        self.world.made(file_id, segment)
        self.keep()

    def rendered(self, job_id: str, rendering: Rendered) -> None:
        """Takes note of a finished rendering, which may end its job."""
        now = self.now
        ended = self.world.rendered(job_id, rendering, now)
        if ended is not None:
            with self.world.by_itself():
                self.postman.job_ended(ended, now)
        self.keep()

    def render_failed(self, job_id: str, code: str, message: str) -> None:
        """Ends a job whose video could not be made."""
        job = self.world.jobs.get(job_id)
        if job is not None and job.finished_at is None:
            now = self.now
            with self.world.by_itself():
                self.postman.job_ended(self.world.fail(job, code, now, message), now)
        self.keep()

    def making_failed(self, file_id: str, reason: str) -> None:
        """Takes note of a file that could not be made; what waits for it fails."""
        self.world.making_failed(file_id, reason, self.now)
        self.keep()

    def stored_at(self, url: str) -> str | None:
        """The id of the file that a URL of our own storage points to, or None."""
        return stored_file_id(self.world, self.links, url)

    # -- keeping ---------------------------------------------------------------------------------

    def keep(self) -> None:
        """Writes down what changed; nothing that was answered is lost by a kill after it.

        Raises:
            LedgerError: it could not be written; the next call tries again.
        """
        journal = self._journal
        if self._ledger is None:
            journal.kept()
            return
        changes = self.world.changes()
        if not (changes or journal.unkept or journal.afresh or self._set):
            return
        settings: dict[str, Any] = {"offset_s": self._offset.total_seconds(), "noted": journal.noted}
        if self._faults.plan.rules or self._set:
            settings |= self._kept_faults()
        self._ledger.keep(
            changes,
            requests=journal.unkept,
            settings=settings,
            newest=self.config.journal_size,
            afresh=journal.afresh,
        )
        self.world.kept()
        journal.kept()
        self._set = False

    def set_faults(self, plan: FaultPlan, hits: tuple[Hits, ...] = ()) -> None:
        """Plays another plan from now on, from its start; the first rules go on where `hits` tell."""
        self._faults = Faults(plan, hits)
        self._set = True
        self.keep()

    @property
    def journal(self) -> deque[dict[str, Any]]:
        """The last requests, oldest first."""
        return self._journal.entries

    @property
    def noted(self) -> int:
        """The highest number given to a request in the journal, or to a reset."""
        return self._journal.noted

    @property
    def faults(self) -> Faults:
        """The plan being played."""
        return self._faults

    def reset(self) -> None:
        """Starts over: no records, no counters, no journal, no faults but the configured ones."""
        self.world.reset()
        self._journal.clear()
        self._to_render.clear()
        self._quota.reset()
        self._offset = self._ahead = timedelta()
        self.set_faults(self.config.faults or FaultPlan())

    def _load(self, ledger: Ledger) -> None:
        self.world.load(ledger.records())
        self.journal.extend(ledger.requests(self.config.journal_size))
        self._journal.noted = ledger.setting("noted") or 0
        self._offset = timedelta(seconds=ledger.setting("offset_s") or 0.0)
        kept = FaultPlan.model_validate(ledger.setting("plan") or {})
        plan = self.config.faults or kept
        hits = ledger.setting("hits") or () if plan == kept else ()
        self._faults = Faults(plan, tuple(Hits(seen, hit) for seen, hit in hits))

    def _kept_faults(self) -> dict[str, Any]:
        plan = self._faults.plan.model_dump(mode="json")
        return {"plan": plan, "hits": [[hits.seen, hits.hit] for hits in self._faults.hits]}


def _brings_its_key(operation: str, request: Request) -> bool:
    """Whether the URL was handed out for callers without an account (reference 6.2.7)."""
    return operation == "live_event_report" and any(name == "auth_key" for name, _ in request.query)
