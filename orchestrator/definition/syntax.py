"""What the YAML parser found wrong, in the words of somebody who writes a definition and not a parser."""

import re
from dataclasses import dataclass
from typing import Final

from ruamel.yaml.error import MarkedYAMLError


@dataclass(frozen=True, slots=True)
class Mistake:
    """A mistake of syntax: line and column from 1, what is wrong and what to do."""

    line: int
    col: int
    message: str
    suggestion: str = ""


def explain(error: MarkedYAMLError, text: str) -> Mistake:
    """The mistake in `text` that made the parser stop."""
    problem, context = str(error.problem or error.context or ""), str(error.context or "")
    mark = error.problem_mark or error.context_mark
    line, col = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    opened = (
        (error.context_mark.line + 1, error.context_mark.column + 1) if error.context_mark else (line, col)
    )
    stop = _Stop(problem, context, _Lines(text), line, col, *opened)
    for rule in (_expression, _quotes, _brackets, _indentation, _colon, _text, _other):
        if (mistake := rule(stop)) is not None:
            return mistake
    return Mistake(line, col, f"this is not YAML: {' '.join(problem.split())}")


class _Lines:
    """The lines of a text, from 1. YAML ends lines at more characters than a file does."""

    def __init__(self, text: str) -> None:
        self._lines = re.split(r"\r\n|[\n\r\x85\u2028\u2029]", text)

    def __getitem__(self, line: int) -> str:
        return self._lines[line - 1] if 0 < line <= len(self._lines) else ""

    def indent(self, line: int) -> int:
        return len(self[line]) - len(self[line].lstrip(" "))

    def above(self, line: int) -> int:
        """The nearest line above that holds more than a comment; 0 if there is none."""
        return next(
            (
                at
                for at in range(line - 1, 0, -1)
                if self[at].strip() and not self[at].lstrip().startswith("#")
            ),
            0,
        )

    def levels(self, line: int) -> list[int]:
        """How far the lines are indented beside which `line` could stand, ascending."""
        found: list[int] = []
        at = line
        while (at := self.above(at)) > 0:
            indent = self.indent(at)
            if found and indent >= found[-1]:
                continue
            entry = re.match(r" *(?:- +)+", self[at])  # keys of a list's entry begin behind its dash
            if entry and (not found or entry.end() < found[-1]):
                found.append(entry.end())
            found.append(indent)
        return sorted(set(found))


@dataclass(frozen=True, slots=True)
class _Stop:
    """Where the parser stopped, what it says, and where that began which it was reading."""

    problem: str
    context: str
    lines: _Lines
    line: int
    col: int
    opened_line: int
    opened_col: int

    @property
    def before(self) -> str:
        """The line as far as the parser read it."""
        return self.lines[self.line][: self.col - 1]

    def here(self, message: str, suggestion: str = "") -> Mistake:
        return Mistake(self.line, self.col, message, suggestion)

    def at_opening(self, message: str, suggestion: str = "") -> Mistake:
        return Mistake(self.opened_line, self.opened_col, message, suggestion)


def _expression(stop: _Stop) -> Mistake | None:
    at = stop.lines[stop.line].rfind("${{", 0, stop.col + 2)
    if at < 0 or not re.match(r"expected ',' or '[}\]]', but got '\{'", stop.problem):
        return None
    message = "an expression inside { } or [ ] needs quotes"
    return Mistake(stop.line, at + 1, message, 'write "${{ … }}"')


def _quotes(stop: _Stop) -> Mistake | None:
    if "quoted scalar" in stop.context and "end of stream" in stop.problem:
        return stop.at_opening("the quote that opens here is not closed")
    if "quoted scalar" in stop.context and "document separator" in stop.problem:
        return stop.at_opening("the quote that opens here is not closed before `---` or `...`")
    if escape := re.search(r"unknown escape character '(.*)'", stop.problem):
        message = f"inside double quotes, \\{escape[1]} has no meaning"
        return stop.here(message, "use single quotes, or write \\\\ for a backslash")
    if "found '<scalar>'" in stop.problem and stop.before.strip():
        hint = "put the whole text into quotes; write a quote inside as '' or \\\""
        return stop.here("text stands behind the closing quote", hint)
    return None


