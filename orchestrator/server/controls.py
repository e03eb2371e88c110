"""The verbs on runs over HTTP: `POST /api/v1/runs/{id}/cancel` and its like."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import asdict
from typing import Any, TypeVar
from urllib.parse import urlsplit

import structlog
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from orchestrator.definition.problems import DefinitionError, fewer
from orchestrator.domain.ids import RunId, StepId
from orchestrator.engine.control import Control, ControlError, UnknownRunError
from orchestrator.metastudio import strict_json
from orchestrator.server.access import Handler, problem
from orchestrator.server.reads import RunReader, to_json
from orchestrator.server.replay_changes import Definition, Replays

log = structlog.get_logger(__name__)

B = TypeVar("B", bound="_Body")
R = TypeVar("R")

#: Problems of one kind that an answer lists at most.
_MOST_PROBLEMS = 1000

#: Carries a verb out; the run that its answer is about.
_Act = Callable[[RunId, web.Request], Awaitable[RunId]]

#: Largest body in bytes: a definition may have 1 MB, and JSON writes each of its characters with up to six.
MAX_BODY_BYTES = 6_500_000


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Nothing(_Body):
    """No fields: `{}`."""


class Reason(_Body):
    """Why it is asked for, for people."""

    reason: str = Field("", max_length=1000)


class Replay(_Body):
    """What the new run changes; nothing: it is made as the old one was."""

    inputs: dict[str, Any] = {}
    #: Text of a definition in the place of the run's own.
    definition: str | None = None
    #: What problems of the definition name it.
    file: str = Field("definition", max_length=1000)
    #: Step from which on everything is done anew.
    first: str | None = Field(None, alias="from", max_length=200)


class Approval(_Body):
    """What a person decided."""

    #: May be left out when one step waits for approval.
    step: str | None = Field(None, max_length=200)
    approved: bool = True
    by: str = Field("", max_length=200)
    comment: str = Field("", max_length=4000)


class Controls:
    """The routes of the verbs."""

    def __init__(self, control: Control, reads: RunReader, replays: Replays) -> None:
        self._control, self._reads, self._replays = control, reads, replays
        self._under_way: set[asyncio.Task[Any]] = set()

    def add_routes(self, router: web.UrlDispatcher, *, admitted_by: str) -> None:
        """`POST …/{verb}` for each verb. `admitted_by`: what let those in who get here, for the log."""
        verbs: dict[str, _Act] = {
            "cancel": self._cancel,
            "pause": self._pause,
            "resume": self._resume,
            "retry": self._retry,
            "replay": self._replay,
            "approve": self._approve,
        }
        for verb, act in verbs.items():
            router.add_post(f"/api/v1/runs/{{run}}/{verb}", self._handler(verb, act, admitted_by))

    def _handler(self, verb: str, act: _Act, admitted_by: str) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            if (refused := _refusal(request)) is not None:
                return refused
            run_id = RunId(request.match_info["run"])
            answer = await self._answer(run_id, request, act)
            log.info("admin.control", verb=verb, run=run_id, by=admitted_by, status=answer.status)
            return answer

        return handle

    async def _answer(self, run_id: RunId, request: web.Request, act: _Act) -> web.StreamResponse:
        try:
            affected = await act(run_id, request)
        except UnknownRunError as error:
            return problem(404, "not-found", error.message, hint=error.hint)
        except ControlError as error:
            return problem(409, "conflict", error.message, hint=error.hint)
        except DefinitionError as error:
            found = [asdict(one) for one in fewer(error.problems, _MOST_PROBLEMS)[0]]
            return problem(422, "invalid-definition", error.message, hint=error.hint, problems=found)
        except _BodyError as error:
            return problem(422, "invalid-body", str(error))
        detail = await self._reads.run(affected)
        assert detail is not None, "what was just written is there"
        return web.Response(
            text=to_json({"run": detail.summary}),
            status=202,
            content_type="application/json",
            headers={"Cache-Control": "no-store", "Location": f"/api/v1/runs/{affected}"},
        )

    async def _cancel(self, run_id: RunId, request: web.Request) -> RunId:
        body = await _read(request, Reason)
        await self._finish(self._control.cancel(run_id, reason=body.reason))
        return run_id

    async def _pause(self, run_id: RunId, request: web.Request) -> RunId:
        body = await _read(request, Reason)
        await self._finish(self._control.pause(run_id, reason=body.reason))
        return run_id

    async def _resume(self, run_id: RunId, request: web.Request) -> RunId:
        await _read(request, Nothing)
        await self._finish(self._control.resume(run_id))
        return run_id

    async def _retry(self, run_id: RunId, request: web.Request) -> RunId:
        await _read(request, Nothing)
        await self._finish(self._control.retry(run_id))
        return run_id

    async def _replay(self, run_id: RunId, request: web.Request) -> RunId:
        body = await _read(request, Replay)
        definition = None if body.definition is None else Definition(body.definition, body.file)
        changes = await self._replays.changes(run_id, inputs=body.inputs, definition=definition)
        return await self._finish(
            self._control.replay(
                run_id,
                pipeline=changes.pipeline,
                inputs=changes.inputs,
                first=None if body.first is None else StepId(body.first),
            )
        )

    async def _approve(self, run_id: RunId, request: web.Request) -> RunId:
        body = await _read(request, Approval)
        await self._finish(
            self._control.approve(
                run_id,
                None if body.step is None else StepId(body.step),
                approved=body.approved,
                by=body.by,
                comment=body.comment,
            )
        )
        return run_id

    async def _finish(self, verb: Coroutine[Any, Any, R]) -> R:
        """A client that leaves must not cut a verb in half."""
        task = asyncio.get_running_loop().create_task(verb)
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # has been answered, unless the client left


class _BodyError(Exception):
    """The body is not what the verb takes."""


async def _read(request: web.Request, model: type[B]) -> B:
    try:
        data = strict_json.loads(await request.read() or b"{}")
    except ValueError as error:
        raise _BodyError(f"The body is no JSON: {error}.") from error
    try:
        return model.model_validate(data)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        where = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'the body'}: {one['msg']}" for one in found)
        raise _BodyError(f"The body is not as it should be: {where}.") from error


def _refusal(request: web.Request) -> web.Response | None:
    """A page of another site must not act with what this browser may do here.

    Such a page cannot send JSON without asking first, and the browser says where a request comes from. Programs send
    neither header, and are admitted by their token, or because they are on this machine.
    """
    if request.content_type != "application/json":
        return problem(
            415, "unsupported-media-type", "The body should be JSON (Content-Type: application/json)."
        )
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if site is not None:
        own = site in {"same-origin", "none"}
    else:
        own = origin is None or urlsplit(origin).netloc.lower() == request.headers.get("Host", "").lower()
    return None if own else problem(403, "foreign-origin", "Another site's page may not act on runs.")
