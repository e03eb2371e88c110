"""Expressions: what they mean, and what they must not be able to do."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.expressions import (
    Expression,
    ExpressionError,
    Literal,
    Reference,
    condition,
    parse,
    problems,
    references,
    render,
    truth,
)
from orchestrator.domain.sandbox import SOURCE_LIMIT
from orchestrator.domain.values import RESULT_LIMIT

SCOPE: dict[str, Any] = {
    "inputs": {"title": "Lamp & Co", "count": 3, "tags": ["a", "b"], "nothing": None, "items": "kept"},
    "steps": {"script": {"script_id": "s-1", "size": {"w": 1920}}},
    "row": {"sku": "012", "price": "1e5", "Product name": "Aurora", "enabled": "false"},
    "run": {"id": "r", "name": "n", "failed": False, "status": "running"},
}

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**62), 2**62)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def plain_text(text: str) -> bool:
    return "${{" not in text


@given(st.text().filter(plain_text))
def test_text_without_expressions_is_rendered_as_it_is(text: str) -> None:
    """A text without `${{` comes out unchanged, whatever else is in it."""
    assert render(text, {}) == text
    assert problems(text) == []


@given(json_values)
def test_a_lone_expression_keeps_the_value_and_its_type(value: Any) -> None:
    """A value that is nothing but one expression is the expression's value."""
    result = render("${{ inputs.x }}", {"inputs": {"x": value}})
    assert result == value
    assert json.dumps(result) == json.dumps(value)


@given(st.text())
def test_any_text_can_be_written_with_the_escape(text: str) -> None:
    """`$${{` writes `${{`, so that every text can be said."""
    if "$${{" not in text:
        assert render(text.replace("${{", "$${{"), {}) == text


@given(st.text(alphabet="${}'\"ab .|[]()\\", max_size=40))
def test_rubbish_is_refused_or_rendered_but_never_crashes(text: str) -> None:
    """Whatever stands between braces ends as a value or as an ExpressionError, and both ways agree."""
    found = problems(text)
    try:
        parse(text)
        references(text)
        render(text, SCOPE)
    except ExpressionError:
        return
    assert found == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${{ inputs.title }}", "Lamp & Co"),
        ("${{inputs.count}}", 3),
        ("n=${{ inputs.count }}!", "n=3!"),
        ("${{ inputs.count + 1 }}", 4),
        ("${{ 7 // 2 }}${{ 7 % 2 }}", "31"),
        ("${{ row.sku }}", "012"),
        ("${{ row.price }}", "1e5"),
        ('${{ row["Product name"] }}', "Aurora"),
        ("${{ inputs.items }}", "kept"),
        ("${{ inputs.nothing }}", None),
        ("${{ true }} ${{ false }}", "true false"),
        ("${{ inputs.tags }} ${{ {'a': 1} }}", '["a", "b"] {"a": 1}'),
        ("${{ {'a': {'b': 1}} }}", {"a": {"b": 1}}),
        ("${{ '}}' ~ 1 }}", "}}1"),
        ("${{ inputs.tags[0] ~ inputs.tags[-1] }}", "ab"),
        ("${{ inputs.title[:4] }}", "Lamp"),
        ("${{ 'big' if inputs.count > 2 else 'small' }}", "big"),
        ("${{ inputs.missing is defined }}", False),
        ("${{ steps.nobody.id is not defined and not run.failed }}", True),
        ("${{ inputs.missing.deeper | default('x') }}", "x"),
        ("${{ inputs.nothing | default('x') }}", "x"),
        ("${{ inputs.title | lower | replace(' & ', '_') }}", "lamp_co"),
        ("${{ ' a ' | trim | upper }}", "A"),
        ("${{ inputs.tags | join(', ') }} ${{ inputs.tags | length }}", "a, b 2"),
        ("${{ 'Größe 42: 新品!' | slug }}", "grösse-42-新品"),
        ("${{ inputs.title | ssml_escape }}", "Lamp &amp; Co"),
        ("${{ inputs.tags | json }}", '["a", "b"]'),
        ("${{ 'a/b/c.tar.gz' | basename }} ${{ 'a/b.png' | stem }}", "c.tar.gz b"),
        ("${{ row.sku | int }}", 12),
        ("${{ row.price | float }}", 100000.0),
        ("${{ inputs.count | string }}", "3"),
        ("$${{ inputs.title }}", "${{ inputs.title }}"),
        ("a ${{\n inputs.count\n}} b", "a 3 b"),
    ],
)
def test_values(text: str, value: Any) -> None:
    """Each operator and filter does what the reference page says."""
    result = render(text, SCOPE)
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    ("text", "offset", "words"),
    [
        ("ab ${{ inputs.x ", 3, "no closing"),
        ("${{ }}", 3, "empty"),
        ("${{ a b }}", 4, "after 'b'"),
        ("${{ a | lowr }}", 4, "did you mean 'lower'?"),
        ("${{ a is odd }}", 4, "no test 'odd'"),
        ("${{ a if b }}", 4, "needs an `else`"),
        ("${{ (1, 2) }}", 4, "[a, b]"),
        ("${{ a | default(x=1) }}", 4, "by position"),
        ("${{ 'open }}", 0, "no closing"),
        ("${{ " + "a" * SOURCE_LIMIT + " }}", 4, "longer than"),
    ],
)
def test_mistakes_of_syntax_have_a_place(text: str, offset: int, words: str) -> None:
    """An expression that cannot be read says where and why."""
    ((place, message),) = problems(text)
    assert place == offset
    assert words in message
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert caught.value.offset == offset


