"""Mistakes in definitions, inputs and tables: one table of codes, one shape, all of them reported at once."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from orchestrator.errors import UsageError

#: Problems of one code in one column of a table that people are shown.
_SHOWN: Final = 20


class Severity(StrEnum):
    """How much a problem matters."""

    #: Nothing is run until it is mended.
    ERROR = "error"
    #: It can be run, but hardly does what was meant.
    WARNING = "warning"


class Code(StrEnum):
    """The stable codes of problems; `meaning` is one line for the reference. Examples of each are in `rules`."""

    meaning: str
    severity: Severity

    def __new__(cls, code: str, meaning: str, severity: Severity = Severity.ERROR) -> Self:
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        member.severity = severity
        return member

    UNREADABLE = "D101", "The definition file cannot be read."
    ENCODING = "D102", "The definition is not UTF-8 text."
    TOO_LARGE = "D103", "The definition is too large, too deep, or grows too much through its aliases."
    SYNTAX = "D104", "The file is not YAML 1.2."
    DUPLICATE_KEY = "D105", "The same key stands twice in one mapping."
    YAML_FEATURE = (
        "D106",
        "A feature of YAML that definitions do not use (tags, several documents, keys that are not text).",
    )
    EMPTY = "D107", "The file holds no definition."

    UNKNOWN_KEY = "D201", "A key that the definition language does not have."
    MISSING_KEY = "D202", "A required key is missing."
    WRONG_VALUE = "D203", "A value has the wrong type, form or range."
    NEEDS_KEY = "D204", "A key that has no meaning without another one."
    NAME_TWICE = "D205", "Two steps share a name."
    FRAGMENT = "D206", "`extends` names a fragment, or `fragments.from` a file, that cannot be taken in."

    UNKNOWN_KIND = "D301", "`uses` names a step kind that does not exist."
    UNKNOWN_PARAMETER = "D302", "The step kind has no such parameter."
    MISSING_PARAMETER = "D303", "A required parameter of the step kind is missing."
    WRONG_PARAMETER = "D304", "A parameter has the wrong type or range."
    UNKNOWN_NEED = "D305", "`needs` names a step that does not exist or cannot be waited for."
    CYCLE = "D306", "Steps wait for each other in a circle."
    SELF_REFERENCE = "D307", "A step uses its own outputs or waits for itself."
    SUB_PIPELINE = "D308", "The file that `pipeline.run` names cannot be run as a step, or holds mistakes."

    EXPRESSION = "D401", "An expression cannot be read."
    UNKNOWN_ROOT = "D402", "An expression uses a name that is not known where it stands."
    UNKNOWN_INPUT = "D403", "An expression uses an input that is not declared."
    UNKNOWN_STEP = "D404", "An expression uses a step that does not exist or has not run by then."
    UNKNOWN_OUTPUT = "D405", "An expression uses an output that the step kind does not have."
    UNKNOWN_MEMBER = "D406", "An expression uses a part of `run` or `row` that does not exist."
    NO_EXPRESSION_HERE = "D407", "An expression stands where only a fixed value may."

    WRONG_DEFAULT = "D501", "The default of an input does not fit its own type."
    MISSING_INPUT = "D502", "A required input has no value."
    UNKNOWN_INPUT_GIVEN = "D503", "A value was given for an input that is not declared."
    WRONG_INPUT = "D504", "The value of an input does not fit its type."
    FILE_MISSING = "D505", "A file input does not exist or cannot be read."
    FILE_OUTSIDE = "D506", "A file input lies outside the folders that may be read."
    FILE_REFUSED = (
        "D507",
        "A file input is empty, of a type that is not accepted, or not the picture that its name says.",
    )

    TABLE_UNREADABLE = "D601", "The table cannot be read."
    TABLE_FORMAT = "D602", "The table's format is not supported."
    TABLE_HEADER = "D603", "The header of the table is missing, incomplete or ambiguous."
    TABLE_ROW = "D604", "A row of the table is malformed."
    ROW_NAME = "D605", "The name of a row's run is missing, taken twice or not usable as a name."
    UNKNOWN_COLUMN = "D606", "An expression uses a column that the table does not have."

    UNUSED = "D701", "An input or a fragment that nothing uses.", Severity.WARNING
    ODD_ID = "D702", "What stands where an id is needed does not look like one.", Severity.WARNING
    OTHER_REGION = "D703", "An id or a voice that the region does not have."
    MEDIA = "D704", "A file is not what the API takes here: its type, size, dimensions or length."
    MEDIA_NOT_SEEN = "D705", "A file could not be looked into as far as its limits go.", Severity.WARNING
    MEDIA_DOUBT = (
        "D706",
        "A file that the API takes, but that the review behind it will turn down.",
        Severity.WARNING,
    )
    SPEECH_DOUBT = "D707", "Speech that can be sent but will hardly sound as it was meant.", Severity.WARNING
    TOO_SHORT_A_TIME = "D708", "A timeout that is shorter than what the step itself takes."
    RATE = "D709", "Runs are started more often than the quota of the region lets them end.", Severity.WARNING
    SECRET_NOT_SET = "D710", "A secret is not set here that the run will need.", Severity.WARNING


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake and its place. Lines and columns (characters) count from 1; 0 means that the place is not known."""

    file: str
    line: int
    col: int
    code: Code
    message: str
    suggestion: str = ""

    @property
    def severity(self) -> Severity:
        """That of its code."""
        return self.code.severity

    def __str__(self) -> str:
        """One line: `file:line:col: code message (suggestion)`; a warning says that it is one."""
        place = f"{self.file}:{self.line}:{self.col}" if self.line else self.file
        mark = "warning: " if self.severity is Severity.WARNING else ""
        return f"{place}: {self.code} {mark}{self.message}" + (
            f" ({self.suggestion})" if self.suggestion else ""
        )


@dataclass(frozen=True, slots=True)
class RowProblem(Problem):
    """A problem of one row of a table, in a cell of the `column`; empty: in the whole row, or nobody knows in which."""

    column: str = ""


def fewer(problems: Iterable[Problem], most: int) -> tuple[list[Problem], dict[Problem, int]]:
    """The problems without those of a table after the first `most` of one code and column.

    The second: how many more there are like the one that is the last of its kind.
    """
    kept: list[Problem] = []
    kinds: Counter[tuple[str, Code, str]] = Counter()
    last: dict[tuple[str, Code, str], Problem] = {}
    for one in problems:
        if isinstance(one, RowProblem):
            kind = (one.file, one.code, one.column)
            kinds[kind] += 1
            if kinds[kind] > most:
                continue
            last[kind] = one
        kept.append(one)
    return kept, {last[kind]: number - most for kind, number in kinds.items() if number > most}


def lines(problems: Iterable[Problem]) -> Iterator[str]:
    """The problems as people read them, a line each; of what many rows of a table share no more than a few."""
    kept, left_out = fewer(problems, _SHOWN)
    for one in kept:
        yield str(one)
        if one in left_out:
            yield f"{one.file}: {one.code} and {left_out[one]:,} more like this"


class DefinitionError(UsageError):
    """A definition, its inputs or its table hold mistakes."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """`problems` holds every mistake found; the message lists them as `lines` does."""
        self.problems = tuple(problems)
        super().__init__("\n".join(lines(self.problems)))

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems without warnings."""
        return tuple(one for one in self.problems if one.severity is Severity.ERROR)
