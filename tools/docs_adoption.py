# ruff: noqa: INP001 - the tools are scripts; a package of them would be installed

"""The page of what happens to each operation whose answer is lost. A part of `tools/docs.py`."""

from itertools import groupby

from tools.docs_markdown import code, page, table


def adoption_page() -> str:
    """Per operation: the key, the look-up and its cost, and what is done where no look is sure."""
    from orchestrator.metastudio.operations import OPERATIONS  # noqa: PLC0415 - each page loads only what it describes
    from orchestrator.steps.adoption import ADOPTIONS, REPEATABLE  # noqa: PLC0415 - as above

    found = [row for row in ADOPTIONS.values() if row.look is not None]
    lost = [row for row in ADOPTIONS.values() if row.look is None]
    changing = [
        (REPEATABLE[operation.id], operation.id)
        for operation in OPERATIONS.values()
        if operation.id in REPEATABLE
    ]
    return page(
        "Adoption",
        "`orchestrator/steps/adoption.py`",
        "What the orchestrator does when the answer to a request is lost, for every operation that makes, orders, starts "
        "or changes something; the others only read. [Adoption](../explanation/adoption.md) explains how it goes about it, "
        "and `tests/contract/test_adoption.py` cuts the answer of each of them. It is the same for a step kind that makes "
        "the request, such as `asset.create`, and for `api.<operation>`.",
        "## Found again and taken over",
        "A double that turns up later all the same is removed as the last column says, as long as nobody has worked on it.",
        table(
            ["operation", "known by", "looked up with", "calls a look", "why that is enough", "a double"],
            (
                [
                    code(row.operation.id),
                    row.key,
                    ", ".join(code(one.id) for one in row.look_up),
                    row.cost,
                    row.why,
                    "cannot be made" if row.drop is None else f"goes by {code(row.drop.id)}",
                ]
                for row in found
            ),
        ),
        "## Left to a person",
        "The step is held with the code `NO_ANSWER`, and nothing is repeated before somebody has looked and resumed the run.",
        table(
            ["operation", "why nothing can tell", "look"],
            ([code(row.operation.id), row.why, row.where] for row in lost),
        ),
        "## Repeated",
        "Sending these twice does what sending them once does.",
        table(
            ["operations", "why"],
            (
                [", ".join(code(name) for _, name in group), why]
                for why, group in groupby(sorted(changing), key=lambda pair: pair[0])
            ),
        ),
    )