def _brackets(stop: _Stop) -> Mistake | None:
    if missing := re.match(r"expected ',' or '([}\]])', but got '(.*)'", stop.problem):
        bracket = "{" if missing[1] == "}" else "["
        if missing[2] == "<stream end>":
            return stop.at_opening(f"the `{bracket}` that opens here is not closed")
        if stop.line > stop.opened_line:
            message = f"a comma is missing, or the `{bracket}` of line {stop.opened_line} is not closed"
            return stop.here(message)
        return stop.here("a comma is missing", "or quotes around a text that holds `:`, `{` or `[`")
    if extra := re.search(r"found '([}\]])'$", stop.problem):
        return stop.here(f"`{extra[1]}` closes nothing", "remove it, or put the text into quotes")
    return None


def _indentation(stop: _Stop) -> Mistake | None:
    above = stop.lines.above(stop.line)
    if not above:
        return None
    if "expected <block end>" in stop.problem and not stop.before.strip():
        if stop.problem.endswith("'-'"):
            hint = "indent it below the key that it belongs to"
            return stop.here("an entry of a list stands among keys", hint)
        if stop.problem.endswith("'?'"):
            return stop.here("a key stands among the entries of a list", "indent it differently, or add `- `")
        return _misplaced(stop, above)
    deeper = stop.lines.indent(stop.line) > stop.lines.indent(above)
    # A line that continues a text cannot hold a key: one that wants to be a key is indented too far.
    if "mapping values are not allowed" in stop.problem and deeper and ": " not in stop.before:
        return _misplaced(stop, above)
    return None


def _misplaced(stop: _Stop, above: int) -> Mistake:
    own = stop.lines.indent(stop.line)
    levels = [level for level in stop.lines.levels(stop.line) if level != own]
    message = f"this line is indented by {own}, the one above by {stop.lines.indent(above)}"
    listed = " or ".join(filter(None, (", ".join(map(str, levels[:-1])), *map(str, levels[-1:]))))
    hint = f"indent it by {listed}, like the lines that it belongs with" if levels else ""
    return Mistake(stop.line, own + 1, message, hint)


def _colon(stop: _Stop) -> Mistake | None:
    if "mapping values are not allowed" in stop.problem:
        above = stop.lines.above(stop.line)
        if ": " not in stop.before and (glued := re.match(r" *[\w-]+:(?=\S)", stop.lines[above])):
            return Mistake(above, glued.end(), "a blank is missing behind the colon", "write `key: value`")
        return stop.here("a text that holds `: ` needs quotes", "or put the second key on its own line")
    if "could not find expected ':'" in stop.problem:
        hint = "write `key: value`; indent the line if it belongs to the text above"
        return stop.at_opening("a key without a colon behind it", hint)
    if "sequence entries are not allowed" in stop.problem:
        return stop.here("a list begins on the line of its key", "begin it on the next line, or write [a, b]")
    return None


_STARTS: Final = {"*": "scanning an alias", "&": "scanning an anchor"}


def _text(stop: _Stop) -> Mistake | None:
    if r"'\t'" in stop.problem and "cannot start any token" in stop.problem:
        return stop.here("a tab stands where only spaces may", "indent with spaces, not tabs")
    if start := re.search(r"found character '(.+)' that cannot start", stop.problem):
        return stop.here(f"a text cannot begin with {start[1]}", "put it into quotes")
    if start := re.search(r"expected the node content, but found '(.+)'", stop.problem):
        return stop.here(f"a value cannot begin with {start[1]}", "put a text into quotes")
    for sign, scanned in _STARTS.items():
        if scanned in stop.context:
            return stop.at_opening(f"a text cannot begin with {sign}", "put it into quotes")
    return None


#: What the parser says and does, as an expression, and the message and advice for it.
_OTHERS: Final = (
    ("scanning a block scalar", "behind | and > no text may stand", "begin the text on the next line"),
    (
        "expected '<document start>'",
        "nothing may stand behind the end of the definition",
        "a definition begins with `pipeline: name`",
    ),
    (
        "expected <block end>",
        "this stands where the next key has to begin",
        "is a quote or an indentation wrong above?",
    ),
    ("mapping keys are not allowed", "`? ` cannot stand here", "put a text into quotes"),
    (
        "(scanning|parsing) a (tag|node)|URI",
        "a tag (`!…`) cannot be read",
        "remove it, or put the text into quotes",
    ),
)


def _other(stop: _Stop) -> Mistake | None:
    said = f"{stop.context} {stop.problem}"
    return next(
        (stop.here(message, hint) for words, message, hint in _OTHERS if re.search(words, said)), None
    )
