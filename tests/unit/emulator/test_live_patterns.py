"""Patterns of interaction rules: what they find, and that none takes long."""

import re
import time
from typing import Any

import pytest

from orchestrator.emulator.behaviours.live_patterns import MAX_MATCHED, PatternError, pattern
from tests.unit.emulator.live import room_body

TEXTS = (
    "",
    "How much is the kettle?",
    "price",
    "PRICE of 2 kettles\n",
    "多少钱一个",
    "a1 b22 c333",
    "aab]}{-\n",
)


@pytest.mark.parametrize(
    "text",
    [
        *("price|cost|how much", "(?i)price", "^price$", r"\bkettles?\b", "多少.*[个件]", r"\d{2,3}", "x?"),
        *("(?:a|b)+1", "(?P<name>a+)b", "[]a]{2}", r"[^\w\s]", r"\A$", "a{,2}b", "a{}b|}", "(a|)+b", r"}\{"),
        *(
            "(?s:b.*\n)$",
            "(?m)^.*b$",
            r"\x61a\u0062",
            r"\Bt",
            "(a??)*b",
            "(^|\n)a",
            r"c(3{3}|2){1}\Z",
            "x{0}b",
        ),
    ],
)
def test_a_pattern_finds_what_python_finds(text: str) -> None:
    """In every text."""
    found = [pattern(text).found_in(one) for one in TEXTS]
    assert found == [re.search(text, one) is not None for one in TEXTS]


@pytest.mark.parametrize(
    ("text", "content"),
    [
        *((text, "a" * 999 + "!") for text in ("^(a+)+$", "(a|aa)+$", "(a|a)*$", "(a*)*b", r"(\w+\s?)+$")),
        *((text, "a" * 1000) for text in (".*.*.*.*x", ".*a.*b.*c", "^(([a-z])+.)+[A-Z]", "(a?){60}a{60}b")),
        ("(.*a){25}", "a" * 24 + "b" * 900),
        (r"\s+$", " " * 999 + "x"),
        ("(x+x+)+y", "x" * 1000),
        ("(a|b)*a(a|b){40}c", "abbab" * 200),
        ("((((a?){3}){3}){3}){3}b", "a" * 1000),
        (r"(?i)^(([a-z0-9]+)*\.?)+@", "a" * 1000),
        ("((()*)*)*b", "a" * 1000),
    ],
)
def test_no_pattern_takes_long(text: str, content: str) -> None:
    """Milliseconds, where Python's own search takes years, or seconds at best."""
    begin = time.process_time()
    pattern(text).found_in(content)
    assert time.process_time() - begin < 0.1


@pytest.mark.parametrize(
    "text",
    [
        *("(", "a**", "[a", "(a", "a{2,1}", "\\"),
        *(r"(a)\1", "(?P<n>a)(?P=n)", "(?=a)b", "(?!a)b", "(?<=a)b", "(?<!a)b", "(?>a)", "a*+", "(a)(?(1)b)"),
        *("a{100000}", "(){100000}", "((a{20}){20}){20}", "(" * 30 + "a" + ")" * 30, "[a-z]" * 40, "(?x)a b"),
        "(" * 500 + ")" * 500,
    ],
)
def test_other_patterns_are_refused(tenant: Any, text: str) -> None:
    """MSS.20010110 when the rule is made: what is no pattern, looks around, refers back, or is huge."""
    with pytest.raises(PatternError):
        pattern(text)
    rule = {"event_type": 1, "hit_condition": {"tags": [{"match": "REGEX", "value": text}]}}
    body = room_body(interaction_rules=[rule])
    assert tenant.refused("POST", "/smart-live-rooms", body) == (400, "MSS.20010110")


def test_a_long_text_is_read_in_part() -> None:
    """What stands behind its first thousand characters is not found."""
    assert pattern("x$").found_in("a" * (MAX_MATCHED - 1) + "x")
    assert not pattern("x$").found_in("a" * MAX_MATCHED + "x")


def test_a_pattern_that_a_later_python_may_read_otherwise_is_taken() -> None:
    """Without a warning."""
    assert pattern("[[a]").found_in("[")
