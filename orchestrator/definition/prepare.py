"""From a pipeline and what its user gives to the inputs of every run, all checked before the first call."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from orchestrator.definition.files import FileRefusedError, Folders
from orchestrator.definition.inputs import InputError, is_absent, read_input
from orchestrator.definition.located import located
from orchestrator.definition.places import Places
from orchestrator.definition.problems import Code, DefinitionError, Problem, RowProblem, Severity
from orchestrator.definition.result_columns import written_before
from orchestrator.definition.rows import read_table
from orchestrator.definition.secret_inputs import Fault as SecretFault
from orchestrator.definition.secret_inputs import Trust, with_secrets
from orchestrator.definition.slides import read_slides
from orchestrator.definition.table import Row, Table, TableForm
from orchestrator.definition.uses import Examine
from orchestrator.domain import expressions, secrets
from orchestrator.domain.expressions import ExpressionError
from orchestrator.domain.nearest import did_you_mean
from orchestrator.domain.pipeline import InputSpec, Pipeline

#: Bytes of a run's name: it becomes part of file names, which have 255 of them.
NAME_LIMIT: Final = 200
#: Problems after which missing files get no similar names any more: a table may have 100,000 of them.
_HINTED: Final = 500


@dataclass(frozen=True, slots=True)
class PreparedRow:
    """One child run: its name, its inputs and its cells."""

    name: str
    inputs: Mapping[str, Any]
    row: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Prepared:
    """What to start. With rows, `inputs` holds what all of them share; without, the inputs of the one run."""

    inputs: Mapping[str, Any]
    rows: tuple[PreparedRow, ...] = ()
    #: What was found odd, but can be run.
    warnings: tuple[Problem, ...] = ()
    #: The table that the rows stand in.
    table: TableForm | None = None


def prepare(
    pipeline: Pipeline,
    given: Mapping[str, Any],
    rows_path: Path | None = None,
    *,
    region: str,
    roots: Sequence[Path] = (),
    file: Path | None = None,
    examine: Examine | None = None,
    trust: Trust | None = None,
) -> Prepared:
    """The inputs of a run, or of one run for each row of the table (`rows_path`, else the definition's own).

    A cell goes before `given`, `given` before the default; an empty cell counts as not given. File inputs become
    absolute paths; relative ones start at the table's folder, then at the definition's, and only `roots` may be read
    (default: those two folders). Raises DefinitionError with all mistakes at once, each at its place in the table or in
    the definition's `file`; without a `file`, the latter name the pipeline. `examine` has a look at each run's values.
    `trust`: which secrets there are.
    """
    places = Places(file, pipeline.name)
    given, faults = with_secrets(pipeline, given, trust or Trust())
    preparation = _Preparation(pipeline, given, region, roots, places, examine=examine)
    preparation.faults(faults)
    return preparation.run(rows_path)


@dataclass
class _Preparation:
    pipeline: Pipeline
    given: Mapping[str, Any]
    region: str
    roots: Sequence[Path]
    places: Places
    problems: list[Problem] = field(default_factory=list)
    #: Files that were found, by how they were written: many rows name the same.
    found: dict[tuple[str, bool], str] = field(default_factory=dict)
    examine: Examine | None = None
    #: Inputs that all runs share and that lack a value, or have one that cannot be read.
    refused: set[str] = field(default_factory=set)
    #: Columns that the definition uses and the table lacks.
    unknown: set[str] = field(default_factory=set)

    def run(self, rows_path: Path | None) -> Prepared:
        path, table = self._table(rows_path)
        home = Path(self.pipeline.folder)
        search = [path.parent, home] if path else [home]
        folders = Folders.of(search, self.roots)
        for name in sorted(self.given.keys() - self.pipeline.inputs.keys()):
            near = (
                did_you_mean(name, self.pipeline.inputs)
                or f"known: {', '.join(self.pipeline.inputs) or 'none'}"
            )
            message = f"-i {name}: the pipeline has no input {name!r}"
            self._report(("inputs",), Code.UNKNOWN_INPUT_GIVEN, message, near)
        shared = self._shared(folders, table)
        kept = self._kept_columns(table) if table else ()
        rows = self._rows(table, kept, shared, folders) if table else ()
        if not table:
            self._examined(None, None, shared, {}, len(self.problems))
        problems = sorted(dict.fromkeys(self.problems), key=self._order)
        if any(problem.severity is Severity.ERROR for problem in problems):
            raise DefinitionError(problems)
        form = TableForm(path, kept, table.delimiter, table.sheet) if path and table else None
        return Prepared(shared, rows, tuple(problems), form)

    def faults(self, found: Iterable[SecretFault]) -> None:
        """Note what is wrong with inputs, at their places in the definition."""
        for fault in found:
            self._report(("inputs", fault.name), fault.code, fault.message, fault.suggestion)

    def _examined(
        self,
        table: Table | None,
        row: Row | None,
        inputs: Mapping[str, Any],
        cells: Mapping[str, Any],
        told: int,
    ) -> None:
        # What cannot be read was told already, and what stands for it is not what was meant.
        cells_refused = {one.column for one in self.problems[told:] if isinstance(one, RowProblem)}
        refused = self.refused | cells_refused
        known = {name: value for name, value in inputs.items() if name not in refused} if refused else inputs
        for fault in self.examine(known, cells) if self.examine else ():
            if table and fault.name in table.columns:
                if fault.name not in cells_refused:
                    self.problems.append(
                        table.problem(row, fault.name, fault.code, fault.message, fault.suggestion)
                    )
            else:
                self._report(("inputs", fault.name), fault.code, fault.message, fault.suggestion)

    def _table(self, rows_path: Path | None) -> tuple[Path, Table] | tuple[None, None]:
        """Where the table is, and what stands in it; problems call it as the definition or the user does."""
        spec = self.pipeline.rows
        own, label = rows_path is None, ""
        if rows_path is None and spec is not None:
            if spec.from_ is None:
                message = f"the pipeline {self.pipeline.name!r} needs a table"
                self._report(("rows",), Code.TABLE_UNREADABLE, message, "give it with --rows TABLE")
                raise DefinitionError(self.problems)
            home = Path(self.pipeline.folder)
            try:
                rows_path = Path(Folders.of([home], self.roots).find(spec.from_))
            except FileRefusedError as error:
                self._report(("rows", "from"), Code.TABLE_UNREADABLE, f"the table {error}", error.suggestion)
                raise DefinitionError(self.problems) from error
            label = self.places.beside(spec.from_, rows_path)
        if rows_path is None:
            return None, None
        sheet = self.pipeline.rows.sheet if self.pipeline.rows else None
        table = read_table(rows_path, sheet, label=label)
        if own and sheet is not None and not table.sheet:
            message = f"the table {rows_path.name!r} is no workbook and has no sheets"
            self._report(("rows", "sheet"), Code.TABLE_FORMAT, message, "leave `sheet` out")
        self.problems.extend(table.problems)
        return rows_path, table

    def _shared(self, folders: Folders, table: Table | None) -> dict[str, Any]:
        """Values from `given` and the defaults. An input that is a column may still get its value there."""
        shared: dict[str, Any] = {}
        for name, spec in self.pipeline.inputs.items():
            value = self.given.get(name)
            origin = f"-i {name}"
            path: tuple[str, ...] = ("inputs", name)
            if is_absent(value):
                value, origin, path = spec.default, f"the default of {name}", ("inputs", name, "default")
            if not is_absent(value):
                try:
                    shared[name] = self._read(spec, value, folders)
                except InputError as error:
                    self.refused.add(name)
                    for part in error.parts:
                        self._report(path, part.code, f"{origin}: {part}", part.suggestion)
            elif table is None or name not in table.columns:
                if spec.required:
                    self.refused.add(name)
                    self._without_value(name, table)
                else:
                    shared[name] = None
        return shared

    def _without_value(self, name: str, table: Table | None) -> None:
        message = f"the input {name!r} has no value"
        if table is None:
            self._report(("inputs", name), Code.MISSING_INPUT, message, f"give it with -i {name}=VALUE")
            return
        message += f": the table {Path(table.file).name!r} has no column {name!r}"
        near = did_you_mean(name, table.columns)
        columns = f"{near} {table.listed}" if near else table.listed
        hint = f"{columns}; -i {name}=VALUE gives one value for all rows"
        self.problems.append(table.problem(None, "", Code.MISSING_INPUT, message, hint))

    def _kept_columns(self, table: Table) -> tuple[str, ...]:
        """The columns of the rows: all that have a name, but for results of an earlier run that nothing here uses."""
        used = self._used_columns()
        self.unknown = used - set(table.columns)
        for column in sorted(self.unknown):
            message = f"the definition uses the column {column!r}, which the table does not have"
            self.problems.append(table.problem(None, "", Code.UNKNOWN_COLUMN, message, table.near(column)))
        dropped = written_before(table.columns, self.pipeline.outputs) - used - self.pipeline.inputs.keys()
        return tuple(column for column in table.columns if column and column not in dropped)

    def _rows(
        self, table: Table, columns: Sequence[str], shared: Mapping[str, Any], folders: Folders
    ) -> tuple[PreparedRow, ...]:
        names: dict[str, int] = {}
        rows = []
        for number, row in enumerate(table.rows, 1):
            told = len(self.problems)
            if len(self.problems) > _HINTED:
                folders = replace(folders, hints=False)
            inputs = self._row_inputs(table, row, shared, folders)
            cells = {column: row.cells.get(column) for column in columns}
            if secrets.marked(cells):
                message = "the row holds characters (U+FDD0, U+FDD1) that no text may hold"
                self.problems.append(table.problem(row, "", Code.TABLE_ROW, message, "take them out"))
            self._examined(table, row, inputs, cells, told)
            name = self._row_name(table, row, number, {"row": cells, "inputs": inputs})
            if name is None:
                continue
            if name in names:
                message = f"the name {name!r} is taken by {table.row_name(names[name])}"
                self.problems.append(
                    table.problem(
                        row, self.name_column, Code.ROW_NAME, message, "each run needs a name of its own"
                    )
                )
            names.setdefault(name, row.line)
            rows.append(PreparedRow(name, inputs, cells))
        return tuple(rows)

    def _row_inputs(
        self, table: Table, row: Row, shared: Mapping[str, Any], folders: Folders
    ) -> dict[str, Any]:
        inputs = dict(shared)
        for name, spec in self.pipeline.inputs.items():
            if name not in table.columns:
                continue
            value = row.cells.get(name)
            if is_absent(value):
                if name not in shared and spec.required:
                    self.problems.append(table.problem(row, name, Code.MISSING_INPUT, f"{name} is empty"))
                inputs.setdefault(name, None)
                continue
            try:
                inputs[name] = self._read(spec, value, folders)
            except InputError as error:
                self.problems.extend(
                    table.problem(row, name, part.code, f"{name}: {part}", part.suggestion)
                    for part in error.parts
                )
        return {name: inputs.get(name) for name in self.pipeline.inputs}

    def _row_name(self, table: Table, row: Row, number: int, scope: Mapping[str, Any]) -> str | None:
        template = self.pipeline.rows.name if self.pipeline.rows else None
        if template is None or self.nameless:
            return f"row-{number}"
        try:
            value = expressions.render(template, scope)
        except ExpressionError as error:
            self.problems.append(
                table.problem(row, self.name_column, Code.ROW_NAME, f"the row's name: {error}")
            )
            return None
        name = (
            str(value).strip() if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
        )
        reason = _unusable(name)
        if reason:
            message = f"the row's name {name[:60]!r} {reason}" if name else f"the row's name {reason}"
            hint = self._name_hint(name, scope)
            self.problems.append(table.problem(row, self.name_column, Code.ROW_NAME, message, hint))
            return None
        return name

    def _name_hint(self, name: str, scope: Mapping[str, Any]) -> str:
        if name:
            return "`| slug` makes a usable name"
        if is_absent(scope["row"].get(self.name_column)):
            return "fill in the cell" if self.name_column else "name it after a column"
        return "write letters or digits that a name can be made of"

    @cached_property
    def nameless(self) -> bool:
        """Whether the name of a row's run uses a column that the table lacks, which is told once."""
        template = self.pipeline.rows.name if self.pipeline.rows else None
        return any(
            name.root == "row" and bool(self.unknown & set(name.path[:1]))
            for name in expressions.references(template or "")
        )

    @cached_property
    def name_column(self) -> str:
        """The first column that the name of a row's run uses."""
        template = self.pipeline.rows.name if self.pipeline.rows else None
        used = sorted(expressions.references(template or ""), key=lambda name: name.offset)
        return next((name.path[0] for name in used if name.root == "row" and name.path), "")

    def _used_columns(self) -> set[str]:
        pipeline = self.pipeline
        steps = pipeline.all_steps
        used = expressions.references(
            [
                *(step.with_ for step in steps),
                *(step.foreach for step in steps),
                dict(pipeline.outputs),
                pipeline.rows.name if pipeline.rows else None,
                pipeline.group.name if pipeline.group else None,
            ]
        )
        for step in steps:
            if step.if_ is not None:
                for expression in expressions.condition(step.if_).expressions:
                    used |= set(expression.references())
        return {reference.path[0] for reference in used if reference.root == "row" and reference.path}

    def _read(self, spec: InputSpec, value: Any, folders: Folders) -> Any:
        read = read_input(spec, value, self.region)
        if spec.type == "slides":
            return read_slides(read, folders, spec.options.get("default_notes"))
        return located(
            spec,
            read,
            folders,
            self.region,
            lambda path, pictures: self._find(path, folders, pictures=pictures),
        )

    def _find(self, written: str, folders: Folders, *, pictures: bool) -> str:
        found = self.found.get((written, pictures))
        if found is None:
            found = self.found[written, pictures] = folders.find(written, pictures=pictures)
        return found

    def _report(self, path: tuple[str, ...], code: Code, message: str, suggestion: str) -> None:
        self.problems.append(self.places.problem(path, code, message, suggestion))

    def _order(self, problem: Problem) -> tuple[bool, int, int]:
        return problem.file != self.places.label, problem.line, problem.col


def _unusable(name: str) -> str:
    if not name:
        return "is empty"
    if "/" in name or "\\" in name or name.startswith(".") or not name.isprintable():
        return "holds characters that a file name cannot have"
    if len(name.encode()) > NAME_LIMIT:
        return f"is longer than {NAME_LIMIT} bytes"
    return ""
