# ruff: noqa: INP001 - the tools are scripts; a package of them would be installed

"""The reference page of expressions. A part of `tools/docs.py`."""

import inspect
from collections.abc import Callable
from typing import Any

from tools.docs_markdown import code, page, summary, table

_TESTS = {
    "boolean": "true or false",
    "defined": "there is such a value; none is one",
    "mapping": "a mapping",
    "none": "none",
    "number": "a number; true and false are none",
    "string": "a text",
    "undefined": "there is no such value",
}


def expressions_page() -> str:
    """What may stand between the braces: every filter with its examples, and the limits."""
    from orchestrator.domain import values  # noqa: PLC0415 - each page loads only what it describes
    from orchestrator.domain.filters import GROUPS, TESTS  # noqa: PLC0415 - as above
    from orchestrator.domain.filters.dates import CODES  # noqa: PLC0415 - as above
    from orchestrator.domain.sandbox import SOURCE_LIMIT  # noqa: PLC0415 - as above

    assert _TESTS.keys() == TESTS.keys()
    parts = [
        (
            "What may stand inside `${{ … }}`. [pipelines/README.md](../../pipelines/README.md#expressions) says where expressions "
            "stand and what they can read. A filter stands behind a value and a bar, its arguments in brackets: "
            '`inputs.tags | join(", ")`. There are no functions, no methods, no loops and no patterns.'
        ),
    ]
    for title, filters in GROUPS.items():
        parts += [f"## {title}", table(["filter", "what it makes", "examples"], map(_row, filters.items()))]
        if title == "Dates":
            parts.append("`date` takes a text in which these stand for parts of the date:")
            parts.append(
                table(["code", "stands for"], ([code(key), said] for key, (said, _) in CODES.items()))
            )
            parts.append(
                "An expression has no clock, so that a step that is done again after a crash does the same: `run.date` is the day "
                "on which the run began and `run.created_at` the time, both in UTC."
            )
    parts += [
        "## Tests",
        "`x is string`, `x is not defined`:",
        table(["test", "holds for"], ([code(name), said] for name, said in _TESTS.items())),
        "## Secrets",
        (
            "An input of the type `secret` can be handed on (`token: ${{ inputs.token }}`) and joined with texts (`Bearer ${{ "
            "inputs.token }}`, `~`, `+`, `join`). Anything else with it, such as comparing, measuring or cutting it, is a mistake: "
            "its value is put in only when the step is done. [How to use secrets](../howto/secrets.md)."
        ),
        "## Limits",
        (
            f"An expression has {SOURCE_LIMIT:,} characters at most. What it makes, and what all expressions of a step's `with` make "
            f"together, has {values.RESULT_LIMIT:,} characters at most, where each item or member counts {values.MEMBER} besides; lists "
            f"and mappings are {values.DEPTH_LIMIT} levels deep at most, numbers have 64 bits. Filters and comparisons go through about "
            f"{values.WORK_LIMIT:,} characters or {values.WORK_LIMIT // values.MEMBER_WORK:,} items in all, a tenth of a second's work; "
            "beyond that the expression is refused."
        ),
    ]
    return page("Expressions", "`orchestrator/domain/filters/`", *parts)


def _row(item: tuple[str, Callable[..., Any]]) -> list[str]:
    name, made = item
    signature = list(inspect.signature(made).parameters.values())[1:]
    taken = ", ".join(one.name if one.default is one.empty else f"[{one.name}]" for one in signature)
    examples = [line.strip() for line in inspect.cleandoc(made.__doc__ or "").splitlines() if " → " in line]
    shown = [
        f"{code(given.strip())} → {code(result.strip())}"
        for given, result in (line.split(" → ") for line in examples)
    ]
    return [code(f"{name}({taken})" if taken else name), summary(made.__doc__), "<br>".join(shown)]