def test_every_mistake_of_a_text_is_found() -> None:
    """Two broken expressions in one text are two problems."""
    assert [offset for offset, _ in problems("${{ }} and ${{ a b }} and ${{ run.id }}")] == [3, 15]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("${{ inputs.titel }}", "there is no 'titel', did you mean 'title'?"),
        ("${{ nobody }}", "'nobody' is undefined"),
        ("${{ inputs.tags[9] }}", "there are 2"),
        ("x${{ inputs.nothing }}", "the value is none"),
        ("${{ inputs.nothing.deeper }}", "a none has no member"),
        ("${{ row.price * 2 }}", "not for text and number"),
        ("${{ 1 + row.sku }}", "`~` joins"),
        ("${{ inputs.title | int }}", "not a whole number"),
        ("${{ inputs.count | lower }}", "a text is needed"),
        ("${{ 1 // 0 }}", "ZeroDivisionError"),
        ("${{ [inputs.missing] }}", "there is no 'missing'"),
        ("${{ inputs.title < 3 }}", "TypeError"),
    ],
)
def test_a_missing_value_is_an_error_that_names_the_expression(text: str, words: str) -> None:
    """No value means an error, never an empty text."""
    with pytest.raises(ExpressionError, match=r"\$\{\{ ") as caught:
        render(text, SCOPE)
    assert words in str(caught.value)


def test_errors_do_not_quote_values() -> None:
    """A value may be secret: messages hold names and kinds only."""
    scope = {"inputs": {"key": "TOPSECRET", "n": 1}}
    for text in (
        "${{ inputs.key * 2 }}",
        "${{ inputs.key | int }}",
        "${{ inputs.key < inputs.n }}",
        "${{ inputs.key.x }}",
    ):
        with pytest.raises(ExpressionError) as caught:
            render(text, scope)
        assert "TOPSECRET" not in str(caught.value)


@pytest.mark.parametrize(
    "source",
    [
        "''.__class__.__mro__",
        "inputs.__class__",
        "inputs['title'].format(inputs)",
        "inputs.title.upper()",
        "inputs.items()",
        "range(10)",
        "lipsum()",
        "cycler.__init__.__globals__",
        "self.__init__",
        "joiner",
        "namespace(x=1)",
        "dict(a=1)",
        "inputs | attr('__class__')",
        "[1, 2] | map('upper')",
        "'%s' | format('x')",
        "2 ** 9999",
        "'a' * 1000000000",
        "[0] * 1000000000",
        "'%1000000000d' % 1",
        "'x'.center(1000000000)",
        "('x' | center(1000000000))",
        "9999999999 * 9999999999 * 9999999999",
        "1e308 * 10",
        "('9' * 5000) | int",
        "(" * 300 + "1" + ")" * 300,
        "-" * 900 + "1",
        "not " * 240 + "1",
        "[" * 400 + "]" * 400,
        "*".join("9" for _ in range(400)),
        "{%- for x in inputs -%}",
        "x.y = 1",
        "lambda: 1",
        "inputs.tags | join(*inputs.tags)",
        "caller()",
        "_('x')",
        "''['__class__']",
        "inputs.tags['append']",
    ],
)
def test_attacks_end_as_errors_at_once(source: str) -> None:
    """Neither escape nor cost: every known trick is refused, quickly."""
    started = time.perf_counter()
    with pytest.raises(ExpressionError):
        render("${{ " + source + " }}", SCOPE)
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize(
    "source",
    [
        "big + big",
        "big ~ big",
        "[big, big] | join",
        "big | replace('x', 'yy')",
        "[big, big] | json",
        "[big, big]",
        "big | upper | ssml_escape ~ big",
    ],
)
def test_results_are_bounded(source: str) -> None:
    """What expressions make of large values stays below the limit."""
    with pytest.raises(ExpressionError, match="larger than"):
        render("${{ " + source + " }}", {"big": "x" * (RESULT_LIMIT - 10)})


