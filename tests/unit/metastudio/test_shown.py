import itertools
import time

import pytest

from orchestrator.metastudio.shown import shown

_PARTS = [
    *("a-", "a.", "a:", "://", "a://", "//", "@", "token", "token ", "token=", "-secret", "password:  ", " "),
    *(
        "Bearer ",
        "Basic a ",
        "Bearer a a=b ",
        "a=b ",
        "?",
        "=",
        '"',
        'signature"',
        "http://a?b=c",
        "\n",
        "\u00e9",
    ),
]


@pytest.mark.parametrize("limit", [60, 500])
def test_no_text_takes_long(limit: int) -> None:
    """Who sends a text may choose it: whatever repeats in it, the time is bounded."""
    for one, other in itertools.product(_PARTS, repeat=2):
        for text in ((one + other) * 10_000, one * 10_000 + other):
            began = time.perf_counter()
            assert len(shown(text, limit)) <= limit
            assert time.perf_counter() - began < 0.2, (one, other)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see https://u:s3cret@h/p?Signature=s3cret now", "see https://h/p?… now"),
        ("https://proxy/https://u:s3cret@h", "https://proxy/https://h"),
        ("x-security-token=s3cret;a", "x-security-token=***;a"),
        ("accessToken: 's3cret'", "accessToken: '***'"),
        ("https://h/p#access_token=s3cret", "https://h/p#access_token=***"),
        ("a\tb\n c", "a b c"),
    ],
)
def test_what_is_secret_is_taken_out(text: str, expected: str) -> None:
    """Users and queries of URLs, tokens, signatures; the rest is one line."""
    assert shown(text, 100) == expected


@pytest.mark.parametrize("before", range(360, 385))
def test_a_cut_shows_no_half_of_a_secret(before: int) -> None:
    """A password whose URL was cut before the sign behind it, in a text that got short."""
    text = "https://h?" + "q" * before + " https://user:s3cret@host/" + "x" * 1000
    assert "s3cr" not in shown(text, 100)
