"""Speech in definitions and tables: each mistake with its place in the text."""

from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.definition.loader import check_text
from orchestrator.definition.prepare import prepare
from orchestrator.definition.problems import DefinitionError, Problem
from orchestrator.domain.pipeline import Pipeline
from orchestrator.steps.base import kinds

Check = Callable[[str | bytes], tuple[Pipeline | None, list[Problem]]]

PIPELINE = """\
pipeline: p
inputs: {sku: {type: string}, speech: {type: ssml}}
rows: {from: t.csv, name: "${{ row.sku }}"}
steps: {a: {uses: any}}
"""
TABLE = """\
sku,speech
ok,"<speak>Hi <break time=""1s""/>there</speak>"
one,"<speak>Hi <brake time=""1s""/>there
R&D</speak>"
two,<break/>
"""


def test_every_mistake_of_every_cell_is_reported(check: Check, tmp_path: Path) -> None:
    """At the cell in the table, with line and column inside its text."""
    (tmp_path / "t.csv").write_text(TABLE)
    pipeline, _ = check(PIPELINE)
    assert pipeline is not None
    with pytest.raises(DefinitionError) as caught:
        prepare(pipeline, {}, region="cn-north-4")
    assert [
        (problem.line, problem.col, problem.code, problem.message, problem.suggestion)
        for problem in caught.value.problems
    ] == [
        (
            *(3, 5, "D504"),
            "speech: there is no tag <brake> (line 1, column 11 of the text: S203)",
            "did you mean 'break'?",
        ),
        (
            *(3, 5, "D504"),
            "speech: & begins no entity (line 2, column 2 of the text: S104)",
            "write & as &amp;",
        ),
        (
            *(5, 5, "D504"),
            "speech: tags count only inside <speak> (line 1, column 1 of the text: S201)",
            "put the whole text inside <speak>…</speak>",
        ),
    ]


def test_a_default_is_checked_with_the_definition(check: Check) -> None:
    """What stands in the definition is refused when it is validated."""
    _, problems = check(
        "pipeline: p\n"
        "inputs:\n"
        '  a: {type: ssml, default: "<speak><brake/> & </speak>"}\n'
        "steps: {a: {uses: any}}\n"
    )
    assert [(problem.line, problem.col, problem.code, problem.message) for problem in problems] == [
        (
            *(3, 28, "D501"),
            "the default of 'a': there is no tag <brake> (line 1, column 8 of the text: S203)",
        ),
        (*(3, 28, "D501"), "the default of 'a': & begins no entity (line 1, column 17 of the text: S104)"),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<speak><brake/></speak>", ["there is no tag <brake>"]),
        ("<speak>Hi <break time='1s'/></speak>", []),
        ("<speak>${{ inputs.a }} &</speak>", []),
    ],
)
def test_the_text_of_a_script_is_checked(tmp_path: Path, text: str, said: list[str]) -> None:
    """A fixed text is checked where it stands; one with expressions only once it is known."""
    content = (
        "pipeline: p\ninputs: {a: {type: ssml}}\nsteps:\n  s:\n    uses: script.create\n    with:\n"
        "      script_name: x\n      shoot_scripts:\n"
        f'        - shoot_script: {{text_config: {{text: "{text}"}}}}\n'
    )
    _, problems = check_text(
        content.encode(),
        kinds(),
        file="p.yaml",
        folder=tmp_path,
    )
    assert [(problem.line, problem.col) for problem in problems] == [(9, 46)] * len(said)
    assert all(words in problem.message for words, problem in zip(said, problems, strict=True))
