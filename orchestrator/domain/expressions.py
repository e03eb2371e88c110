"""Templates: texts in which `${{ … }}` stands for a value.

A text that is nothing but one expression keeps the type of its value; anywhere else the value becomes text (true/false,
numbers as written, lists and mappings as JSON, none is an error). `$${{` writes a literal `${{`. What may stand
between the braces is in `sandbox`; data is reached by name (`steps.script.script_id`), a cell such as `012` or `1e5`
stays text.
"""

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from orchestrator.domain.sandbox import compiled, tokens
from orchestrator.domain.values import (
    Budget,
    ExpressionError,
    SecretMisuseError,
    plain,
    text_of,
    truth_of,
    working,
)

__all__ = [
    "Expression",
    "ExpressionError",
    "Literal",
    "Reference",
    "Template",
    "condition",
    "parse",
    "problems",
]
__all__ += ["misuses", "references", "render", "truth"]

_OPEN: Final = "${{"
_SKIPPED_LITERAL: Final = "$${{"


@dataclass(frozen=True, slots=True)
class Reference:
    """A name that an expression uses: `steps.script.script_id` is root `steps`, path `("script", "script_id")`."""

    root: str
    #: Members as far as they are constant; `row[inputs.column]` ends after `row`.
    path: tuple[str, ...]
    #: Characters from the start of the text that holds the expression.
    offset: int = 0

    def __str__(self) -> str:
        return ".".join((self.root, *self.path))


@dataclass(frozen=True, slots=True)
class Literal:
    """Text that stays as it is."""

    text: str
    offset: int


@dataclass(frozen=True, slots=True)
class Expression:
    """What stands between `${{` and `}}`."""

    source: str
    #: Of the first character after `${{`.
    offset: int

    def value(self, scope: Mapping[str, Any]) -> Any:
        """The expression's value, not yet copied; raises ExpressionError when there is none."""
        return compiled(self.source)(scope)

    def references(self) -> Iterator[Reference]:
        """Every name used, in the order of the source."""
        return _names(self.source, self.offset)


@dataclass(frozen=True, slots=True)
class Template:
    """A text, taken apart."""

    parts: tuple[Literal | Expression, ...]

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """The parts that are worked out."""
        return tuple(part for part in self.parts if isinstance(part, Expression))

    def render(self, scope: Mapping[str, Any], budget: Budget | None = None) -> Any:
        """The value in `scope`; raises ExpressionError naming the expression that has none."""
        budget = budget or Budget()
        with working():
            return self._rendered(scope, budget)

    def _rendered(self, scope: Mapping[str, Any], budget: Budget) -> Any:
        if len(self.parts) == 1 and isinstance(self.parts[0], Expression):
            return _evaluated(self.parts[0], scope, budget)
        texts = []
        for part in self.parts:
            text = part.text if isinstance(part, Literal) else _evaluated(part, scope, budget, as_text=True)
            budget.take(len(text))
            texts.append(text)
        return "".join(texts)


@functools.lru_cache(maxsize=4096)
def parse(text: str) -> Template:
    """The parts of `text`; raises ExpressionError (with an offset) for the first mistake."""
    template, mistakes = _split(text)
    for offset, message in mistakes:
        raise ExpressionError(message, offset=offset)
    return template


def problems(text: str) -> list[tuple[int, str]]:
    """Every mistake of syntax in `text`, as (offset, message)."""
    return _split(text)[1]


def condition(text: str) -> Template:
    """The template of an `if`: a text without `${{` is one expression as a whole."""
    if _OPEN in text:
        return parse(text)
    _checked(text, 0)
    return Template((Expression(text, 0),))


def references(value: Any) -> set[Reference]:
    """Every name used by the templates in `value`, a text or lists and mappings of texts; raises ExpressionError."""
    match value:
        case str():
            return {name for expression in parse(value).expressions for name in expression.references()}
        case Mapping():
            return {name for item in value.values() for name in references(item)}
        case list() | tuple():
            return {name for item in value for name in references(item)}
        case _:
            return set()