def test_the_whole_rendered_value_is_bounded() -> None:
    """Many small templates together share one limit."""
    with pytest.raises(ExpressionError, match="larger than"):
        render(["${{ big }}"] * 40, {"big": "x" * 50_000})


def test_only_plain_data_comes_out() -> None:
    """An object in the scope can neither be used nor returned."""

    class Thing:
        secret = "x"

        def __str__(self) -> str:
            return self.secret

    for source in ("thing", "thing.secret", "thing | string", "[thing]", "thing ~ 'a'"):
        with pytest.raises(ExpressionError):
            render("${{ " + source + " }}", {"thing": Thing()})


@pytest.mark.parametrize("value", ["a\ud800", {"\udfff": 1}, [["\udc00"]]])
def test_half_a_character_does_not_come_out(value: Any) -> None:
    """Nothing can write it down; whole ones beyond the first plane pass."""
    for text in ("${{ inputs.title }}", "x ${{ inputs.title }}"):
        with pytest.raises(ExpressionError, match=r"half a character \(U\+D"):
            render(text, {"inputs": {"title": value}})
    assert render("${{ inputs.title }}", {"inputs": {"title": "\U0001f600"}}) == "\U0001f600"


def test_what_comes_out_is_a_copy() -> None:
    """Changing a rendered value does not change the scope."""
    scope = {"inputs": {"tags": ["a"]}}
    render("${{ inputs.tags }}", scope).append("b")
    assert scope == {"inputs": {"tags": ["a"]}}


def test_nested_values_are_rendered_and_keys_are_not() -> None:
    """Lists and mappings are gone through; keys stay as they are."""
    value = {"${{ k }}": [{"n": "${{ inputs.count }}"}, 1, None, True]}
    assert render(value, SCOPE) == {"${{ k }}": [{"n": 3}, 1, None, True]}


def test_references_have_paths_and_offsets() -> None:
    """Every name is found with its constant members and its place, wherever it stands."""
    text = "x ${{ steps.script.script_id if row['Product name'] is defined else inputs.tags[0] | default(run.name) }}"
    found = sorted(references(text), key=lambda name: name.offset)
    assert [(str(name), name.path) for name in found] == [
        ("steps.script.script_id", ("script", "script_id")),
        ("row.Product name", ("Product name",)),
        ("inputs.tags.0", ("tags", "0")),
        ("run.name", ("name",)),
    ]
    assert all(text[name.offset :].startswith(name.root) for name in found)
    assert references({"a": ["${{ row[inputs.column] }}"]}) == {
        Reference("row", (), 4),
        Reference("inputs", ("column",), 8),
    }


def test_filters_tests_and_words_are_no_references() -> None:
    """`lower`, `defined`, `and` are part of the language, not names to look up."""
    names = references("${{ a | lower and b is not none or not (c in [true, none]) and 'd' == \"e\" }}")
    assert {name.root for name in names} == {"a", "b", "c"}


def test_parts_know_their_offsets() -> None:
    """A template is its literal parts and its expressions, each with its place."""
    assert parse("ab${{ c }}d").parts == (Literal("ab", 0), Expression(" c ", 5), Literal("d", 10))


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("${{ run.failed }}", False),
        ("not run.failed", True),
        ("true", True),
        ("${{ row.enabled }}", False),
        ("${{ inputs.nothing }}", False),
        ("${{ inputs.tags }}", True),
        ("inputs.count == 3 and inputs.title != ''", True),
        ("${{ '' }}", False),
        ("${{ 'Yes' }}", True),
    ],
)
def test_conditions(text: str, *, holds: bool) -> None:
    """A condition works with and without braces, and the cell "false" does not hold."""
    assert truth(text, SCOPE) is holds


def test_a_text_is_no_condition() -> None:
    """A text that is neither true nor false is a mistake, not true for not being empty."""
    with pytest.raises(ExpressionError, match="neither true nor false"):
        truth("${{ inputs.title }}", SCOPE)
    with pytest.raises(ExpressionError):
        condition("a b")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("run.id +", "it ends too early"),
        ("run.id |", "it ends too early; a name is missing"),
        ("(run.id", "it ends too early; `)` is missing"),
        ("run.id)", "`)` cannot stand there"),
        ("run.", "behind a dot stands a name or a number"),
        ("run.id ? 1", "`?` is no part of the language"),
        ("run.id && 1", "`&` is no part of the language: write `and`"),
        ("run.id || 1", "a name is missing before `|`: write `or`"),
        ("!run.id", "`!` is no part of the language: write `not`"),
    ],
)
def test_mistakes_of_syntax_are_told_in_plain_words(source: str, words: str) -> None:
    """No word of templates and tokens, which the writer of an expression does not know."""
    ((_, message),) = problems("${{ " + source + " }}")
    assert message.startswith(f"cannot read the expression: {words}")
    assert "template" not in message
    assert "token" not in message
