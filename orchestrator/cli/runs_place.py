"""Where a verb about runs goes: to the process that carries them, or straight to the state."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from orchestrator.app import kind_infos, state_path
from orchestrator.cli.daemon_client import DaemonClient
from orchestrator.domain.ids import RunId, StepId
from orchestrator.engine.control import Control
from orchestrator.engine.engine import utc_now
from orchestrator.engine.offline import Offline
from orchestrator.engine.run_ids import RunIds
from orchestrator.errors import OrchestratorError, UnreachableError
from orchestrator.server.reads import RunDetail, RunReader, RunSummary
from orchestrator.server.replay_changes import Definition, Replays
from orchestrator.server.state_reads import StateReads
from orchestrator.server.whereabouts import announced
from orchestrator.settings import Settings
from orchestrator.steps.base import kinds
from orchestrator.store.base import Store, StoreError
from orchestrator.store.sqlite import SqliteStore

#: What only a daemon knows is worth no longer a wait to someone who asks what the state knows.
_LIVE_PATIENCE_S = 2.0


class Hands(Protocol):
    """The verbs about one run: durable when they return. Each gives the run as it then is; a replay, the new one."""

    async def cancel(self, run_id: RunId, *, reason: str = "") -> RunSummary: ...

    async def pause(self, run_id: RunId, *, reason: str = "") -> RunSummary: ...

    async def resume(self, run_id: RunId) -> RunSummary: ...

    async def retry(self, run_id: RunId) -> RunSummary: ...

    async def approve(
        self, run_id: RunId, step: StepId | None, *, approved: bool, by: str, comment: str
    ) -> RunSummary: ...

    async def replay(
        self,
        run_id: RunId,
        *,
        inputs: Mapping[str, Any],
        definition: Definition | None,
        first: StepId | None,
    ) -> RunSummary: ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where runs are read and controlled. Without a `daemon` no process carries them now."""

    reads: RunReader
    hands: Hands
    daemon: DaemonClient | None


@asynccontextmanager
async def reading(
    settings: Settings, daemon: str | None
) -> AsyncIterator[tuple[RunReader, DaemonClient | None]]:
    """Where runs are read: the daemon that was named, else the state, beside the daemon that works on it if one does.

    Raises StoreError when there is no state.
    """
    async with AsyncExitStack() as stack:
        if daemon is not None:
            client = await stack.enter_async_context(_client(settings, daemon))
            yield client, client
            return
        path = state_path(settings)
        store = await SqliteStore(path, read_only=True).open()
        stack.push_async_callback(store.close)
        near = None
        if (url := announced(path)) is not None:
            near = await stack.enter_async_context(_client(settings, url, patience_s=_LIVE_PATIENCE_S))
        yield _StateBesideDaemon(store, near), near


@asynccontextmanager
async def controlling(settings: Settings, daemon: str | None) -> AsyncIterator[Place]:
    """Where runs are controlled: the daemon that was named, else the process that holds the state, else the state.

    Raises UnreachableError when a process holds the state that cannot be spoken to, StoreError when there is no state.
    """
    async with AsyncExitStack() as stack:
        path = None if daemon is not None else state_path(settings)
        store = None if path is None else await _free(path)
        if store is not None:
            stack.push_async_callback(store.close)
            yield _straight(settings, store)
            return
        url = daemon or (announced(path) if path else None)
        if url is None:
            raise UnreachableError(
                f"A process works on {path}, and it cannot be spoken to: it has no admin listener.",
                hint="`orchestrator run` has none: wait until it ends, or stop it with Ctrl-C, then ask again. "
                "A daemon that is just starting can be asked in a moment.",
            )
        client = await stack.enter_async_context(_client(settings, url))
        yield Place(client, client, client)


async def _free(path: Path) -> SqliteStore | None:
    """The state, open for writing; None when a process holds it."""
    # A state that is not there is not to be made: opened for reading, the store says so in its own words.
    await (await SqliteStore(path, read_only=True).open()).close()
    try:
        return await SqliteStore(path).open()
    except StoreError as error:
        if isinstance(error.__cause__, BlockingIOError):
            return None
        raise


def _straight(settings: Settings, store: Store) -> Place:
    reads, known = StateReads(store), kinds()
    control = Offline(
        store,
        clock=utc_now,
        new_id=RunIds(utc_now),
        leaves=lambda uses: known[uses].leaves if uses in known else None,
    )
    replays = Replays(store, kind_infos(), settings.region, settings.files.roots)
    return Place(reads, _OfflineHands(control, reads, replays), None)


@asynccontextmanager
async def _client(
    settings: Settings, url: str, *, patience_s: float | None = None
) -> AsyncIterator[DaemonClient]:
    token = settings.admin.token.get_secret_value() if settings.admin.token else None
    more = {} if patience_s is None else {"patience_s": patience_s}
    async with DaemonClient.at(url, token=token, **more) as client:
        yield client


class _StateBesideDaemon(StateReads):
    """The state, and of a single run what the process that carries it knows on top, if it answers."""

    def __init__(self, store: Store, daemon: DaemonClient | None) -> None:
        super().__init__(store)
        self._daemon = daemon

    async def run(self, run_id: RunId) -> RunDetail | None:
        """As `RunReader.run`. Ids are unique: a daemon that works on another state does not know the run."""
        if self._daemon is not None:
            try:
                if (found := await self._daemon.run(run_id)) is not None:
                    return found
            except OrchestratorError:
                # It was killed, or does not know us: the journal is enough, so nobody is asked again.
                self._daemon = None
        return await super().run(run_id)


class _OfflineHands:
    """Implements `Hands` on a state that no process holds: wishes are written down for the next one."""

    def __init__(self, control: Control, reads: StateReads, replays: Replays) -> None:
        self._control, self._reads, self._replays = control, reads, replays

    async def cancel(self, run_id: RunId, *, reason: str = "") -> RunSummary:
        await self._control.cancel(run_id, reason=reason)
        return await self._now(run_id)

    async def pause(self, run_id: RunId, *, reason: str = "") -> RunSummary:
        await self._control.pause(run_id, reason=reason)
        return await self._now(run_id)

    async def resume(self, run_id: RunId) -> RunSummary:
        await self._control.resume(run_id)
        return await self._now(run_id)

    async def retry(self, run_id: RunId) -> RunSummary:
        await self._control.retry(run_id)
        return await self._now(run_id)

    async def approve(
        self, run_id: RunId, step: StepId | None, *, approved: bool, by: str, comment: str
    ) -> RunSummary:
        await self._control.approve(run_id, step, approved=approved, by=by, comment=comment)
        return await self._now(run_id)

    async def replay(
        self,
        run_id: RunId,
        *,
        inputs: Mapping[str, Any],
        definition: Definition | None,
        first: StepId | None,
    ) -> RunSummary:
        changes = await self._replays.changes(run_id, inputs=inputs, definition=definition)
        return await self._now(
            await self._control.replay(run_id, pipeline=changes.pipeline, inputs=changes.inputs, first=first)
        )

    async def _now(self, run_id: RunId) -> RunSummary:
        detail = await self._reads.run(run_id)
        assert detail is not None, "what was just written is there"
        return detail.summary
