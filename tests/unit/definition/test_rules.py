"""Every code of a problem has its page, and its examples say what they show."""

from pathlib import Path

import pytest

from orchestrator.definition.problems import Code, Severity
from orchestrator.definition.review import Account, Review, review
from orchestrator.definition.rules import RULES, explained
from orchestrator.errors import UsageError
from orchestrator.metastudio.operations import RATES
from orchestrator.steps.base import kinds

REGION = "cn-north-4"
_BASE = "steps:\n  rest: {uses: sleep, with: {seconds: 1}}\n"


def looked_at(folder: Path, text: str, table: str) -> Review:
    file = folder / "p.yaml"
    whole = "pipeline: example\n" + text.replace("DEFINITION", "p.yaml") + "\n"
    file.write_text(whole if "steps:" in whole else whole + _BASE)
    if table:
        (folder / "rows.csv").write_text(table + "\n")
    return review(file, kinds(), Account(REGION, (), RATES[REGION]))


def test_every_code_has_a_rule() -> None:
    """In the order of the codes, so that the page is in order too."""
    assert set(RULES) == set(Code)
    assert all(rule.wrong or rule.note for rule in RULES.values())


@pytest.mark.parametrize("code", [code for code, rule in RULES.items() if rule.wrong], ids=str)
def test_the_wrong_example_has_the_problem(code: Code, tmp_path: Path) -> None:
    """What is printed as wrong is reported under its code."""
    rule = RULES[code]
    assert code in {one.code for one in looked_at(tmp_path, rule.wrong, rule.wrong_table).problems}


@pytest.mark.parametrize("code", [code for code, rule in RULES.items() if rule.right], ids=str)
def test_the_right_example_has_no_mistake(code: Code, tmp_path: Path) -> None:
    """What is printed as right has neither this problem nor an error."""
    rule = RULES[code]
    problems = looked_at(tmp_path, rule.right, rule.right_table).problems
    assert code not in {one.code for one in problems}
    assert [str(one) for one in problems if one.severity is Severity.ERROR] == []


def test_a_code_is_explained() -> None:
    """Meaning, severity, both examples."""
    text = explained("d707")
    assert text.startswith("D707 (warning): ")
    assert text.index("Wrong:") < text.index("Right:")


def test_an_unknown_code_is_refused() -> None:
    """With the nearest one."""
    with pytest.raises(UsageError, match="no code 'D999'"):
        explained("D999")
