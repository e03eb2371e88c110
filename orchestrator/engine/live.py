"""What a watcher may see beyond the journal: progress of what is under way, and events as they are committed."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from orchestrator.domain.events import Event
from orchestrator.domain.ids import RunId, StepId


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a step's current phase (hashing, uploading, …) is. `total` 0: unknown."""

    phase: str
    done: int
    total: int


class Live:
    """In memory only; lost with the process, and nobody misses it."""

    def __init__(self) -> None:
        self.progress: dict[tuple[RunId, StepId], Progress] = {}
        self._watchers: set[asyncio.Queue[Event]] = set()

    @contextmanager
    def watch(self, *, limit: int = 10_000) -> Iterator[asyncio.Queue[Event]]:
        """A queue of committed events. A watcher that falls `limit` behind loses the oldest."""
        queue: asyncio.Queue[Event] = asyncio.Queue(limit)
        self._watchers.add(queue)
        try:
            yield queue
        finally:
            self._watchers.discard(queue)

    def publish(self, event: Event) -> None:
        """Show a committed event to every watcher."""
        for queue in self._watchers:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(event)

    def report(self, run_id: RunId, step: StepId, phase: str, done: int, total: int) -> None:
        """Progress of a step; the last report counts."""
        self.progress[run_id, step] = Progress(phase, done, total)

    def clear(self, run_id: RunId, step: StepId) -> None:
        """The attempt is over."""
        self.progress.pop((run_id, step), None)
