"""Inputs of the type `secret`: named in a run, set in the settings, given by nobody."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

from orchestrator.definition.prepare import Prepared, prepare
from orchestrator.definition.problems import Code, DefinitionError
from orchestrator.definition.secret_inputs import Trust
from orchestrator.domain.ids import StepId
from orchestrator.domain.pipeline import InputSpec, Pipeline, Step
from orchestrator.domain.secrets import placeholder
from tests.unit.definition.conftest import Check

INPUTS = {
    "token": InputSpec("secret"),
    "other": InputSpec("secret", options={"from": "SHARED_KEY"}),
    "title": InputSpec("string", required=False, default="x"),
    "maybe": InputSpec("secret", required=False),
}


def prepared(
    given: dict[str, Any],
    known: Collection[str] | None = ("token", "shared_key"),
    handed_on: Collection[str] = (),
    **more: Any,
) -> Prepared:
    rows = more.pop("rows", None)
    pipeline = Pipeline("p", inputs=INPUTS, folder=more.pop("folder", "."), **more)
    return prepare(pipeline, given, rows, region="cn-north-4", trust=Trust(known, handed_on))


def refused(*arguments: Any, **more: Any) -> str:
    with pytest.raises(DefinitionError) as caught:
        prepared(*arguments, **more)
    return caught.value.message


def test_the_name_stands_for_the_value() -> None:
    """That of the input, or the one that `from` says; one that is not needed and not set is none."""
    assert prepared({}).inputs == {
        "token": placeholder("token"),
        "other": placeholder("shared_key"),
        "title": "x",
        "maybe": None,
    }


def test_one_that_is_not_set_is_a_mistake_with_advice() -> None:
    """Before anything is called; it says what to set."""
    told = refused({}, known=("shared_key",))
    assert "D502 the secret 'token' is not set" in told
    assert "ORCHESTRATOR_SECRETS__TOKEN" in told


def test_nobody_gives_the_value() -> None:
    """Command lines and tables are seen by others; the refusal does not repeat it."""
    told = refused({"token": "hunter22"})
    assert "neither given with -i nor in a table" in told
    assert "hunter22" not in told


@pytest.mark.parametrize("value", [placeholder("token"), "a\ufdd0b", ["x\ufdd1"], {"a": "\ufdd0"}])
@pytest.mark.parametrize("name", ["title", "token"])
def test_nobody_smuggles_a_name_in(name: str, value: Any) -> None:
    """What comes from outside holds no marks."""
    assert "U+FDD0, U+FDD1" in refused({name: value})


def test_no_cell_smuggles_a_name_in(tmp_path: Path) -> None:
    """Neither in a column that is an input nor in any other."""
    table = tmp_path / "t.csv"
    table.write_text(f"sku,title\na,{placeholder('token')}\nb\ufdd0,x\n", encoding="utf-8")
    told = refused({}, rows=table, folder=str(tmp_path))
    assert f"{table}:2:1: D604 the row holds characters" in told
    assert f"{table}:3:1: D604 the row holds characters" in told


def test_a_run_hands_on_what_is_its_own() -> None:
    """To inputs of the type secret, as a whole; not those of other runs, and not inside a text."""
    own = placeholder("mine")
    assert prepared({"token": own}, known=None, handed_on=("mine",)).inputs["token"] == own
    assert "U+FDD0" in refused({"token": placeholder("theirs")}, known=None, handed_on=("mine",))
    for given in ({"title": own}, {"token": f"Bearer {own}"}):
        assert "only an input of the type secret takes" in refused(given, known=None, handed_on=("mine",))


def test_secrets_of_inner_pipelines_are_asked_for_too() -> None:
    """Those that nobody hands them."""
    inner = Pipeline("inner", inputs={"key": InputSpec("secret"), "given": InputSpec("secret")})
    step = Step(StepId("call"), "pipeline.run", {"inputs": {"given": "${{ inputs.token }}"}}, pipeline=inner)
    told = refused({}, steps=(step,))
    assert "the secret 'key' of the pipeline of step call is not set" in told
    assert "'given'" not in told


def test_rows_share_them(tmp_path: Path) -> None:
    """Each row's run has the name."""
    table = tmp_path / "t.csv"
    table.write_text("sku,title\na,b\n")
    rows = prepared({}, rows=table, folder=str(tmp_path)).rows
    assert [row.inputs["token"] for row in rows] == [placeholder("token")]


@pytest.mark.parametrize(
    ("expression", "wrong"),
    [
        ("${{ inputs.token | length }}", True),
        ("a ${{ inputs['token'][:3] ~ steps.first.thing_id }}", True),
        ("${{ inputs.token == 'x' }}", True),
        ("Bearer ${{ inputs.token }} ${{ inputs.token | default('x') ~ 'y' }}", False),
        ("${{ steps.first.thing_id ~ inputs.token }}", False),
    ],
)
def test_misuse_is_found_before_anything_runs(check: Check, expression: str, *, wrong: bool) -> None:
    """Where an expression does more with a secret than handing it on."""
    text = f"""
pipeline: p
inputs: {{token: {{type: secret}}}}
steps:
  first: {{uses: thing.make, with: {{name: a}}}}
  second: {{uses: any, with: {{x: "{expression}"}}}}
"""
    _, problems = check(text)
    assert [problem.code for problem in problems] == [Code.EXPRESSION] * wrong
