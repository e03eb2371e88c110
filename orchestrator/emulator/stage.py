"""Where operations are carried out: what every behaviour gets, and what faults make of a call."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from orchestrator.emulator.behaviours import behaviours
from orchestrator.emulator.behaviours.base import Call, Doom, Moment, Send
from orchestrator.emulator.config import EmulatorConfig
from orchestrator.emulator.faults import Fault, FaultRule
from orchestrator.emulator.intake import check_parameters, checked_body, read_body
from orchestrator.emulator.mishap import afterwards, instead
from orchestrator.emulator.presign import Presigner
from orchestrator.emulator.records import LateCall
from orchestrator.emulator.refusals import Refusal
from orchestrator.emulator.routes import Match
from orchestrator.emulator.wire import Answer, Request, json_answer
from orchestrator.emulator.world import World
from orchestrator.metastudio.operations import OPERATIONS, AnyOperation

#: Operations that answer as soon as the work is taken on (reference 6.2.1); all others answer 200.
_ACCEPTING, _ACCEPTED = frozenset({"start_smart_live"}), 202


class Stage:
    """Carries out calls that were let in, at once or late."""

    def __init__(
        self,
        config: EmulatorConfig,
        world: World,
        links: Presigner,
        api_url: str,
        *,
        next_fault: Callable[[str], FaultRule | None],
        chance: Callable[[str], float],
        send: Send,
    ) -> None:
        """`next_fault` tells what is to go wrong; `chance` gives a number from 0 to 1 that the plan's seed fixes."""
        self._config = config
        self._world = world
        self._links = links
        self._api_url = api_url
        self._next_fault = next_fault
        self._chance = chance
        self._send = send

    def at(self, now: datetime) -> Moment:
        """What something that happens by itself is given."""
        return Moment(
            world=self._world,
            config=self._config,
            now=now,
            links=self._links,
            api_url=self._api_url,
            doom=self._doom,
            send=self._send,
        )

    def perform(self, match: Match, request: Request, rule: FaultRule | None, now: datetime) -> Answer:
        """Carries out a call, or what a fault makes of it.

        Raises:
            Refusal: the call is not as it has to be, or the world does not allow it.
        """
        if rule is None:
            return self._answer(match, request, now)
        if rule.do is Fault.LATE:
            self._put_off(match, request, rule.seconds, now)
        broken = instead(rule)
        if broken is not None:
            return broken
        answer = self._answer(match, request, now, expired_urls=rule.do is Fault.EXPIRED_URL)
        return afterwards(answer, rule)

    def carry_out_late(self, late: LateCall, now: datetime) -> None:
        """Carries out a call whose caller is gone; a refusal is only counted."""
        try:
            call = self._call(
                OPERATIONS[late.operation],
                now,
                path=late.path,
                query=late.query,
                raw=late.body,
                app_user_id=late.app_user_id,
            )
            self._run(call)
        except Refusal:
            self._world.count(f"refused/{late.operation}")

    def _put_off(self, match: Match, request: Request, within_s: float, now: datetime) -> None:
        raw = read_body(request, match.operation)
        # What is wrong in its form is told to a caller who is still there.
        check_parameters(match.operation, match.path, request.query)
        checked_body(match.operation, raw)
        key = self._world.new_id()
        delay = timedelta(seconds=within_s * self._chance(f"late/{key}"))
        self._world.add_late(
            LateCall(
                id=key,
                due_at=now + delay,
                operation=match.operation.id,
                path=match.path,
                query=request.query,
                body=raw,
                app_user_id=request.header("X-App-UserId"),
            )
        )

    def _answer(self, match: Match, request: Request, now: datetime, *, expired_urls: bool = False) -> Answer:
        call = self._call(
            match.operation,
            now,
            path=match.path,
            query=request.query,
            raw=read_body(request, match.operation),
            app_user_id=request.header("X-App-UserId"),
        )
        return self._run(replace(call, expired_urls=expired_urls))

    def _call(
        self,
        operation: AnyOperation,
        now: datetime,
        *,
        path: dict[str, str],
        query: tuple[tuple[str, str], ...],
        raw: dict[str, Any],
        app_user_id: str | None,
    ) -> Call:
        check_parameters(operation, path, query)
        body = checked_body(operation, raw)
        return Call(
            world=self._world,
            config=self._config,
            now=now,
            links=self._links,
            api_url=self._api_url,
            doom=self._doom,
            send=self._send,
            operation=operation.id,
            path=path,
            query=query,
            body=body,
            raw={} if body is None else body.model_dump(mode="json", exclude_none=True),
            app_user_id=app_user_id,
        )

    @staticmethod
    def _run(call: Call) -> Answer:
        value = behaviours()[call.operation](call)
        status = _ACCEPTED if call.operation in _ACCEPTING else 200
        return Answer(status) if value is None else json_answer(status, value)

    def _doom(self, outcome: str) -> Doom | None:
        rule = self._next_fault(outcome)
        return None if rule is None else Doom(rule.code, stuck=rule.do is Fault.STUCK)
