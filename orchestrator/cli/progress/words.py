"""Amounts and times for people."""

from datetime import timedelta

_UNITS = ("B", "kB", "MB", "GB", "TB")


def size(count: int) -> str:
    """Bytes in a unit that keeps the number short: 1.2 MB."""
    amount, unit = float(count), 0
    while amount >= 1000 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1000, unit + 1
    return f"{amount:.1f} {_UNITS[unit]}" if unit and amount < 100 else f"{amount:.0f} {_UNITS[unit]}"


def clock(duration: timedelta) -> str:
    """Minutes and seconds, 0:07, or hours too, 1:02:03."""
    minutes, seconds = divmod(max(0, int(duration.total_seconds())), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def took(duration: timedelta) -> str:
    """Seconds while they tell something, 3.8 s; then as `clock`."""
    seconds = max(0.0, duration.total_seconds())
    return f"{seconds:.1f} s" if seconds < 60 else clock(duration)


def about(seconds: float) -> str:
    """A duration that is not known well: about 50 s, about 2 minutes."""
    return f"about {seconds:.0f} s" if seconds < 90 else f"about {seconds / 60:.0f} minutes"


def count(number: int, noun: str) -> str:
    """`1 run`, `2 runs`, `2,000 runs`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
