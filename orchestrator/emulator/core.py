"""The emulator without a socket: requests in, answers out, and what is due by the clock.

`Emulator.handle` never waits; faults that take time or cut connections are part of the answer, for the adapter (or a
simulation) to carry out.
"""

import re
from collections import deque
from collections.abc import Callable, Container
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from orchestrator.emulator.access import Gate
from orchestrator.emulator.behaviours import behaviours, kinds
from orchestrator.emulator.behaviours.base import Call, Doom, Moment
from orchestrator.emulator.behaviours.materials import stored_file_id
from orchestrator.emulator.config import EmulatorConfig
from orchestrator.emulator.faults import CALLBACK, Fault, FaultPlan, FaultRule, Faults, Hits
from orchestrator.emulator.intake import check_parameters, checked_body, read_body
from orchestrator.emulator.ledger import Ledger
from orchestrator.emulator.mishap import afterwards, instead
from orchestrator.emulator.postman import Postman
from orchestrator.emulator.presign import Presigner
from orchestrator.emulator.quota import Quota
from orchestrator.emulator.records import Job, LateCall, Rendered, Segment
from orchestrator.emulator.refusals import NOT_FOUND, THROTTLED, Refusal
from orchestrator.emulator.routes import Match, Router
from orchestrator.emulator.wire import (
    Answer,
    Delivery,
    Request,
    json_answer,
)
from orchestrator.emulator.world import World
from orchestrator.errors import UsageError
from orchestrator.metastudio.operations import OPERATIONS, RATES, AnyOperation

