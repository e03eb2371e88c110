"""What a process and its threads have used: processor time and memory."""

import gc
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class Usage:
    """Seconds of a span, filled in when it ends."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    #: Processor seconds by thread name, of threads that were there at the end.
    threads: dict[str, float] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """Of one core."""
        return self.cpu_s / self.wall_s if self.wall_s else 0.0

    def shares(self, *, above: float = 0.01) -> str:
        """Each thread's share of a core, the busiest first; the event loop's is the one called loop."""
        busy = sorted(self.threads.items(), key=lambda item: -item[1])
        found = [(name, cpu_s / self.wall_s) for name, cpu_s in busy if self.wall_s]
        return ", ".join(f"{name} {share:.0%}" for name, share in found if share >= above)


@contextmanager
def used() -> Iterator[Usage]:
    """What this process uses inside the block."""
    usage = Usage()
    before = _thread_times()
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        yield usage
    finally:
        usage.wall_s, usage.cpu_s = time.perf_counter() - wall, time.process_time() - cpu
        usage.threads = _by_name(before, _thread_times())


def resident_bytes(pid: int | None = None) -> int:
    """Memory that a process (by default this one, after a collection) holds in RAM."""
    if pid is None:
        gc.collect()
    statm = Path(f"/proc/{pid or 'self'}/statm").read_text("ascii")
    return int(statm.split()[1]) * _PAGE


def cpu_s(pid: int) -> float:
    """Processor seconds that another process has used so far."""
    # The second field, the command, is in brackets and may hold anything.
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _thread_times() -> Mapping[int, tuple[str, float]]:
    found: dict[int, tuple[str, float]] = {}
    for thread in threading.enumerate():
        if thread.ident is None:
            continue
        try:
            spent = time.clock_gettime(time.pthread_getcpuclockid(thread.ident))
        except OSError:  # it ended in this moment
            continue
        found[thread.ident] = ("loop" if thread is threading.main_thread() else thread.name, spent)
    return found


def _by_name(
    before: Mapping[int, tuple[str, float]], after: Mapping[int, tuple[str, float]]
) -> dict[str, float]:
    spent: dict[str, float] = {}
    for ident, (name, now) in after.items():
        then = before[ident][1] if ident in before and before[ident][0] == name else 0.0
        spent[name] = spent.get(name, 0.0) + now - then
    return spent
