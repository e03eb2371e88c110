"""The REST client of the commands: a daemon's admin listener, asked for runs and told what to do with them."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any, TypeVar
from urllib.parse import quote

import aiohttp
from pydantic import TypeAdapter, ValidationError

from orchestrator.cli.places import reason
from orchestrator.domain.ids import RunId, StepId
from orchestrator.engine.control import ControlError, UnknownRunError
from orchestrator.errors import OrchestratorError, UnreachableError, UsageError
from orchestrator.server.reads import EventView, RunDetail, RunQuery, RunSummary, TableResults
from orchestrator.server.replay_changes import Definition

T = TypeVar("T")

#: Seconds for an answer; a stream has as long between two signs of life.
_PATIENCE_S = 30.0
_STREAM = aiohttp.ClientTimeout(total=None, sock_connect=10.0, sock_read=60.0)

_SUMMARIES = TypeAdapter(list[RunSummary])
_SUMMARY = TypeAdapter(RunSummary)
_DETAIL = TypeAdapter(RunDetail)
_ROWS = TypeAdapter(TableResults)
_EVENTS = TypeAdapter(list[EventView])
_EVENT = TypeAdapter(EventView)


class DaemonClient:
    """Implements `RunReader` and `Hands` over HTTP. Every method raises UnreachableError when nobody answers."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session, self.url = session, url.rstrip("/")

    @classmethod
    @asynccontextmanager
    async def at(
        cls, url: str, *, token: str | None = None, patience_s: float = _PATIENCE_S
    ) -> AsyncIterator["DaemonClient"]:
        """A client of the admin listener at `url`; nothing is asked yet. `patience_s`: for an answer."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        timeout = aiohttp.ClientTimeout(total=patience_s, sock_connect=min(10.0, patience_s))
        async with aiohttp.ClientSession(
            headers=headers, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()
        ) as session:
            yield cls(session, url)

    # Reading

    async def runs(
        self, query: RunQuery, *, cursor: str | None = None, limit: int = 50
    ) -> tuple[Sequence[RunSummary], str | None]:
        """As `RunReader.runs`; at most 500 at once."""
        asked = [("limit", str(limit)), *(("status", status.value) for status in sorted(query.status))]
        asked += [("parent", query.parent)] if query.parent is not None else []
        more = {"name": query.name, "pipeline": query.pipeline, "cursor": cursor or ""}
        asked += [(name, value) for name, value in more.items() if value]
        found = await self._ask("GET", "/runs", params=asked)
        return self._read(_SUMMARIES, found.get("runs")), found.get("next_cursor")

    async def run(self, run_id: RunId) -> RunDetail | None:
        """As `RunReader.run`."""
        try:
            return self._read(_DETAIL, await self._ask("GET", _path(run_id)))
        except UnknownRunError:
            return None

    async def rows(self, run_id: RunId, start: int, limit: int) -> TableResults | None:
        """As `RunReader.rows`; at most 500 at once."""
        try:
            asked = [("start", str(start)), ("limit", str(limit))]
            return self._read(_ROWS, await self._ask("GET", f"{_path(run_id)}/rows", params=asked))
        except UnknownRunError:
            return None

    async def events(self, run_id: RunId, after_seq: int) -> Sequence[EventView]:
        """As `RunReader.events`."""
        found = await self._ask("GET", f"{_path(run_id)}/events", params=[("after", str(after_seq))])
        return self._read(_EVENTS, found.get("events"))

    @asynccontextmanager
    async def subscribe(self) -> AsyncIterator[AsyncIterator[EventView]]:
        """As `LiveRunReader.subscribe`: what happens from entering the block on; ends when the daemon does."""
        headers = {"Accept": "text/event-stream"}
        try:
            async with self._session.get(
                f"{self.url}/events", headers=headers, timeout=_STREAM, allow_redirects=False
            ) as answer:
                if answer.status != 200 or answer.content_type != "text/event-stream":
                    raise self._refused(answer.status, await _body(answer))
                async with aclosing(self._stream(answer)) as events:
                    yield events
        except (aiohttp.ClientError, OSError) as error:
            raise self._unreachable(error) from error

    async def _stream(self, answer: aiohttp.ClientResponse) -> AsyncGenerator[EventView, None]:
        rest = b""
        async for chunk in answer.content.iter_any():
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                if line.startswith(b"data:"):
                    yield self._read(_EVENT, _json(line.removeprefix(b"data:")))

    # Controlling

    async def cancel(self, run_id: RunId, *, reason: str = "") -> RunSummary:
        """As `Hands.cancel`."""
        return await self._tell(run_id, "cancel", {"reason": reason})

    async def pause(self, run_id: RunId, *, reason: str = "") -> RunSummary:
        """As `Hands.pause`."""
        return await self._tell(run_id, "pause", {"reason": reason})

    async def resume(self, run_id: RunId) -> RunSummary:
        """As `Hands.resume`."""
        return await self._tell(run_id, "resume", {})

    async def retry(self, run_id: RunId) -> RunSummary:
        """As `Hands.retry`."""
        return await self._tell(run_id, "retry", {})

    async def approve(
        self, run_id: RunId, step: StepId | None, *, approved: bool, by: str, comment: str
    ) -> RunSummary:
        """As `Hands.approve`."""
        body = {"step": step, "approved": approved, "by": by, "comment": comment}
        return await self._tell(run_id, "approve", body)

    async def replay(
        self,
        run_id: RunId,
        *,
        inputs: Mapping[str, Any],
        definition: Definition | None,
        first: StepId | None,
    ) -> RunSummary:
        """As `Hands.replay`."""
        body: dict[str, Any] = {"inputs": dict(inputs), "from": first}
        if definition is not None:
            body |= {"definition": definition.text, "file": definition.name}
        return await self._tell(run_id, "replay", body)

    async def _tell(self, run_id: RunId, verb: str, body: Mapping[str, Any]) -> RunSummary:
        found = await self._ask("POST", f"{_path(run_id)}/{verb}", json=body)
        return self._read(_SUMMARY, found.get("run"))

    # The wire

    async def _ask(self, method: str, path: str, **arguments: Any) -> Mapping[str, Any]:
        try:
            # Redirected, the token would go to whoever the answer names.
            async with self._session.request(
                method, f"{self.url}/api/v1{path}", allow_redirects=False, **arguments
            ) as answer:
                body = await _body(answer)
        except (aiohttp.ClientError, OSError) as error:
            raise self._unreachable(error) from error
        if answer.status >= 300 or not isinstance(body, dict):
            raise self._refused(answer.status, body)
        return body

    def _read(self, shape: TypeAdapter[T], value: Any) -> T:
        try:
            return shape.validate_python(value)
        except ValidationError as error:
            raise self._stranger() from error

    def _refused(self, status: int, body: Any) -> OrchestratorError:
        error = body.get("error") if isinstance(body, dict) else None
        if not isinstance(error, dict):
            return self._stranger()
        message, hint = str(error.get("message", "")), str(error.get("hint") or "")
        if status == 401:
            hint = "Set admin.token (ORCHESTRATOR_ADMIN__TOKEN) as the daemon has it."
            return UsageError(f"The daemon at {self.url} does not know us: {message}", hint=hint)
        if status == 404:
            return UnknownRunError(message, hint=hint)
        if status == 409:
            return ControlError(message, hint=hint)
        if status < 500:
            return UsageError(message, hint=hint)
        return UnreachableError(f"The daemon at {self.url} could not do it: {message}", hint=hint)

    def _unreachable(self, error: Exception) -> UnreachableError:
        why = "it takes too long" if isinstance(error, TimeoutError) else _why(error)
        return UnreachableError(
            f"The daemon at {self.url} does not answer: {why}.",
            hint="Is it running? `orchestrator daemon` starts it; --daemon URL names another.",
        )

    def _stranger(self) -> UnreachableError:
        return UnreachableError(
            f"What answers at {self.url} is no daemon of this version.",
            hint="Check --daemon, and that both are the same version.",
        )


def _path(run_id: RunId) -> str:
    return f"/runs/{quote(run_id, safe='')}"


async def _body(answer: aiohttp.ClientResponse) -> Any:
    return _json(await answer.read())


def _json(text: bytes) -> Any:
    """The value; None when it is no JSON, which no answer of ours is."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def _why(error: Exception) -> str:
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    return reason(cause) if isinstance(cause, OSError) and cause.errno else type(error).__name__