#: Query parameters of the API that are as good as a password.
_SECRET_PARAMETERS = frozenset({"auth_key"})
#: Whose chapter has codes, refusals and request ids of its own (reference 10).
SPEECH_CATEGORY = "TTS Management"
_REQUEST_ID = re.compile(r"[\w-]{1,128}", re.ASCII)
#: Operations that answer as soon as the work is taken on (reference 6.2.1); all others answer 200.
_ACCEPTING, _ACCEPTED = frozenset({"start_smart_live"}), 202


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
    ) -> None:
        """`clock` is the world's time before `advance`; `ledger` keeps what happens, memory alone without it.

        Raises:
            UsageError: there is no such region.
        """
        if config.region not in RATES:
            hint = f"Regions: {', '.join(sorted(RATES))}."
            raise UsageError(f"unknown region {config.region!r}", hint=hint)
        self.config = config
        self.world = World(config.seed, render=config.render, kinds=kinds())
        self.links = Presigner(storage_url, config.ak[::-1], f"storage/{config.sk}")
        self.journal: deque[dict[str, Any]] = deque(maxlen=config.journal_size)
        self._api_url = api_url
        self._clock = clock
        self._ledger = ledger
        self._offset = timedelta()
        self._faults = Faults(config.faults or FaultPlan())
        self._unkept: list[dict[str, Any]] = []
        self._to_render: dict[str, None] = {}
        if ledger is not None:
            self._load(ledger)
        self._gate = Gate(config, self.world)
        self._quota = Quota(RATES[config.region] if config.limits else {})
        self._router = Router(OPERATIONS.values())
        self.postman = Postman(config, self.world, lambda: self.next_fault(CALLBACK))
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
        """Moves the world's time ahead."""
        self._offset += timedelta(seconds=by_s)
        if self._ledger is not None:
            self._ledger.keep((), settings={"offset_s": self._offset.total_seconds()})
        self.settle()

    def next_due(self, *, except_posts: Container[str] = ()) -> datetime | None:
        """When, by the clock, something happens by itself again; None: not before a request.

        Callbacks named in `except_posts` are on their way already.
        """
        due = self.world.next_due(except_posts)
        return None if due is None else due - self._offset

    def settle(self) -> None:
        """Lets happen what is due; `handle` does it by itself."""
        now = self.now
        with self.world.by_itself():
            settled = self.world.settle(now, self._moment)
            for job in settled.started:
                if self.config.render and job.doomed is None and not job.stuck:
                    self._to_render[job.id] = None
            for job in settled.finished:
                self._to_render.pop(job.id, None)
                self.postman.job_ended(job, now)
            for call in settled.late:
                self._carry_out_late(call)
        self.keep()

    # -- requests --------------------------------------------------------------------------------

    def handle(self, request: Request) -> Answer:
        """The answer to a request of the API or of IAM; what it changed is kept before it returns."""
        self.settle()
        request_id = self._request_id(request)
        outcome = self._outcome(request, request_id)
        answer = outcome.answer.with_header("X-Request-Id", request_id)
        self.note(
            request, outcome.operation, answer, code=outcome.code, fault=outcome.fault, request_id=request_id
        )
        self.keep()
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
        entry = {
            "at": self.now.isoformat(),
            "operation": operation,
            "method": request.method,
            "target": _shown_target(request, operation),
            "status": answer.status,
            "request_id": request_id,
        }
        if code:
            entry["error_code"] = code
        if fault:
            entry["fault"] = fault
        if answer.delivery is not Delivery.WHOLE:
            entry["delivery"] = answer.delivery.value
        self.journal.append(entry)
        if self._ledger is not None:
            self._unkept.append(entry)

    def next_fault(self, on: str, *, operation: bool = False) -> FaultRule | None:
        """What the plan does to the next request of this kind."""
        rule = self._faults.next(on, operation=operation)
        if rule is not None:
            self.world.count(f"faults/{on}")
        return rule

    def _outcome(self, request: Request, request_id: str) -> _Outcome:
        path = request.path.rstrip("/")
        login = self._gate.login(request, real_now=self.real_now, now=self.now)
        if login is not None:
            self.world.count(f"calls/{login[0]}")
            return _Outcome(login[1], login[0])
        match = self._router.match(request.method, path)
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
            return _Outcome(self._perform(match, request, rule), name, fault=fault)
        except Refusal as refusal:
            self.world.count(f"{'throttled' if refusal.code == THROTTLED else 'refused'}/{name}")
            if match is not None and match.operation.category == SPEECH_CATEGORY:
                refusal = refusal.in_the_words_of_speech()
            return _Outcome(refusal.answer(request_id), name, refusal.code, fault)

    def _request_id(self, request: Request) -> str:
        """The caller's own for speech previews (reference 10.1, 10.2), else a new one."""
        given = request.header("X-Request-Id") or ""
        match = self._router.match(request.method, request.path.rstrip("/")) if given else None
        kept = match is not None and match.operation.category == SPEECH_CATEGORY
        return given if kept and _REQUEST_ID.fullmatch(given) else self.world.new_id()

    def _admit(self, match: Match, request: Request) -> FaultRule | None:
        self._gate.check_project(request, match.path["project_id"])
        self._quota.check(match.operation.id, self.real_now)
        return self.next_fault(match.operation.id, operation=True)

    def _perform(self, match: Match, request: Request, rule: FaultRule | None) -> Answer:
        """Carries out a call, or what a fault makes of it."""
        if rule is None:
            return self._answer(match, request)
        if rule.do is Fault.LATE:
            self._put_off(match, request, rule.seconds)
        broken = instead(rule)
        if broken is not None:
            return broken
        answer = self._answer(match, request, expired_urls=rule.do is Fault.EXPIRED_URL)
        return afterwards(answer, rule)

    def _answer(self, match: Match, request: Request, *, expired_urls: bool = False) -> Answer:
        call = self._call(
            match.operation,
            path=match.path,
            query=request.query,
            raw=read_body(request, match.operation),
            app_user_id=request.header("X-App-UserId"),
        )
        return self._run(replace(call, expired_urls=expired_urls))

    def _call(
        self,
        operation: AnyOperation,
        *,
        path: dict[str, str],
        query: tuple[tuple[str, str], ...],
        raw: dict[str, Any],
        app_user_id: str | None,
    ) -> Call:
        check_parameters(operation, path, query)
        body = checked_body(operation, raw)
        return Call(
            world=self.world,
            config=self.config,
            now=self.now,
            links=self.links,
            api_url=self._api_url,
            doom=self._doom,
            send=self.postman.send,
            operation=operation.id,
            path=path,
            query=query,
            body=body,
            raw={} if body is None else body.model_dump(mode="json", exclude_none=True),
            app_user_id=app_user_id,
        )

    def _run(self, call: Call) -> Answer:
        value = behaviours()[call.operation](call)
        status = _ACCEPTED if call.operation in _ACCEPTING else 200
        return Answer(status) if value is None else json_answer(status, value)

    def _moment(self, at: datetime) -> Moment:
        return Moment(
            world=self.world,
            config=self.config,
            now=at,
            links=self.links,
            api_url=self._api_url,
            doom=self._doom,
            send=self.postman.send,
        )

    def _doom(self, outcome: str) -> Doom | None:
        rule = self.next_fault(outcome)
        return None if rule is None else Doom(rule.code, stuck=rule.do is Fault.STUCK)

    # -- requests whose caller is gone ---------------------------------------------------------------

    def _put_off(self, match: Match, request: Request, within_s: float) -> None:
        raw = read_body(request, match.operation)
        key = self.world.new_id()
        delay = timedelta(seconds=within_s * self._faults.chance(f"late/{key}"))
        self.world.add_late(
            LateCall(
                id=key,
                due_at=self.now + delay,
                operation=match.operation.id,
                path=match.path,
                query=request.query,
                body=raw,
                app_user_id=request.header("X-App-UserId"),
            )
        )

    def _carry_out_late(self, late: LateCall) -> None:
        try:
            call = self._call(
                OPERATIONS[late.operation],
                path=late.path,
                query=late.query,
                raw=late.body,
                app_user_id=late.app_user_id,
            )
            self._run(call)
        except Refusal:
            self.world.count(f"refused/{late.operation}")

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

    def stored_at(self, url: str) -> str | None:
        """The id of the file that a URL of our own storage points to, or None."""
        return stored_file_id(self.world, self.links, url)

    # -- keeping ---------------------------------------------------------------------------------

    def keep(self) -> None:
        """Writes down what changed; nothing that was answered is lost by a kill after it."""
        if self._ledger is None:
            return
        changes = self.world.take_changes()
        if not changes and not self._unkept:
            return
        settings: dict[str, Any] = {"offset_s": self._offset.total_seconds()}
        if self._faults.plan.rules:
            settings |= self._kept_faults()
        unkept, self._unkept = self._unkept, []
        self._ledger.keep(changes, requests=unkept, settings=settings, newest=self.config.journal_size)

    def set_faults(self, plan: FaultPlan, hits: tuple[Hits, ...] = ()) -> None:
        """Plays another plan from now on, from its start; the first rules go on where `hits` tell."""
        self._faults = Faults(plan, hits)
        if self._ledger is not None:
            self._ledger.keep((), settings=self._kept_faults())

    @property
    def faults(self) -> Faults:
        """The plan being played."""
        return self._faults

    def reset(self) -> None:
        """Starts over: no records, no counters, no journal, no faults but the configured ones."""
        self.world.reset()
        self.journal.clear()
        self._unkept.clear()
        self._to_render.clear()
        self._quota.reset()
        self._offset = timedelta()
        self.set_faults(self.config.faults or FaultPlan())
        if self._ledger is not None:
            self._ledger.forget_requests()
        self.keep()

    def _load(self, ledger: Ledger) -> None:
        self.world.load(ledger.records())
        self.journal.extend(ledger.requests(self.config.journal_size))
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


def _shown_target(request: Request, operation: str) -> str:
    secret = operation.startswith("storage.") or any(name in _SECRET_PARAMETERS for name, _ in request.query)
    return request.path if secret else request.target
