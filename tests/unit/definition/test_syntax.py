"""YAML that cannot be read: the place and plain words."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.definition.tree import read


def said(text: str) -> str:
    (problem,) = read("f.yaml", text.encode())[0].problems
    return str(problem).removeprefix("f.yaml:")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "steps:\n  a:\n    uses: x\n     with: {}\n",
            "4:6: D104 this line is indented by 5, the one above by 4 (indent it by 0, 2 or 4, like the lines that it belongs with)",
        ),
        (
            "steps:\n    a: {uses: x}\n  b: {uses: y}\n",
            "3:3: D104 this line is indented by 2, the one above by 4 (indent it by 0 or 4, like the lines that it belongs with)",
        ),
        (
            "a:\n- b: 1\n c: 2\n",
            "3:2: D104 this line is indented by 1, the one above by 0 (indent it by 0 or 2, like the lines that it belongs with)",
        ),
        ("a:\n  b: 1\n  - y\n", "3:3: D104 an entry of a list stands among keys (indent it below the key"),
        ("a:\n  - x\n  y: 1\n", "3:3: D104 a key stands among the entries of a list (indent it differently"),
        (
            "a: {seconds: ${{ inputs.t }}}\n",
            '1:14: D104 an expression inside { } or [ ] needs quotes (write "${{ … }}")',
        ),
        ("a: [x, ${{ inputs.t }}]\n", "1:8: D104 an expression inside { } or [ ] needs quotes"),
        ("a: 'x\nb: 1\n", "1:4: D104 the quote that opens here is not closed"),
        ("a: 'x\n---\nb: 1\n", "1:4: D104 the quote that opens here is not closed before `---` or `...`"),
        ("a: 'it's'\n", "1:8: D104 text stands behind the closing quote"),
        ('a: "\\d"\n', r"1:6: D104 inside double quotes, \d has no meaning (use single quotes"),
        ("a: {b: 1\n", "1:4: D104 the `{` that opens here is not closed"),
        ("a: [b, 1\nc: 2\n", "2:2: D104 a comma is missing, or the `[` of line 1 is not closed"),
        ("a: {b: 1 c: 2}\n", "1:11: D104 a comma is missing"),
        ("a: {b: 1}}\n", "1:10: D104 `}` closes nothing"),
        ("a: b: c\n", "1:5: D104 a text that holds `: ` needs quotes"),
        ("a:1\nb: 2\n", "1:2: D104 a blank is missing behind the colon (write `key: value`)"),
        ("a: 1\nfoo\nb: 2\n", "2:1: D104 a key without a colon behind it"),
        ("a: - b\n", "1:4: D104 a list begins on the line of its key"),
        ("a: @x\n", "1:4: D104 a text cannot begin with @ (put it into quotes)"),
        ("a: ,x\n", "1:4: D104 a value cannot begin with ,"),
        ("a: *\n", "1:4: D104 a text cannot begin with *"),
        ("[a]\nb: 1\n", "2:1: D104 nothing may stand behind the end of the definition"),
        ("a: &x &y 1\n", "1:7: D104 this stands where the next key has to begin"),
        ("a: |x\n  b\n", "1:5: D104 behind | and > no text may stand"),
        ("a: !e!x 1\n", "1:4: D104 a tag (`!…`) cannot be read"),
    ],
)
def test_mistakes_of_syntax_are_told_in_plain_words(text: str, problem: str) -> None:
    """Where the hand has to go, what is wrong there and what to write."""
    assert said(text).startswith(problem)


@given(st.text(alphabet="ab: -\n{}[]'\"$|>#&*!,?@\t", max_size=40))
def test_every_mistake_has_a_place_and_no_word_of_the_parser(text: str) -> None:
    """Whatever stops the parser, its tokens are not shown."""
    for problem in read("f.yaml", text.encode())[0].problems:
        assert problem.line >= 1
        assert problem.col >= 1
        assert not re.search(r"<block|<scalar>|simple key|flow (mapping|sequence)", problem.message)
