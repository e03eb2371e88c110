"""Filters: each does what its examples say, and none can be made to cost much."""

import inspect
import json
import random
import tracemalloc
from datetime import UTC, datetime
from typing import Any

import pytest

from orchestrator.domain import events as ev
from orchestrator.domain.expressions import ExpressionError, problems, render
from orchestrator.domain.filters import FILTERS, GROUPS, TESTS
from orchestrator.domain.ids import DefinitionHash, RunId, RunKey
from orchestrator.domain.pipeline import Pipeline
from orchestrator.domain.run import RunState
from orchestrator.domain.values import RESULT_LIMIT, WORK_LIMIT


def examples() -> list[tuple[str, str, str]]:
    found = []
    for name, made in FILTERS.items():
        for line in inspect.cleandoc(made.__doc__ or "").splitlines():
            if " → " in line:
                given, result = line.split(" → ")
                found.append((name, given.strip(), result.strip()))
    return found


def value(source: str, **scope: Any) -> Any:
    return render("${{ " + source + " }}", scope)


@pytest.mark.parametrize(("name", "given", "result"), examples())
def test_every_example_is_true(name: str, given: str, result: str) -> None:
    """What the reference page shows of a filter is what the filter does."""
    assert f"| {name}" in given
    assert value(given) == value(result)
    assert type(value(given)) is type(value(result))


@pytest.mark.parametrize("name", FILTERS)
def test_every_filter_says_what_it_is_for(name: str) -> None:
    """With an example, unless what it takes comes from steps."""
    made = FILTERS[name]
    assert made.__doc__
    assert name == "scenes" or any(name == known for known, _, _ in examples())


def test_the_groups_hold_every_filter_once() -> None:
    """The page lists what there is."""
    names = [name for group in GROUPS.values() for name in group]
    assert sorted(names) == sorted(FILTERS)
    assert all(callable(made) for made in TESTS.values())


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("'a' | replace('b')", "the filter 'replace' takes 2 arguments, not 1"),
        ("'a' | upper(1)", "the filter 'upper' takes no arguments, not 1"),
        ("[1] | join(',', 2)", "the filter 'join' takes 0 to 1 argument, not 2"),
        ("'a' | uper", "did you mean 'upper'?"),
        ("'a' | regex_replace('a', 'b')", "there is no filter 'regex_replace'"),
    ],
)
def test_mistakes_are_found_before_anything_runs(source: str, words: str) -> None:
    """A filter that does not exist, and arguments that are too few or too many."""
    ((_, message),) = problems("${{ " + source + " }}")
    assert words in message


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("'x' | date('%d')", "not a date"),
        ("'2026-02-30' | date('%d')", "not a date"),
        ("'2026-02-28' | date('%Q')", "knows no '%Q'"),
        ("'2026-02-28' | date('%100000000d')", "knows no '%1'"),
        ("'9999-12-31' | add_days(1)", "no such date"),
        ("100 | ssml_break", "200 to 10,000"),
        ("'a' | ssml_phoneme(' ')", "needs the sounds"),
        ("[] | first", "the list is empty"),
        ("'abc' | first", "for a list, not for text"),
        ("[1, 'a'] | sort", "for numbers or for texts, not for number and text"),
        ("[{'a': 1}] | sort", "Name a member"),
        ("[{'a': 1}, {}] | map('a')", "item 2 of the list has no 'a'"),
        ("[1] | map('a')", "item 1 of the list is number"),
        ("['1'] | sum", "`sum` is for numbers"),
        ("10001 | range", "0 to 10,000"),
        ("'{' | from_json", "not JSON"),
        ("'NaN' | from_json", "not JSON"),
        (r"""('{"a": "' ~ '\\' ~ 'ufdd0team' ~ '\\' ~ 'ufdd1"}') | from_json""", "U+FDD0"),
        (r"""('"' ~ '\\' ~ 'ud800"') | from_json""", "half a character"),
        (r"'\ufdd0team\ufdd1'", "U+FDD0"),
        ("1 | keys", "for a mapping, not for number"),
        ("'abc' | truncate(0)", "1 to 1,000,000"),
        ("'abcdef' | truncate(2, '...')", "longer than the whole"),
        ("'abc' | split('')", "something to split at"),
        ("1 | pad(5, 'ab')", "one character"),
        ("1.5 | round(99)", "0 to 15"),
        ("[{'a': 'perhaps'}] | select('a')", "neither true nor false"),
    ],
)
def test_what_cannot_be_done_says_why(source: str, words: str) -> None:
    """Each refusal names the reason, and not the value."""
    with pytest.raises(ExpressionError) as caught:
        value(source)
    assert words in f"{caught.value.message} {caught.value.hint}"


def test_a_missing_value_is_told_by_every_filter() -> None:
    """None of them takes what is not there for something."""
    for name in FILTERS:
        if name == "default":
            continue
        arguments = [1] * sum(
            one.default is one.empty for one in list(inspect.signature(FILTERS[name]).parameters.values())[1:]
        )
        call = (
            f"inputs.nobody | {name}({', '.join(map(str, arguments))})"
            if arguments
            else f"inputs.nobody | {name}"
        )
        with pytest.raises(ExpressionError, match="there is no 'nobody'"):
            value(call, inputs={})


