"""The language inside `${{ … }}`: Jinja's expression grammar, cut down until it can neither escape nor cost much.

Jinja's own sandbox keeps an expression from reaching Python, but not from burning time and memory, and it lets it call
the methods of what it is given. So: only the nodes named here, no calls, `a.b` is a look-up in a mapping and never an
attribute of an object, arithmetic is for numbers of 64 bits, and every text that an operator or a filter makes is
bounded by `RESULT_LIMIT`.
"""

import difflib
import functools
import json
import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any, Final, TypeVar
from xml.sax.saxutils import escape

from jinja2 import TemplateError, UndefinedError, nodes
from jinja2.environment import TemplateExpression
from jinja2.parser import Parser
from jinja2.runtime import Context, StrictUndefined, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from orchestrator.errors import UsageError

#: Characters of one expression's source.
SOURCE_LIMIT: Final = 1_000
#: Characters (and members, which count one each) of what an expression or a whole rendered value may hold.
RESULT_LIMIT: Final = 1_048_576
#: Levels of lists and mappings in a rendered value.
DEPTH_LIMIT: Final = 64
_INTEGER_LIMIT: Final = 2**63
_Number = TypeVar("_Number", int, float)
_Made = TypeVar("_Made")


class ExpressionError(UsageError):
    """An expression cannot be read or has no value."""

    def __init__(self, message: str = "", *, hint: str = "", offset: int = 0) -> None:
        """`offset` is the place in the text, in characters from its start."""
        super().__init__(message, hint=hint)
        self.offset = offset


class Budget:
    """What is left of `RESULT_LIMIT` while one value is being rendered."""

    def __init__(self) -> None:
        self._left = RESULT_LIMIT

    def take(self, amount: int) -> None:
        """Raises ExpressionError when more is taken than there was."""
        self._left -= amount
        if self._left < 0:
            raise ExpressionError(f"the result is larger than {RESULT_LIMIT:,} characters")


