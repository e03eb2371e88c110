"""A thousand rows of the sample under every kind of fault, the daemon killed every few seconds, until all is done."""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.soak.soak import Outcome, Soak, Wish


def main() -> int:
    """0 when nothing was lost, doubled or stuck."""
    options = _parser().parse_args()
    kept: Path | None = options.keep
    with tempfile.TemporaryDirectory(prefix="soak-") as scratch:
        wish = Wish(
            folder=(kept or Path(scratch)).resolve(),
            rows=options.rows,
            seed=options.seed,
            share=options.faults,
            kill_after_s=(options.kill_after[0], options.kill_after[1]),
            quiet_time_s=options.quiet_time,
            late_s=options.late,
            speed=options.speed,
            limits=not options.no_limits,
            at_most_s=60 * options.minutes,
        )
        outcome = Soak(wish, lambda line: print(line, file=sys.stderr, flush=True)).play()  # noqa: T201 - progress for a person
    _show(wish, outcome)
    return 0 if outcome.well else 1


def _parser() -> argparse.ArgumentParser:
    usual = Wish(Path())
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--rows", type=int, default=usual.rows)
    parser.add_argument("--seed", type=int, default=usual.seed, help="of the faults and the kills")
    parser.add_argument("--faults", type=float, default=usual.share, help="share of each kind")
    parser.add_argument(
        "--kill-after", type=float, nargs=2, default=usual.kill_after_s, metavar="SECONDS", help="from, to"
    )
    parser.add_argument("--quiet-time", type=float, default=usual.quiet_time_s, help="engine.quiet_time_s")
    parser.add_argument("--late", type=float, default=usual.late_s, help="how late a server acts, seconds")
    parser.add_argument("--speed", type=float, default=usual.speed, help="of the service's work")
    parser.add_argument("--no-limits", action="store_true", help="the service has no rates")
    parser.add_argument("--minutes", type=float, default=usual.at_most_s / 60, help="give up after so many")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave everything in this folder")
    return parser


def _show(wish: Wish, outcome: Outcome) -> None:
    ends = ", ".join(f"{number:,} {status}" for status, number in outcome.runs.items())
    twice = ", ".join(f"{number:,} {kind}" for kind, number in outcome.duplicates.items())
    lines = [
        f"runs       {ends} ({wish.rows:,} rows and their table)",
        f"kills      {outcome.kills:,}",
        f"made twice {twice}",
        f"lost       {outcome.lost:,}",
        f"stuck      {outcome.stuck:,}",
        f"calls      {outcome.calls:,}, {outcome.faults:,} with a fault, {outcome.throttled:,} throttled",
        f"adopted    {outcome.adopted:,}; callbacks {outcome.callbacks:,}",
        f"a person   resumed {outcome.visits['resume']:,} rows, had {outcome.visits['retry']:,} done again",
        f"time       {outcome.seconds:,.0f} s",
    ]
    print("\n".join(lines))  # noqa: T201 - the command's result
    if outcome.damage:
        print(f"db check   {outcome.damage}")  # noqa: T201 - as above


if __name__ == "__main__":
    sys.exit(main())
