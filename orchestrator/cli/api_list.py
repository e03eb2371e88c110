"""`orchestrator api list`: the operations as lines for people and as JSON for programs."""

import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from orchestrator.cli import output
from orchestrator.domain.nearest import did_you_mean
from orchestrator.errors import UsageError
from orchestrator.metastudio.operation import AnyOperation
from orchestrator.metastudio.operations import OPERATIONS, RATES
from orchestrator.settings import Settings
from orchestrator.steps.api_operation import ADOPTING, PREFIX

#: Columns that a narrow terminal goes without, the least telling first; the category stands above its operations.
_DROPPED = ("PATH", "STEP", "METHOD")
_GAP = "  "
#: Operations that a step kind of its own carries out.
_OWN_KINDS = {**ADOPTING, "confirm_file_upload": "file.confirm"}


def show_list(settings: Settings, category: str | None, *, as_json: bool) -> None:
    """Print the operations of the categories named by `category`, a word or a part of their names. Raises UsageError when there are none."""
    chosen = _chosen(category)
    rates = {**RATES[settings.region], **settings.limits}
    if as_json:
        output.json_result([summary(one, rates[one.id]) for one in chosen])
        return
    if output.is_plain(sys.stdout):
        # Whoever reads from a pipe wants a line an operation, and all of it.
        table = [_row(one, rates[one.id]) | {"CATEGORY": one.category} for one in chosen]
        for line in _lines(table, tuple(table[0])):
            output.result(line.rstrip())
        return
    _print_by_category(chosen, [_row(one, rates[one.id]) for one in chosen], settings.region)


def summary(operation: AnyOperation, rate: float) -> dict[str, Any]:
    """What there is to know of an operation in a line; `rate` is in calls per second."""
    return {
        "operation": operation.id,
        "summary": operation.summary,
        "method": operation.method,
        "path": operation.path,
        "category": operation.category,
        "section": operation.section,
        "rate": rate,
        "step": step_name(operation.id),
        "does": effect(operation),
    }


def effect(operation: AnyOperation) -> str:
    """`reads`, `creates`, or `changes` for anything between."""
    return "reads" if operation.reads else "creates" if operation.creates else "changes"


def step_name(operation: str) -> str:
    """The step kind that carries out the operation of that id; `api.` and the id does so as well in any case."""
    return _OWN_KINDS.get(operation, PREFIX + operation)


def _chosen(category: str | None) -> Sequence[AnyOperation]:
    names = dict.fromkeys(one.category for one in OPERATIONS.values())
    sought = (category or "").casefold()
    # A whole word first: "product" is no part of "production".
    wanted = {name for name in names if sought in name.casefold().split()}
    wanted = wanted or {name for name in names if sought in name.casefold()}
    if not wanted:
        words = {word: name for name in names for word in (name, *name.split())}
        raise UsageError(
            f"No category of operations is named {category!r}.",
            hint=did_you_mean(category or "", words) or f"There are {', '.join(names)}.",
        )
    return [one for one in OPERATIONS.values() if one.category in wanted]


def _row(operation: AnyOperation, rate: float) -> dict[str, str]:
    return {
        "OPERATION": operation.id,
        "METHOD": operation.method,
        "RATE": f"{rate:g}",
        "DOES": effect(operation),
        "STEP": step_name(operation.id),
        "PATH": operation.path,
    }


def _print_by_category(chosen: Sequence[AnyOperation], rows: Sequence[dict[str, str]], region: str) -> None:
    columns = tuple(rows[0])
    width = shutil.get_terminal_size().columns
    for dropped in _DROPPED:
        if len(_lines(rows, columns)[0]) > width:
            columns = tuple(name for name in columns if name != dropped)
    head, *lines = _lines(rows, columns)
    output.result(head.rstrip())
    last = ""
    for one, line in zip(chosen, lines, strict=True):
        if one.category != last:
            output.result(f"\n{one.category}")
            last = one.category
        output.result(line.rstrip())
    output.note(f"\nRATE: calls per second in {region}. `orchestrator api show OPERATION` explains one.")


def _lines(rows: Sequence[dict[str, str]], columns: Iterable[str]) -> list[str]:
    """The head and a line for each row, all of one width."""
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in columns}
    table = [{name: name for name in widths}, *rows]
    return [_GAP.join(row[name].ljust(width) for name, width in widths.items()) for row in table]
