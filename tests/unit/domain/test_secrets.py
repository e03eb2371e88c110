"""Secrets in expressions: handed on and joined, and nothing else; and how they are put in and taken out."""

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain import events as ev
from orchestrator.domain.expressions import ExpressionError, render, truth
from orchestrator.domain.filters import FILTERS
from orchestrator.domain.ids import StepId
from orchestrator.domain.secrets import (
    Mask,
    UnknownSecretError,
    displayed,
    filled,
    is_placeholder,
    marked,
    names_in,
    placeholder,
    shown,
    spellings,
)

TOKEN = placeholder("Token")
SCOPE = {"inputs": {"token": TOKEN, "names": ["a", TOKEN], "nested": {"a": [TOKEN]}, "n": 2, "none": None}}
VALUE = 'p4ss "wörd"/é&'


def value(source: str) -> Any:
    return render("${{ " + source + " }}", SCOPE)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("${{ inputs.token }}", TOKEN),
        ("Bearer ${{ inputs.token }}!", f"Bearer {TOKEN}!"),
        ("${{ 'a' ~ inputs.token ~ 1 }}", f"a{TOKEN}1"),
        ("${{ 'a' + inputs.token }}", f"a{TOKEN}"),
        ("${{ inputs.names | join('-') }}", f"a-{TOKEN}"),
        ("${{ inputs.token | default('x') }}", TOKEN),
        ("${{ inputs.token | string }}", TOKEN),
        ("${{ inputs.token if inputs.n > 1 else 'x' }}", TOKEN),
        ("${{ inputs.nested }}", {"a": [TOKEN]}),
        ("${{ inputs.names | last }}", TOKEN),
        ("${{ inputs.none is none and inputs.token is string }}", True),
    ],
)
def test_a_secret_is_handed_on_and_joined(text: str, result: Any) -> None:
    """Its name goes wherever its value will have to be."""
    assert render(text, SCOPE) == result


@pytest.mark.parametrize(
    "source",
    [
        "inputs.token == 'x'",
        "inputs.token != 'x'",
        "inputs.token < 'x'",
        "'x' in inputs.token",
        "inputs.token in ['x']",
        "inputs.names == ['a', 'b']",
        "['a'] == inputs.names",
        "inputs.nested == {}",
        "inputs.token[0]",
        "inputs.token[-1]",
        "inputs.token[:3]",
        "inputs.names[1][0]",
        "inputs[inputs.token]",
        "{inputs.token: 1}",
        "inputs.token | length",
        "inputs.names | json",
        "'' ~ inputs.names",
        "inputs.names | sort",
        "inputs.names | unique",
        "inputs.token * 2",
        "[{'a': inputs.token}] | select('a', 'x')",
        "[{'a': 1}] | select('a', inputs.token)",
        "[{'a': inputs.token}] | map(inputs.token)",
    ],
)
def test_nothing_else_can_be_done_with_one(source: str) -> None:
    """An error, which does not show the marks around its name."""
    with pytest.raises(ExpressionError) as caught:
        value(source)
    assert not marked(str(caught.value))


@pytest.mark.parametrize(
    "name", sorted(FILTERS.keys() - {"default", "string", "join", "first", "last", "reverse"})
)
def test_no_filter_transforms_one(name: str) -> None:
    """Those of texts refuse it; those of lists and mappings are not for a text at all."""
    arguments = {"replace": "('a', 'b')", "truncate": "(3)", "pad": "(3)", "fixed": "(1)", "date": "('%d')"}
    arguments |= {
        "add_days": "(1)",
        "map": "('a')",
        "select": "('a')",
        "reject": "('a')",
        "ssml_phoneme": "('a')",
    }
    with pytest.raises(ExpressionError):
        value(f"inputs.token | {name}{arguments.get(name, '')}")


def test_a_condition_is_not_made_of_one() -> None:
    """Whether a secret is true is nobody's business."""
    with pytest.raises(ExpressionError):
        truth("inputs.token", SCOPE)


def test_values_are_put_in_everywhere_but_in_keys() -> None:
    """In texts, lists and mappings, as often as they stand there."""
    given_value = {"a": [f"x{TOKEN}y{TOKEN}", 1], "b": {"c": TOKEN}, TOKEN: None}
    assert filled(given_value, {"token": "v"}) == {"a": ["xvyv", 1], "b": {"c": "v"}, TOKEN: None}
    with pytest.raises(UnknownSecretError):
        filled(TOKEN, {"other": "v"})


@given(st.text(min_size=8).filter(lambda text: len(text.strip()) >= 8 and not marked(text)))
def test_what_comes_back_is_masked_in_every_spelling(secret: str) -> None:
    """As it was sent, as an address has it, as JSON writes it, as Python shows it."""
    mask = Mask({"token": secret})
    for spelling in (
        secret,
        quote(secret),
        quote(secret, safe=""),
        json.dumps(secret)[1:-1],
        repr(secret)[1:-1],
    ):
        assert spelling in spellings(secret)
        assert mask.text(spelling) == "«token»"
        assert mask.text(f"<{spelling}>") == "<«token»>"
    assert mask.data({"a": [secret, {"b": (secret, 5)}], secret: None}) == {
        "a": ["«token»", {"b": ("«token»", 5)}],
        "«token»": None,
    }


def test_a_longer_secret_goes_first() -> None:
    """One that holds another leaves nothing of itself behind."""
    mask = Mask({"short": "abcdefgh", "long": "abcdefghij"})
    assert mask.text("abcdefghij abcdefgh") == "«long» «short»"


def test_marks_from_outside_are_taken_out() -> None:
    """An answer cannot pass for a secret of ours."""
    mask = Mask({"token": VALUE})
    assert mask.text(f"a{TOKEN}b") == "a«token»b"
    assert not marked(mask.text("a\ufdd0b\ufdd1\ufdd1"))


def test_events_are_masked_whole() -> None:
    """Outputs, errors, correlations; what is no text keeps its type."""
    mask = Mask({"token": VALUE})
    at = datetime(2026, 1, 1, tzinfo=UTC)
    failed = ev.StepFailed(StepId("s"), 1, ev.ErrorInfo(f"bad {VALUE}", f"not {VALUE}"), at)
    masked = mask.event(failed)
    assert (masked.error.message, masked.error.hint) == ("bad «token»", "not «token»")
    assert masked.error.retry is failed.error.retry
    assert masked.next_attempt_at is at
    assert mask.event(ev.StepSucceeded(StepId("s"), 1, {"a": VALUE})).outputs == {"a": "«token»"}


def test_names_are_told_apart_from_texts() -> None:
    """A placeholder is one secret and nothing else; people see its name."""
    assert is_placeholder(TOKEN)
    assert not is_placeholder(f"{TOKEN}x")
    assert not is_placeholder("\ufdd0no name\ufdd1")
    assert names_in({"a": [f"x{TOKEN}"]}) == {"token"}
    assert shown(f"a {TOKEN}") == "a «token»"
    assert displayed({TOKEN: [f"a {TOKEN}", 1, None]}) == {"«token»": ["a «token»", 1, None]}
