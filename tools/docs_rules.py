# ruff: noqa: INP001 - the tools are scripts; a package of them would be installed

"""The page about the codes of problems."""

from tools.docs_markdown import page, table


def rules_page() -> str:
    """Every code: what it means, how much it matters, a wrong and a right example."""
    from orchestrator.definition.problems import Code  # noqa: PLC0415 - each page loads only what it describes
    from orchestrator.definition.rules import RULES, shown_table  # noqa: PLC0415 - as above

    parts: list[str] = [
        (
            "`orchestrator validate` prints a problem as `file:line:col: code message (suggestion)`. An error ends `run` before "
            "anything is called; a warning does not, and `validate` exits with 0 unless it is called with `--strict`. "
            "`orchestrator validate --explain CODE` prints what stands here. [How to check definitions in "
            "CI](../howto/validate-in-ci.md)."
        ),
        table(
            ["code", "severity", "meaning"],
            ([f"[{code}](#{code.lower()})", str(code.severity), code.meaning] for code in Code),
        ),
    ]
    for code, rule in RULES.items():
        parts += [f"## {code}", f"{code.meaning} ({str(code.severity).capitalize()}.)"]
        if rule.note:
            parts.append(rule.note)
        for title, text, rows in (
            ("Wrong:", rule.wrong, rule.wrong_table),
            ("Right:", rule.right, rule.right_table),
        ):
            if text:
                parts += [title, f"```yaml\n{text}\n```"]
            if text and rows:
                parts += ["with `rows.csv`:", f"```csv\n{shown_table(rows)}\n```"]
    return page("Rules", "`orchestrator/definition/rules.py`", *parts)