@pytest.fixture(scope="module")
def hostile() -> dict[str, Any]:
    """Data as large as somebody might give, and larger."""
    numbers = list(range(100_000))
    random.Random(1).shuffle(numbers)
    nested: Any = 0
    for _ in range(900):
        nested = [nested]
    return {
        "big": "x" * (RESULT_LIMIT - 1),
        "accents": "é" * (RESULT_LIMIT - 1),
        "words": "ab " * 300_000,
        "numbers": numbers,
        "million": [0] * 1_000_000,
        "texts": ["a" * 1_000 + str(number) for number in range(4_000)],
        "maps": [{"n": number, "s": str(number)} for number in range(60_000)],
        "nested": nested,
        "wide": {f"key_{number}_{'x' * 40}": number for number in range(50_000)},
        "open": "[" * 130_000,
        "objects": "[" + ",".join(["{}"] * 40_000) + "]",
    }


@pytest.mark.parametrize(
    "source",
    [
        "million | sort",
        "million | sum",
        "million | unique",
        "million | join",
        "million | json",
        "million",
        "million == million",
        "million[::2] | length",
        "(million + million) | length",
        "numbers | sort | length",
        "numbers | json | length",
        "texts | sort | length",
        "maps == maps",
        "maps | unique | length",
        "maps | map('s') | join | length",
        "maps | select('n', 3) | sort('s') | map('n') | json | from_json",
        "nested == nested",
        "nested | json",
        "wide | keys | sort | length",
        "wide.kez",
        "big | upper | lower | upper | lower | length",
        "|".join(["big", *["upper"] * 160, "length"]),
        "accents | ssml_escape | title | slug",
        "words | split | length",
        "words | title | split(' ') | length",
        "big | replace('x', 'yyyyyyyyyyyyy')",
        "big | split('x') | length",
        "big ~ big ~ big",
        "[big] | join(big)",
        "[big, big, big] | join(big)",
        "big | truncate(1000000) | truncate(999999) | length",
        "'2026-01-01' | date(big)",
        "'2026-01-01' | add_days(99999999999999999999)",
        "9999999999 | range",
        "10000 | range | json",
        "1 | pad(9999999999)",
        "big | basename",
        "open | from_json",
        "objects | from_json | json | from_json | json | from_json | length",
        " and ".join(["big in big"] * 60),
        " and ".join(["numbers == numbers"] * 40),
        "[" * 100 + "]" * 100,
        "'" + "[[" * 400 + "' | from_json",
    ],
)
def test_hostile_expressions_end_as_the_limits_have_it(source: str, hostile: dict[str, Any]) -> None:
    """A value within the limits, or a refusal: no clock, no thread, no signal has to end it."""
    try:
        made = value(source, **hostile)
    except ExpressionError:
        return
    assert len(json.dumps(made)) <= 2 * RESULT_LIMIT


@pytest.mark.parametrize(
    "source",
    [
        "numbers | json | length",
        "accents | upper | length",
        "words | split | length",
        "big ~ big",
        "[big, big, big] | join(big)",
        "10000 | range | json | from_json",
        "objects | from_json | length",
        "texts | sort | length",
    ],
)
def test_hostile_expressions_take_little_memory(source: str, hostile: dict[str, Any]) -> None:
    """A few megabytes, whatever they are given."""
    tracemalloc.start()
    try:
        value(source, **hostile)
    except ExpressionError:
        pass
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 20 * 1024 * 1024


def test_the_work_of_a_whole_rendered_value_is_bounded() -> None:
    """Many expressions that each stay below the limit do not add up."""
    scope = {"big": "x" * (WORK_LIMIT // 8)}
    assert render("${{ big | upper | length }}", scope) == WORK_LIMIT // 8
    with pytest.raises(ExpressionError, match="too much work"):
        render(["${{ big | upper | length }}"] * 20, scope)


def test_missing_members_cost_nothing_until_they_are_told() -> None:
    """Looking for the name that was meant is slow: a default does without."""
    scope = {"wide": {f"column_{number}": number for number in range(1_000)}}
    assert render([f"${{{{ wide.none_{n} | default(0) }}}}" for n in range(60)], scope) == [0] * 60
    with pytest.raises(ExpressionError, match="did you mean 'column_7'"):
        value("wide.colum_7", **scope)


def test_a_run_has_a_day_and_no_clock() -> None:
    """`run.date` and `run.created_at` are those of its beginning, however late they are read."""
    state = RunState(RunId("r"), Pipeline("p"))
    at = datetime(2026, 3, 1, 23, 59, 30, tzinfo=UTC)
    state.apply(ev.Event(RunId("r"), 1, at, ev.RunCreated("n", "p", DefinitionHash("d"), RunKey("k"), {})))
    shown = render("${{ run.date }} ${{ run.created_at | date('%H:%M') }}", state.scope())
    assert shown == "2026-03-01 23:59"
