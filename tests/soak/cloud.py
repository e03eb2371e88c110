"""The emulator alone, as the soak wants it: its world on disk, films of half a second, every kind of fault.

Until SIGTERM. The first line of stdout is what a caller has to know, as with `orchestrator emulator`.
"""

import argparse
import asyncio
import contextlib
import json
import signal
from dataclasses import dataclass
from pathlib import Path

from orchestrator.emulator.config import EmulatorConfig
from orchestrator.emulator.faults import (
    ANY_OPERATION,
    CALLBACK,
    STORAGE_GET,
    STORAGE_PUT,
    VIDEO,
    Fault,
    FaultPlan,
    FaultRule,
    allowed_faults,
)
from orchestrator.emulator.server import EmulatorServer

#: How late a server acts whose connection broke, how late a callback comes; nothing else here takes longer.
_LATE_S = {ANY_OPERATION: 60.0, CALLBACK: 30.0}
#: A job that never ends is found by nobody but the step's `timeout`, after hours.
_LEFT_OUT = {(VIDEO, Fault.STUCK)}


@dataclass(frozen=True, slots=True)
class Cloud:
    """What the emulator is told."""

    folder: Path
    seed: int
    #: How often each kind of fault happens, at each place where it can.
    share: float
    limits: bool
    speed: float
    late_s: float

    @property
    def plan(self) -> FaultPlan:
        """Every kind of fault that can befall the sample."""
        places = (ANY_OPERATION, STORAGE_PUT, STORAGE_GET, CALLBACK, VIDEO)
        rules = [
            FaultRule(
                on=place,
                do=fault,
                probability=self.share,
                seconds=min(_LATE_S.get(place, 2.0), self.late_s) if fault is Fault.LATE else 2.0,
            )
            for place in places
            for fault in sorted(allowed_faults(place))
            if (place, fault) not in _LEFT_OUT
        ]
        return FaultPlan(seed=self.seed, rules=tuple(rules))

    @property
    def config(self) -> EmulatorConfig:
        """Films are as small as they get: what is looked at here is how many there are."""
        return EmulatorConfig(
            seed=self.seed,
            speed=self.speed,
            data_dir=self.folder,
            faults=self.plan if self.share else None,
            limits=self.limits,
            video_max_s=0.5,
            render_concurrency=1,
            journal_size=100,
        )


async def serve(cloud: Cloud) -> None:
    """Answer until SIGTERM."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    async with EmulatorServer(cloud.config) as server:
        print(json.dumps(server.hello), flush=True)  # noqa: T201 - what the caller reads
        await ended.wait()


def main() -> None:
    """Read the arguments, and serve."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.cloud", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--speed", type=float, default=1.0)
    parser.add_argument("--late", type=float, default=60.0)
    parser.add_argument("--no-limits", action="store_true")
    options = parser.parse_args()
    cloud = Cloud(
        options.folder, options.seed, options.share, not options.no_limits, options.speed, options.late
    )
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(cloud))


if __name__ == "__main__":
    main()
