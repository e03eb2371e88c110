"""From a pipeline and what its user gives to the inputs of every run, all checked before the first call."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from orchestrator.definition.files import FileRefusedError, Folders
from orchestrator.definition.inputs import InputError, is_absent, read_input
from orchestrator.definition.located import located
from orchestrator.definition.places import Places
from orchestrator.definition.problems import Code, DefinitionError, Problem, Severity
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


@dataclass(slots=True)
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

    def run(self, rows_path: Path | None) -> Prepared:
        table = self._table(rows_path)
        home = Path(self.pipeline.folder)
        search = [Path(table.file).parent, home] if table else [home]
        folders = Folders.of(search, self.roots)
        for name in sorted(self.given.keys() - self.pipeline.inputs.keys()):
            near = (
                did_you_mean(name, self.pipeline.inputs)
                or f"known: {', '.join(self.pipeline.inputs) or 'none'}"
            )
            message = f"-i {name}: the pipeline has no input {name!r}"
            self._report(("inputs",), Code.UNKNOWN_INPUT_GIVEN, message, near)
        columns = table.columns if table else ()
        shared = self._shared(folders, frozenset(columns))
        kept = self._kept_columns(table) if table else ()
        rows = self._rows(table, kept, shared, folders) if table else ()
        if not table:
            self._examined(None, None, shared, {}, len(self.problems))
        problems = sorted(dict.fromkeys(self.problems), key=self._order)
        if any(problem.severity is Severity.ERROR for problem in problems):
            raise DefinitionError(problems)
        form = TableForm(Path(table.file), kept, table.delimiter, table.sheet) if table else None
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
        # A cell that cannot be read was told already, and what stands for it is not what was meant.
        refused = {(one.line, one.col) for one in self.problems[told:]}
        for fault in self.examine(inputs, cells) if self.examine else ():
            if table and fault.name in table.columns:
                problem = table.problem(row, fault.name, fault.code, fault.message, fault.suggestion)
                if (problem.line, problem.col) not in refused:
                    self.problems.append(problem)
            else:
                self._report(("inputs", fault.name), fault.code, fault.message, fault.suggestion)

    def _table(self, rows_path: Path | None) -> Table | None:
        spec = self.pipeline.rows
        own = rows_path is None
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
        if rows_path is None:
            return None
        sheet = self.pipeline.rows.sheet if self.pipeline.rows else None
        table = read_table(rows_path, sheet)
        if own and sheet is not None and not table.sheet:
            message = f"the table {rows_path.name!r} is no workbook and has no sheets"
            self._report(("rows", "sheet"), Code.TABLE_FORMAT, message, "leave `sheet` out")
        self.problems.extend(table.problems)
        return table

    def _shared(self, folders: Folders, columns: frozenset[str]) -> dict[str, Any]:
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
                    for part in error.parts:
                        self._report(path, part.code, f"{origin}: {part}", part.suggestion)
            elif name not in columns:
                if spec.required:
                    near = did_you_mean(name, columns)
                    hint = (
                        f"the table has no such column, {near}" if near else f"give it with -i {name}=VALUE"
                    )
                    self._report(path, Code.MISSING_INPUT, f"the input {name!r} has no value", hint)
                else:
                    shared[name] = None
        return shared

    def _kept_columns(self, table: Table) -> tuple[str, ...]:
        """The columns of the rows: all that have a name, but for results of an earlier run that nothing here uses."""
        used = self._used_columns()
        for column in sorted(used - set(table.columns)):
            near = did_you_mean(column, table.columns) or f"its columns: {', '.join(table.columns)}"
            message = f"the definition uses the column {column!r}, which the table does not have"
            self.problems.append(table.problem(None, "", Code.UNKNOWN_COLUMN, message, near))
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
                        row, self._name_column, Code.ROW_NAME, message, "each run needs a name of its own"
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
        if template is None:
            return f"row-{number}"
        try:
            value = expressions.render(template, scope)
        except ExpressionError as error:
            self.problems.append(
                table.problem(row, self._name_column, Code.ROW_NAME, f"the row's name: {error}")
            )
            return None
        name = (
            str(value).strip() if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
        )
        reason = _unusable(name)
        if reason:
            message = f"the row's name {name[:60]!r} {reason}"
            self.problems.append(
                table.problem(row, self._name_column, Code.ROW_NAME, message, "`| slug` makes a usable name")
            )
            return None
        return name

    @property
    def _name_column(self) -> str:
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
