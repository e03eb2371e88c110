"""Many schedules: drawn from seeds, or one killed at each of its steps; on several cores, and added up."""

import gc
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import structlog

from tests.simulation.schedule import Report, Schedule, play

#: Schedules that a worker plays between two looks of its garbage collector.
_CHUNK = 25


@dataclass(slots=True)
class Total:
    """What came of many schedules."""

    schedules: int = 0
    steps: int = 0
    kills: int = 0
    stops: int = 0
    adopted: int = 0
    callbacks: int = 0
    wishes: int = 0
    failures: list[Report] = field(default_factory=list)

    def add(self, report: Report) -> None:
        """Count one more."""
        self.schedules += 1
        self.steps += report.steps
        self.kills += report.kills
        self.stops += report.stops
        self.adopted += report.adopted
        self.callbacks += report.callbacks
        self.wishes += report.wishes
        if report.findings:
            self.failures.append(report)


def drawn(seed: int, schedules: int, rows: int | None = None) -> Iterator[Schedule]:
    """So many schedules, each drawn from a seed of its own, the first from `seed`."""
    return (Schedule.drawn(seed + number, rows) for number in range(schedules))


def every_step(schedule: Schedule, at_most: int | None = None) -> Iterator[Schedule]:
    """The schedule, killed before each step that it takes undisturbed; evenly spread ones, if those are too many."""
    steps = play(schedule)[0].steps
    wanted = steps if at_most is None else min(at_most, steps)
    return (replace(schedule, kill_at=(1 + number * steps // wanted,)) for number in range(wanted))


def play_all(schedules: Iterable[Schedule], *, workers: int) -> Iterator[Report]:
    """The reports of all, in any order. `workers` 0: in this process."""
    chunks = _chunks(schedules)
    if not workers:
        for chunk in chunks:
            yield from _play_chunk(chunk)
        return
    with ProcessPoolExecutor(workers) as pool:
        for reports in pool.map(_play_chunk, chunks):
            yield from reports


def command(schedule: Schedule) -> str:
    """The command that plays one schedule of `drawn` or `every_step` again, and shows what happens in it."""
    parts = [f"--seed {schedule.seed} --rows {schedule.rows} --schedules 1"]
    if schedule.kill_at:
        parts.append(f"--kill-at {' '.join(map(str, schedule.kill_at))}")
        parts.append(f"--foul {schedule.weather.refused:g}")
    return f'make simulate ARGS="{" ".join(parts)} --trace"'


def _chunks(schedules: Iterable[Schedule]) -> Iterator[Sequence[Schedule]]:
    chunk: list[Schedule] = []
    for schedule in schedules:
        chunk.append(schedule)
        if len(chunk) == _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _play_chunk(schedules: Sequence[Schedule]) -> list[Report]:
    with without_logs(), _without_garbage_collection():
        return [play(schedule)[0] for schedule in schedules]


@contextmanager
def without_logs() -> Iterator[None]:
    """Nobody reads them, and they cost a tenth of the time."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    try:
        yield
    finally:
        structlog.configure(**before)


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """A world is full of cycles, which are looked for again and again while it grows: a third of the time."""
    gc.freeze()  # what is there already is not looked through at the end
    gc.disable()
    try:
        yield
    finally:
        gc.collect()
        gc.enable()
        gc.unfreeze()
