"""Plays thousands of schedules, and says which of them ended badly and how to play those again."""

import argparse
import os
import sys
import time
from collections.abc import Iterable

from tests.simulation.checks import fingerprint
from tests.simulation.network import Weather
from tests.simulation.schedule import Report, Schedule, play
from tests.simulation.sweep import Total, command, drawn, every_step, play_all, without_logs

#: Failures that are shown in full.
_SHOWN = 5


def main() -> int:
    """0 when every schedule ended well."""
    options = _parser().parse_args()
    fixed = Schedule(
        options.seed, options.rows or 1, Weather.foul(options.foul), kill_at=tuple(options.kill_at or ())
    )
    if options.trace:
        one = fixed if options.kill_at else Schedule.drawn(options.seed, options.rows)
        return _trace(one)
    if options.every_step:
        with without_logs():
            schedules: Iterable[Schedule] = list(every_step(fixed, options.schedules))
    elif options.kill_at:
        schedules = [fixed]
    else:
        schedules = drawn(options.seed, options.schedules or 2000, options.rows)
    return _play(schedules, options.workers)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first schedule's; the next ones count up")
    parser.add_argument("--schedules", type=int, help="how many (2000; with --every-step all steps)")
    parser.add_argument("--rows", type=int, help="products, each a run of 7 steps (1 to 3)")
    parser.add_argument("--every-step", action="store_true", help="one schedule, killed once at each step")
    parser.add_argument("--kill-at", type=int, nargs="+", metavar="STEP", help="killed at these steps only")
    parser.add_argument(
        "--foul", type=float, default=0.0, help="share of each fault (with --every-step, --kill-at)"
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes that play")
    parser.add_argument("--trace", action="store_true", help="play one schedule and show what happens in it")
    return parser


def _play(schedules: Iterable[Schedule], workers: int) -> int:
    began_at = told_at = time.monotonic()
    total = Total()
    for report in play_all(schedules, workers=workers):
        total.add(report)
        if report.findings and len(total.failures) <= _SHOWN:
            _show(report)
        if time.monotonic() >= told_at + 5:
            told_at = time.monotonic()
            print(_line(total, told_at - began_at), file=sys.stderr)  # noqa: T201 - progress for a person
    print(_line(total, time.monotonic() - began_at))  # noqa: T201 - the command's result
    return 1 if total.failures else 0


def _line(total: Total, passed_s: float) -> str:
    per_minute = 60 * total.schedules / passed_s if passed_s else 0.0
    return (
        f"{total.schedules:,} schedules, {per_minute:,.0f} a minute: {total.steps:,} steps, {total.kills:,} kills,"
        f" {total.stops:,} stops, {total.wishes:,} wishes,"
        f" {total.adopted:,} adopted, {total.callbacks:,} callbacks,"
        f" {len(total.failures):,} ended badly"
    )


def _show(report: Report) -> None:
    print(f"seed {report.schedule.seed} ended badly; again: {command(report.schedule)}")  # noqa: T201 - as above
    for finding in report.findings:
        print(f"  {finding}")  # noqa: T201 - as above


def _trace(schedule: Schedule) -> int:
    with without_logs():
        report, _ = play(schedule, traced=True)
    for line in report.lines:
        print(line)  # noqa: T201 - as above
    print(f"{schedule}\n{fingerprint(report.lines)}: {report.steps:,} steps, {report.kills} kills")  # noqa: T201 - as above
    if report.findings:
        _show(report)
    return 1 if report.findings else 0


if __name__ == "__main__":
    sys.exit(main())
