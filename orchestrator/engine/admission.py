"""When runs begin, and go on after a rest: those that had begun before new ones, the oldest first, while there is room."""

import heapq
from collections.abc import Callable

from orchestrator.domain.ids import RunId
from orchestrator.engine.dispatch.base import Dispatcher


class Admission:
    """A line of runs. Each costs an entry of a heap, no more, until there is room for its work."""

    def __init__(self, dispatcher: Dispatcher, begin: Callable[[RunId], None]) -> None:
        """`begin` gives a run its turn."""
        self._dispatcher, self._begin = dispatcher, begin
        #: Whether the run is new, and the run: ids ascend with the time of creation.
        self._line: list[tuple[bool, RunId]] = []
        #: Those whose turn is not over: what they will ask for is not known yet.
        self._beginning: set[RunId] = set()
        self._stopped = False

    @property
    def has_room(self) -> bool:
        """Whether a run that had begun may go on now."""
        return self._dispatcher.room_to_go_on > len(self._beginning)

    def enqueue(self, run_id: RunId, *, new: bool) -> None:
        """The run has its turn when there is room. Nobody has until `admit` is called."""
        heapq.heappush(self._line, (new, run_id))

    def admitted(self, run_id: RunId) -> bool:
        """Whether the run has the turn now that it stood in line for."""
        return run_id in self._beginning

    def begun(self, run_id: RunId) -> None:
        """Its turn is over: its work, if any, has been dispatched."""
        self._beginning.discard(run_id)

    def admit(self) -> None:
        """Let those begin for which there is room."""
        while self._line and not self._stopped:
            new, run_id = self._line[0]
            room = self._dispatcher.room if new else self._dispatcher.room_to_go_on
            if room <= len(self._beginning):
                return
            heapq.heappop(self._line)
            self._beginning.add(run_id)
            self._begin(run_id)

    def stop(self) -> None:
        """Let nobody begin any more."""
        self._stopped = True
        self._line.clear()