def plain(value: Any, budget: Budget, depth: int = 0) -> Any:
    """A copy of `value` made of dict, list, str, int, float, bool and None; raises ExpressionError for anything else."""
    _refuse_undefined(value)
    match value:
        case None | bool():
            return value
        case str():
            budget.take(len(value))
            return str(value)
        case int():
            return _bounded(int(value))
        case float() if math.isfinite(value):
            return float(value)
    if depth >= DEPTH_LIMIT:
        raise ExpressionError(f"the result is nested deeper than {DEPTH_LIMIT} levels")
    if isinstance(value, Mapping):
        budget.take(len(value) + 1)
        return {_key(key, budget): plain(item, budget, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        budget.take(len(value) + 1)
        return [plain(item, budget, depth + 1) for item in value]
    raise ExpressionError(f"a {_kind(value)} is not plain data")


def text_of(value: Any) -> str:
    """How `value` reads inside a text: true/false, numbers as written, lists and mappings as JSON.

    Raises ExpressionError for none: a text with a hole in it is a mistake more often than a wish.
    """
    value = plain(value, Budget())
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case None:
            raise ExpressionError("the value is none", hint="Say what to write instead: `| default('…')`.")
        case int() | float():
            return str(value)
        case _:
            return json.dumps(value, ensure_ascii=False)


def tokens(source: str) -> list[tuple[str, str]]:
    """The lexical (kind, text) pairs of an expression that `compiled` accepts, blanks included."""
    return [(kind, text) for _, kind, text in _ENVIRONMENT.lexer.tokeniter(source, None, None, "variable")]


@functools.lru_cache(maxsize=4096)
def compiled(source: str) -> Callable[[Mapping[str, Any]], Any]:
    """A function from the scope to the value of the expression; raises ExpressionError if it is not one.

    The function raises ExpressionError when there is no value. Its result may still hold `Undefined`: pass it through
    `plain`.
    """
    if len(source) > SOURCE_LIMIT:
        raise ExpressionError(f"the expression is longer than {SOURCE_LIMIT:,} characters")
    if not source.strip():
        raise ExpressionError("the expression is empty")
    try:
        expression = TemplateExpression(_ENVIRONMENT.from_string(_tree(source)), undefined_to_none=False)
    except TemplateError as error:
        raise ExpressionError(f"cannot read the expression: {error.message}") from error
    except (RecursionError, MemoryError, SyntaxError, ValueError, OverflowError) as error:
        raise ExpressionError(
            "cannot read the expression: it is nested too deeply or holds too large a number"
        ) from error

    def evaluate(scope: Mapping[str, Any]) -> Any:
        try:
            return expression(scope)
        except TemplateError as error:
            raise ExpressionError(error.message or "the expression has no value") from error
        except (TypeError, ValueError, ArithmeticError, LookupError, RecursionError) as error:
            # The text of these may quote a value, and values may be secret: name the kind alone.
            raise ExpressionError(f"the expression cannot be worked out ({type(error).__name__})") from error

    return evaluate


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean 'x'?` for the nearest of `known`, or an empty text."""
    folded = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    return f"did you mean {folded[near[0]]!r}?" if near else ""


_ALLOWED: Final = (
    *(nodes.Const, nodes.Name, nodes.Getattr, nodes.Getitem, nodes.Slice, nodes.List, nodes.Dict, nodes.Pair),
    *(nodes.Filter, nodes.Test, nodes.CondExpr, nodes.And, nodes.Or, nodes.Not, nodes.Compare, nodes.Operand),
    *(
        nodes.Add,
        nodes.Sub,
        nodes.Mul,
        nodes.Div,
        nodes.FloorDiv,
        nodes.Mod,
        nodes.Neg,
        nodes.Pos,
        nodes.Concat,
    ),
)
_REFUSED: Final[Mapping[type[nodes.Node], str]] = {
    nodes.Call: "an expression calls no functions: use a filter, such as `x | lower`",
    nodes.Pow: "powers (`**`) are not part of the language",
    nodes.Tuple: "write a list as [a, b]",
}


def _tree(source: str) -> nodes.Template:
    parser = Parser(_ENVIRONMENT, source, state="variable")
    root = nodes.Assign(nodes.Name("result", "store"), parser.parse_expression(), lineno=1)
    if not parser.stream.eos:
        raise ExpressionError(f"cannot read the expression after {_shown(parser.stream.current.value)}")
    stack: list[nodes.Node] = [root.node]
    while stack:
        node = stack.pop()
        _check(node)
        stack.extend(node.iter_child_nodes())
    # Jinja's `~` is the one operator that cannot be intercepted, so it becomes a filter that is bounded.
    for concat in list(root.find_all(nodes.Concat)):
        concat.nodes = [nodes.Filter(nodes.List(concat.nodes), "concat", [], [], None, None)]
    template = nodes.Template([root], lineno=1)
    template.set_environment(_ENVIRONMENT)
    template.set_lineno(1)
    return template


def _check(node: nodes.Node) -> None:
    if not isinstance(node, _ALLOWED):
        other = f"{type(node).__name__.lower()} is not part of the language"
        raise ExpressionError(_REFUSED.get(type(node), other))
    match node:
        case nodes.Filter(name=name):
            if name not in _FILTERS:
                raise ExpressionError(f"there is no filter {name!r}", hint=_near_or_all(name, _FILTERS))
            if node.kwargs or node.dyn_args is not None or node.dyn_kwargs is not None:
                raise ExpressionError(f"the filter {name!r} takes its arguments by position")
        case nodes.Test(name=name) if name not in _TESTS:
            raise ExpressionError(f"there is no test {name!r}", hint=_near_or_all(name, _TESTS))
        case nodes.CondExpr(expr2=None):
            raise ExpressionError("an `if` inside an expression needs an `else`")
        case nodes.Getattr(attr=attr) if attr.startswith("_"):
            raise ExpressionError(f"names that begin with an underscore are not reachable: {attr!r}")
        case _:
            return


def _near_or_all(name: str, known: Iterable[str]) -> str:
    return did_you_mean(name, known) or f"known: {', '.join(sorted(known))}"


class _Environment(ImmutableSandboxedEnvironment):
    """Only look-ups in plain data, only bounded arithmetic."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})
    intercepted_unops = frozenset({"+", "-"})

    def getattr(self, obj: Any, attribute: str) -> Any:
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, Undefined):
            return obj  # `steps.a.b.c | default(…)` also serves when `b` is missing
        _refuse_undefined(argument)
        if isinstance(obj, Mapping) and isinstance(argument, str):
            if argument in obj:
                return obj[argument]
            hint = did_you_mean(argument, (key for key in obj if isinstance(key, str)))
            return StrictUndefined(hint=f"there is no {_shown(argument)}" + (f", {hint}" if hint else ""))
        if (
            isinstance(obj, list | tuple | str)
            and isinstance(argument, int)
            and not isinstance(argument, bool)
        ):
            if -len(obj) <= argument < len(obj):
                return obj[argument]
            return StrictUndefined(hint=f"there is no member {argument}: there are {len(obj)}")
        return StrictUndefined(hint=f"a {_kind(obj)} has no member {_shown(argument)}")

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:  # noqa: ARG002 - Jinja's signature
        _refuse_undefined(left)
        _refuse_undefined(right)
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            return _bounded_text(len(left) + len(right), lambda: left + right)
        if operator == "+" and isinstance(left, list) and isinstance(right, list):
            return _bounded_text(len(left) + len(right), lambda: left + right)
        if not (_is_number(left) and _is_number(right)):
            raise ExpressionError(
                f"`{operator}` is not for {_kind(left)} and {_kind(right)}",
                hint=_BINOP_HINT.get(operator, ""),
            )
        return _bounded(self.binop_table[operator](left, right))

    def call_unop(self, context: Context, operator: str, arg: Any) -> Any:  # noqa: ARG002 - Jinja's signature
        _refuse_undefined(arg)
        if not _is_number(arg):
            raise ExpressionError(f"`{operator}` is not for {_kind(arg)}")
        return _bounded(self.unop_table[operator](arg))


_BINOP_HINT: Final = {
    "+": "`~` joins a text with anything.",
    "-": "Step and input names are written with `_`, not `-`.",
}


def _default(value: Any, fallback: Any = "") -> Any:
    return fallback if value is None or isinstance(value, Undefined) else value


def _length(value: Any) -> int:
    if isinstance(value, str | list | tuple | Mapping):
        return len(value)
    return len(_text(value))


def _concat(values: list[Any]) -> str:
    return _join(values)


def _join(values: Any, separator: Any = "") -> str:
    if not isinstance(values, list | tuple):
        raise ExpressionError(f"`join` is for a list, not for {_kind(values)}")
    texts, glue = [text_of(value) for value in values], _text(separator)
    return _bounded_text(sum(map(len, texts)) + len(glue) * len(texts), lambda: glue.join(texts))


def _replace(value: Any, old: Any, new: Any) -> str:
    text, old, new = _text(value), _text(old), _text(new)
    if not old:
        raise ExpressionError("`replace` needs something to look for")
    return _bounded_text(len(text) + text.count(old) * (len(new) - len(old)), lambda: text.replace(old, new))


def _slug(value: Any) -> str:
    words = re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", text_of(value)[:1_000]).casefold())
    return "-".join(words)[:80].rstrip("-")


def _json(value: Any) -> str:
    return json.dumps(plain(value, Budget()), ensure_ascii=False)


def _ssml_escape(value: Any) -> str:
    text = text_of(value)
    growth = 5 * sum(map(text.count, "&<>\"'"))
    return _bounded_text(len(text) + growth, lambda: escape(text, {'"': "&quot;", "'": "&apos;"}))


def _int(value: Any) -> int:
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?[0-9]{1,19}\s*", value, re.ASCII):
        return _bounded(int(value))
    if isinstance(value, bool | int) or (isinstance(value, float) and value.is_integer()):
        return _bounded(int(value))
    raise ExpressionError(f"the {_kind(value)} is not a whole number")


_FLOAT: Final = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*", re.ASCII)


def _float(value: Any) -> float:
    if isinstance(value, str) and len(value) <= 400 and _FLOAT.fullmatch(value):
        return _bounded(float(value))
    if _is_number(value):
        return float(value)
    raise ExpressionError(f"the {_kind(value)} is not a number")


def _text(value: Any) -> str:
    _refuse_undefined(value)
    if not isinstance(value, str):
        raise ExpressionError(f"a text is needed, not {_kind(value)}", hint="`| string` makes one.")
    return str(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "basename": lambda value: PurePosixPath(_text(value)).name,
    "default": _default,
    "float": _float,
    "int": _int,
    "join": _join,
    "json": _json,
    "length": _length,
    "lower": lambda value: _text(value).lower(),
    "replace": _replace,
    "slug": _slug,
    "ssml_escape": _ssml_escape,
    "stem": lambda value: PurePosixPath(_text(value)).stem,
    "string": text_of,
    "trim": lambda value: _text(value).strip(),
    "upper": lambda value: _text(value).upper(),
}
_TESTS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "boolean": lambda value: isinstance(value, bool),
    "defined": lambda value: not isinstance(value, Undefined),
    "mapping": lambda value: isinstance(value, Mapping),
    "none": lambda value: value is None,
    "number": _is_number,
    "string": lambda value: isinstance(value, str),
    "undefined": lambda value: isinstance(value, Undefined),
}


def _refuse_undefined(value: Any) -> None:
    if isinstance(value, Undefined):
        try:
            str(value)  # a strict undefined raises with its own message
        except UndefinedError as error:
            raise ExpressionError(error.message or "the expression has no value") from error


def _key(key: Any, budget: Budget) -> str:
    if not isinstance(key, str):
        raise ExpressionError(f"a {_kind(key)} is not a key")
    budget.take(len(key))
    return str(key)


def _bounded(number: _Number) -> _Number:
    if not abs(number) < _limit(number):  # so that a NaN is refused too
        raise ExpressionError("the number is too large")
    return number


def _limit(number: Any) -> float:
    return math.inf if isinstance(number, float) else _INTEGER_LIMIT


def _bounded_text(size: int, make: Callable[[], _Made]) -> _Made:
    if size > RESULT_LIMIT:
        raise ExpressionError(f"the result is larger than {RESULT_LIMIT:,} characters")
    return make()


def _kind(value: Any) -> str:
    kinds = (
        (bool, "true/false"),
        (str, "text"),
        ((int, float), "number"),
        (Mapping, "mapping"),
        ((list, tuple), "list"),
    )
    if value is None:
        return "none"
    return next((name for types, name in kinds if isinstance(value, types)), type(value).__name__)


def _shown(value: Any) -> str:
    text = str(value)
    return repr(text if len(text) <= 60 else text[:57] + "…")


def _environment() -> _Environment:
    environment = _Environment(undefined=StrictUndefined, optimized=False, autoescape=False, cache_size=0)
    environment.globals.clear()
    environment.filters = {**_FILTERS, "concat": _concat}
    environment.tests = dict(_TESTS)
    return environment


_ENVIRONMENT: Final = _environment()
