"""Schedules: what cron and the time zone take."""

import re

import pytest

from orchestrator.definition.schedule import cron, timezone


@pytest.mark.parametrize(
    "text", ["0 9 * * 1-5", "*/15 0-6/2 1,15 jan-mar mon,FRI", "59 23 31 12 7", "  0 0  * * *  "]
)
def test_usual_times_are_taken(text: str) -> None:
    """Numbers, names, lists, ranges and steps, kept as written."""
    assert cron(text) == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("99 * * * *", "the minute '99' is not between 0 and 59"),
        ("* 24 * * *", "the hour '24' is not between 0 and 23"),
        ("* * 0 * *", "the day '0' is not between 1 and 31"),
        ("* * * 13 *", "the month '13' is not between 1 and 12 or one of jan, feb"),
        ("* * * * 8", "the weekday '8' is not between 0 and 7 or one of sun, mon"),
        ("* * * * funday", "the weekday 'funday' is not between"),
        ("30-10 * * * *", "the minute range '30-10' runs backwards"),
        ("*/0 * * * *", "the minute step /0 is not between 1 and 59"),
        ("1,,2 * * * *", "the minute '' is not"),
        ("-5 * * * *", "the minute '-5' is not"),
        ("² * * * *", "the minute '²' is not"),
        ("@daily", "has to have 5 fields"),
        ("* * * * * *", "it has 6"),
    ],
)
def test_impossible_times_are_refused(text: str, words: str) -> None:
    """The field is named, with what it may be."""
    with pytest.raises(ValueError, match=re.escape(words)):
        cron(text)


@pytest.mark.parametrize("name", ["UTC", "Asia/Singapore", "Europe/Berlin"])
def test_time_zones_are_known(name: str) -> None:
    """Names of the IANA database."""
    assert timezone(name) == name


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Mars/X", "there is no time zone 'Mars/X'; write one such as Europe/Berlin, or UTC"),
        ("Asia/Singapur", "did you mean 'Asia/Singapore'?"),
        ("../../etc/passwd", "there is no time zone"),
        ("Asia", "there is no time zone 'Asia'"),
        ("x\0y", "there is no time zone"),
    ],
)
def test_other_names_are_refused(name: str, words: str) -> None:
    """Neither paths nor parts of names nor misspellings pass."""
    with pytest.raises(ValueError, match=re.escape(words)):
        timezone(name)


def test_what_is_no_text_is_left_to_the_type_check() -> None:
    """A number is told to be one, not to lack fields."""
    assert cron(5) == 5
    assert timezone(5) == 5
