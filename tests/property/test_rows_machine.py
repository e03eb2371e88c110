"""A table run under any order of what may become of its rows: none is left out, none is begun twice or too early."""

import os
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from orchestrator.domain import events as ev
from orchestrator.domain.decide import Policy, SpawnChildren, decide
from orchestrator.domain.ids import DefinitionHash, RunId, RunKey
from orchestrator.domain.pipeline import Pipeline
from orchestrator.domain.run import RunState, RunStatus, replay
from orchestrator.engine import control
from orchestrator.engine.messages import nothing
from orchestrator.engine.reception import Make
from orchestrator.engine.resumption import resumption

_DEEP = os.environ.get("HYPOTHESIS_PROFILE") == "deep"
#: A deep search takes as long as it takes.
pytestmark = [pytest.mark.timeout(0)] if _DEEP else []
_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_POLICY = Policy(spawn_chunk=3)
_GONE_ON = {"submit": partial(resumption, leaves=lambda _: None, out="/a", is_there=lambda _: True)}
_WISHES: dict[str, Make] = {
    "cancel": lambda state: control.cancelling(state, "enough"),
    "pause": lambda state: control.pausing(state, "a rest"),
    "resume": control.resuming,
    "retry": partial(control.retrying, leaves=lambda _: None, is_there=lambda _: True),
    **_GONE_ON,
}


class Tables(RuleBasedStateMachine):
    """The store's counters and the children themselves are this machine's; what to do about them is `decide`'s."""

    @initialize(total=st.integers(0, 10), limit=st.sampled_from([None, 1, 2, 5]))
    def begin(self, total: int, limit: int | None) -> None:
        self.total, self.limit = total, limit or total
        self.plan = Pipeline("p", concurrency_limit=limit)
        self.state = RunState(RunId("table"), self.plan)
        self.journal: list[ev.Event] = []
        #: What is true of each row's run: running, paused, succeeded or failed; and which the table made itself.
        self.children: dict[int, str] = {}
        self.own: set[int] = set()
        #: Rows of whose content there is a run already.
        self.shared: dict[int, str] = {}
        created = ev.RunCreated("n", "p", DefinitionHash("d"), RunKey("k"), {}, rows_total=total, out="/a")
        self.turn(lambda _: [created])

    def turn(self, make: Make = nothing) -> None:
        """As the engine: count, apply, and decide until there is nothing to record or to make."""
        self._count()
        for body in make(self.state):
            self._add(body)
        for _ in range(200):
            decision = decide(self.state, _NOW, _POLICY)
            assert decision.wake_at is None
            for action in decision.actions:
                assert isinstance(action, SpawnChildren)
                self._spawn(action)
            for body in decision.records if not decision.actions else ():
                self._add(body)
            if not decision.actions and not decision.records:
                break
        else:
            raise AssertionError("decide never comes to rest")
        if self.state.status is RunStatus.CANCELLING:
            self._cancel_children()

    def _add(self, body: ev.EventBody) -> None:
        over = sum(status in {"succeeded", "failed"} for status in self.children.values())
        match body:
            case ev.RunSucceeded():
                assert [*self.children.values()] == ["succeeded"] * self.total
            case ev.RunFailed():
                assert over == self.total
                assert "failed" in self.children.values()
            case ev.RunCancelled():
                assert not self._going(), "rows go on after their table was cancelled"
        # Failed rows that went on one by one, each asked for by somebody, end their table's failure.
        healed = isinstance(body, ev.RunSucceeded) and self.state.status is RunStatus.FAILED
        assert not self.state.status.over or isinstance(body, ev.RunResumed) or healed
        event = ev.Event(self.state.id, self.state.seq + 1, _NOW, body)
        self.state.apply(event)
        self.journal.append(event)

    def _spawn(self, action: SpawnChildren) -> None:
        """As `Engine._spawn`: rows that have a run keep it, and one that failed goes on."""
        assert self.state.status is RunStatus.RUNNING, (
            f"rows are begun in a table that is {self.state.status}"
        )
        going = sum(self.children[row] == "running" for row in self.own)
        created = 0
        for row in range(action.start, action.stop):
            if self.children.get(row) == "failed":
                self.children[row] = "running"
            elif row not in self.children and row in self.shared:
                self.children[row] = self.shared[row]
            elif row not in self.children:
                self.children[row], created = "running", created + 1
                self.own.add(row)
        assert created <= max(0, self.limit - going), "more rows are begun than may be under way"
        self._add(ev.ChildrenCreated(action.stop, created=created))
        self._count()

    def _count(self) -> None:
        """What the store keeps beside the journal."""
        ends = [*self.children.values()]
        self.state.children_succeeded, self.state.children_failed = (
            ends.count("succeeded"),
            ends.count("failed"),
        )
        self.state.children_paused = ends.count("paused")
        self.state.children_own_over = sum(self.children[row] in {"succeeded", "failed"} for row in self.own)

    def _going(self) -> list[int]:
        return [row for row in self.own if self.children[row] in {"running", "paused"}]

    def _cancel_children(self) -> None:
        """They are told, and end one after the other."""
        for row in self._going():
            self.children[row] = "failed"
            self.turn()

    @precondition(lambda self: self.children)
    @rule(data=st.data())
    def a_row_moves_on(self, data: st.DataObject) -> None:
        row = data.draw(st.sampled_from(sorted(self.children)))
        moves = {
            "running": ["paused", "failed", "succeeded", "succeeded"],
            "paused": ["running", "failed"],
            "failed": ["running"],
            "succeeded": ["succeeded"],
        }
        self.children[row] = data.draw(st.sampled_from(moves[self.children[row]]))
        self.turn()

    @rule(row=st.integers(0, 9), status=st.sampled_from(["running", "succeeded"]))
    def somebody_else_has_the_same_row(self, row: int, status: str) -> None:
        self.shared.setdefault(row, status)

    @rule(wish=st.sampled_from(sorted(_WISHES)))
    def somebody_wants_something(self, wish: str) -> None:
        try:
            _WISHES[wish](self.state)
        except control.ControlError:
            return
        self.turn(_WISHES[wish])
        if wish == "resume":
            self._resume_children()

    def _resume_children(self) -> None:
        for row, status in self.children.items():
            if status == "paused" and row in self.own:
                self.children[row] = "running"
        self.turn()

    @rule()
    def the_process_dies(self) -> None:
        def through_codec(event: ev.Event) -> ev.Event:
            body = event.body
            return ev.Event(
                event.run_id, event.seq, event.at, ev.decode(body.TYPE, None, None, ev.encode(body))
            )

        state = replay(RunId("table"), self.plan, map(through_codec, self.journal))
        before, self.state = self.state, state
        self._count()
        assert self.state == before, "the journal leads to another state"
        self.turn()

    def teardown(self) -> None:
        """Every row ends at last, and so does the table."""
        if not hasattr(self, "state"):
            return
        if self.state.status is RunStatus.PAUSED:
            self.turn(control.resuming)
        for _ in range(5 * self.total + 5):
            if self.state.status.over:
                return
            for row in sorted(self.children):
                if self.children[row] in {"running", "paused"}:
                    self.children[row] = "succeeded"
                    break
            self.turn()
        raise AssertionError(f"the table does not end: {self.state.status}, {self.children}")


TestTables: Any = Tables.TestCase
TestTables.settings = settings(
    max_examples=5000 if _DEEP else 100,
    stateful_step_count=30,
    derandomize=not _DEEP,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