def misuses(template: Template, secrets: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    """Where the template does more with a secret than handing it on, as far as its inputs alone tell: (offset, message).

    `secrets` are what stands for them, by the names of the inputs.
    """
    for expression in template.expressions:
        if not any(
            name.root == "inputs" and name.path[:1] and name.path[0] in secrets
            for name in expression.references()
        ):
            continue
        try:
            _evaluated(expression, {"inputs": secrets}, Budget())
        except SecretMisuseError as error:
            yield expression.offset, error.message
        except ExpressionError:
            continue  # it hangs on other values


def render(value: Any, scope: Mapping[str, Any]) -> Any:
    """`value` with its templates worked out, as plain data; keys of mappings are taken as they are.

    Raises ExpressionError when an expression has no value, or the whole is larger than `values.RESULT_LIMIT` or takes
    more work than `values.WORK_LIMIT`.
    """
    with working():
        return _rendered(value, scope, Budget())


def truth(text: str, scope: Mapping[str, Any]) -> bool:
    """Whether the condition `text` holds: with or without `${{ }}` around it; see `values.truth_of`.

    Raises ExpressionError when it has no value, or one that is neither true nor false.
    """
    return truth_of(condition(text).render(scope))


def _rendered(value: Any, scope: Mapping[str, Any], budget: Budget) -> Any:
    match value:
        case str() if _OPEN in value:
            return parse(value).render(scope, budget)
        case Mapping():
            return {str(key): _rendered(item, scope, budget) for key, item in value.items()}
        case list() | tuple():
            return [_rendered(item, scope, budget) for item in value]
        case _:
            return plain(value, budget)


def _evaluated(
    expression: Expression, scope: Mapping[str, Any], budget: Budget, *, as_text: bool = False
) -> Any:
    try:
        value = expression.value(scope)
        return text_of(value) if as_text else plain(value, budget)
    except ExpressionError as error:
        shown = " ".join(expression.source.split())
        shown = shown if len(shown) <= 80 else shown[:77] + "…"
        raise type(error)(
            f"${{{{ {shown} }}}}: {error.message}", hint=error.hint, offset=expression.offset
        ) from error


def _split(text: str) -> tuple[Template, list[tuple[int, str]]]:
    parts: list[Literal | Expression] = []
    mistakes: list[tuple[int, str]] = []
    literal, start, at = "", 0, 0
    while (found := text.find(_OPEN, at)) >= 0:
        if found > at - 1 and text[max(found - 1, at) : found] == "$":
            literal += text[at : found - 1] + _OPEN
            at = found + len(_OPEN)
            continue
        literal += text[at:found]
        end = _end(text, found + len(_OPEN))
        if end < 0:
            mistakes.append((found, "`${{` has no closing `}}`"))
            return Template(tuple(parts)), mistakes
        if literal:
            parts.append(Literal(literal, start))
        source = text[found + len(_OPEN) : end]
        parts.append(Expression(source, found + len(_OPEN)))
        try:
            _checked(source, found + len(_OPEN))
        except ExpressionError as error:
            mistakes.append((error.offset, ", ".join(filter(None, (error.message, error.hint)))))
        literal, start = "", end + 2
        at = start
    if literal + text[at:] or not parts:
        parts.append(Literal(literal + text[at:], start))
    return Template(tuple(parts)), mistakes


def _checked(source: str, offset: int) -> None:
    try:
        compiled(source)
    except ExpressionError as error:
        lead = len(source) - len(source.lstrip()) if source.strip() else 0
        raise ExpressionError(error.message, hint=error.hint, offset=offset + lead) from error


_BOUNDARY: Final = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|['"{}]""", re.DOTALL)


def _end(text: str, start: int) -> int:
    """Where the `}}` of an expression begins: not inside a quoted text, not the end of a mapping."""
    depth = 0
    at = start
    while mark := _BOUNDARY.search(text, at):
        at = mark.end()
        match mark.group():
            case "{":
                depth += 1
            case "}" if depth:
                depth -= 1
            case "}" if text[at : at + 1] == "}":
                return mark.start()
            case "'" | '"':
                return -1
    return -1


#: Kind, text and offset.
_Token = tuple[str, str, int]
_WORDS: Final = frozenset(
    {"and", "or", "not", "in", "is", "if", "else", "true", "false", "none", "True", "False", "None"}
)


def _names(source: str, offset: int) -> Iterator[Reference]:
    placed: list[_Token] = []
    for kind, text in tokens(source):
        if kind != "whitespace":
            placed.append((kind, text, offset))
        offset += len(text)
    before = ""
    for at, (kind, text, place) in enumerate(placed):
        # A name after these is a member, a filter or a test.
        free = before not in {".", "|", "is"} and not (
            before == "not" and at > 1 and placed[at - 2][1] == "is"
        )
        if kind == "name" and free and text not in _WORDS:
            yield Reference(text, tuple(_members(placed, at + 1)), place)
        before = text


def _members(placed: list[_Token], at: int) -> Iterator[str]:
    while at + 1 < len(placed):
        (_, mark, _), (kind, text, _) = placed[at : at + 2]
        if mark == "." and kind in {"name", "integer"}:
            yield text
            at += 2
        elif (
            mark == "["
            and kind in {"string", "integer"}
            and [token[1] for token in placed[at + 2 : at + 3]] == ["]"]
        ):
            yield text[1:-1] if kind == "string" else text
            at += 3
        else:
            return
