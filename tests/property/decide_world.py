"""The world around `decide`: an engine without asyncio, a provider that acts when it likes, and processes that die.

Nothing here decides: `pick` does, drawn by hypothesis or by chance. The world keeps what really happened (which
requests left, what they made, which jobs still wait at the provider) beside the journal, and objects when the two
disagree.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from random import Random
from typing import Any

from orchestrator.domain import events as ev
from orchestrator.domain.ids import DefinitionHash, RunKey, StepId
from orchestrator.domain.run import RunStatus, StepStatus, replay
from orchestrator.engine import control
from orchestrator.engine.messages import if_awaited, if_current, unless_known
from orchestrator.engine.resumption import resumption
from tests.property.decide_facts import EARLIER, MOST_MOVES, OPEN, RUN, Make, pipeline
from tests.property.decide_process import Process

PAUSES_S = (0, 1, 5, 30, 80, 3600)
WISHES = ("cancel", "pause", "resume", "retry", "approve", "reject", "submit again")


class World(Process):
    """One run, its engine and its provider. Every public method is something that may happen at any time."""

    # What may happen

    def begin(self) -> None:
        """The run is created; as a replay it keeps some of an earlier one's work."""
        group = self.pick([None, None, "live"])
        created = ev.RunCreated("n", "p", DefinitionHash("d"), RunKey("k"), {}, out="/a", group=group)
        match self.pick(["run", "run", "not yet", "replay"]):
            case "run":
                self.turn(lambda _: [created])
                return
            case "not yet":
                self.add(created)
                self.timer = self.now
                return
            case _:
                pass
        kept: dict[StepId, ev.StepReused] = {}
        for step in self.state.pipeline.steps:
            if all(need in kept for need in step.needs) and step.if_ is None and self.pick([False, True]):
                kept[step.id] = ev.StepReused(step.id, EARLIER, self._outputs_of(step, f"old-{step.id}"))
        begun = [ev.RunStarted()] if group is None else []
        self.turn(lambda _: [created, *begun, *kept.values()])

    def pass_time(self, seconds: float) -> None:
        """Timers that come due meanwhile ring on the way, when the process lives."""
        until = self.now + timedelta(seconds=seconds)
        while self.timer is not None and self.timer <= until:
            self.now = max(self.now, self.timer)
            self.turn()
        self.now = until

    def crash(self) -> None:
        """The process dies; the next one knows the journal, and loads the run only if it is due."""
        for work in self.work.values():
            if work.request is not None:
                work.request.broke(self.now)
        self.work.clear()
        self.strays.clear()
        self.now += timedelta(seconds=self.pick([0, 5, 60, 4000]))
        for one in self.journal[len(self.read) :]:
            self.read.append(ev.Event(one.run_id, one.seq, one.at, self._through_codec(one.body)))
            assert self.read[-1] == one, "an event did not survive the codec"
        state = replay(RUN, self.state.pipeline, self.read)
        assert state == self.state, "the journal leads to another state"
        self.state = state
        self.timer = None
        if self.state.status.over or self.wake_at is None:
            return
        if self.wake_at <= self.now:
            self.turn()
        else:
            self.timer = self.wake_at

    def server_acts(self) -> None:
        """A request whose connection broke is carried out after all."""
        self._act(self.pick(self.late_requests()))

    def job_ends(self) -> None:
        """At the provider; nobody is told yet."""
        self.jobs[self.pick(self.waiting_jobs())] = self.pick(["SUCCEED", "SUCCEED", "FAILED"])

    def child_ends(self) -> None:
        """Its parent is told, unless that message is lost with a process."""
        child = self.pick(self.open_children())
        ends = (
            ["cancelled", "succeeded"]
            if self.children[child] == "ending"
            else ["succeeded", "failed", "cancelled"]
        )
        self.children[child] = self.pick(ends)
        if self.pick([True, True, False]):
            self.turn(partial(if_awaited, body=ev.ChildEnded(child, self.children[child])))

    def callback(self) -> None:
        """For any job or nobody's, true or not, once more or the first time, before or after its time."""
        job = self.pick([*self.jobs, "nobody's"])
        told = ev.CallbackReceived(job, self.pick(["SUCCEED", "FAILED"]), self.pick(["", "asset"]))
        self.turn(partial(unless_known, body=told))
        assert unless_known(self.state, told) == (), "a callback counts twice"

    def poll(self) -> None:
        """The poller has seen that a job is over, or may be."""
        seen = ev.PollFound(self.pick([*self.jobs, "nobody's"]), self.pick(["SUCCEED", "NOT_PENDING"]))
        self.turn(partial(if_awaited, body=seen))

    def stray(self) -> None:
        """An outcome that the engine has given up on comes nevertheless: it changes nothing."""
        body: Any = self.pick(self.strays)
        step = self.state.steps[body.step]
        if step.attempt != body.attempt or step.status not in OPEN:
            assert if_current(self.state, body) == (), f"{body} counts for {step.status}"

    def happenings(self) -> list[Callable[[], None]]:
        """What may happen outside of the engine now."""
        return [
            self.callback,
            *([self.poll] if self.jobs else []),
            *([self.server_acts] if self.late_requests() else []),
            *([self.job_ends] if self.waiting_jobs() else []),
            *([self.child_ends] if self.open_children() else []),
            *([self.stray] if self.strays else []),
        ]

    # What people may do

    def wish(self, verb: str) -> None:
        """One of `WISHES`, whether it fits or not."""
        match verb:
            case "cancel":
                self._ask(lambda state: control.cancelling(state, "enough"))
            case "pause":
                self._ask(lambda state: control.pausing(state, "a rest"))
            case "resume":
                self._ask(control.resuming)
            case "retry":
                self._ask(partial(control.retrying, leaves=_leaves, is_there=self._is_there))
            case "approve" | "reject":
                asking = [step.id for step in self.state.all_steps if step.uses == "approve"]
                step, approved = self.pick([None, *asking]), verb == "approve"
                self._ask(partial(control.approving, step=step, approved=approved, by="me", comment=""))
            case _:
                self._submit_again()

    def _submit_again(self) -> None:
        """The same content is asked for once more, with its files in some folder, from which some may be gone."""
        for path in self._files():
            if self.pick([False, True]):
                self.gone_files.add(path)
        out = self.pick(["/a", "/b"])
        self.turn(partial(resumption, leaves=_leaves, out=out, is_there=self._is_there))

    def _ask(self, make: Make) -> None:
        try:
            make(self.state)
        except control.ControlError:
            return
        self.turn(make)

    # The end

    def finish(self) -> None:
        """Everything outside answers from now on: the run comes to its end."""
        kinder = self.pick
        self.pick = _first
        try:
            for _ in range(MOST_MOVES):
                if self.state.status.over:
                    return
                self._finish_a_bit()
        finally:
            self.pick = kinder
        raise AssertionError(f"the run does not end: {self.state.status}, {self.state.steps}")

    def _finish_a_bit(self) -> None:
        if self.work:
            self.goes_on()
        elif self.state.status is RunStatus.PAUSED and not self.timer:
            self.wish("resume")
        elif self.timer is not None and not self._waits_outside():
            self.pass_time((self.timer - self.now).total_seconds())
        elif self.waiting_jobs():
            self.job_ends()
        elif self.open_children():
            self.child_ends()
        else:
            self._answer_a_wait()

    def _waits_outside(self) -> bool:
        return any(step.status is StepStatus.WAITING for step in self.state.steps.values()) and bool(
            self.waiting_jobs() or self.open_children()
        )

    def _answer_a_wait(self) -> None:
        for step in self.state.all_steps:
            waiting = self.state.steps[step.id]
            if waiting.status is not StepStatus.WAITING:
                continue
            if step.uses == "approve":
                self._ask(partial(control.approving, step=step.id, approved=True, by="me", comment=""))
            else:
                self.turn(partial(if_awaited, body=ev.PollFound(waiting.correlation or "", "SUCCEED")))
            return
        self.turn()

    @staticmethod
    def _through_codec(body: ev.EventBody) -> ev.EventBody:
        step, attempt = getattr(body, "step", None), getattr(body, "attempt", None)
        return ev.decode(body.TYPE, step, attempt, ev.encode(body))


def schedule(chance: Random) -> World:
    """A run and everything around it, played by chance to its end; some worlds are busy, some runs are let be."""
    world = World(pipeline(chance.choice), chance.choice)
    calm, moves = chance.random() < 0.5, chance.choice([10, 40, 80])
    world.begin()
    for _ in range(moves):
        what = chance.random()
        if world.work and what < 0.45:
            world.goes_on()
        elif what < 0.6:
            world.pass_time(chance.choice(PAUSES_S))
        elif what < 0.67:
            world.crash()
        elif what < 0.8:
            chance.choice(world.happenings())()
        elif not (calm and chance.random() < 0.8):
            world.wish(chance.choice(WISHES))
    world.finish()
    world.crash()
    return world


def _leaves(uses: str) -> str | None:
    return "path" if uses == "fetch" else None


def _first(options: Sequence[Any]) -> Any:
    return options[0]
