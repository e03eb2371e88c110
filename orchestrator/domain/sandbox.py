"""The language inside `${{ … }}`: Jinja's expression grammar, cut down until it can neither escape nor cost much.

Jinja's own sandbox keeps an expression from reaching Python, but not from burning time and memory, and it lets it call
the methods of what it is given. So: only the nodes named here, no calls, `a.b` is a look-up in a mapping and never an
attribute of an object, arithmetic is for numbers of 64 bits, every text that an operator or a filter makes is
bounded by `RESULT_LIMIT`, and all that goes through data is paid for from `WORK_LIMIT`.
"""

import functools
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from jinja2 import TemplateError, nodes
from jinja2.environment import TemplateExpression
from jinja2.parser import Parser
from jinja2.runtime import Context, StrictUndefined, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from orchestrator.domain import secrets
from orchestrator.domain.filters import FILTERS, TESTS, concat
from orchestrator.domain.nearest import did_you_mean
from orchestrator.domain.values import (
    ExpressionError,
    bounded,
    bounded_text,
    is_number,
    kind,
    refuse_secret,
    refuse_undefined,
    spend,
    working,
)

#: Characters of one expression's source.
SOURCE_LIMIT: Final = 1_000


def tokens(source: str) -> list[tuple[str, str]]:
    """The lexical (token, text) pairs of an expression that `compiled` accepts, blanks included."""
    return [(token, text) for _, token, text in _ENVIRONMENT.lexer.tokeniter(source, None, None, "variable")]


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
        raise ExpressionError(
            f"cannot read the expression: {_in_plain_words(error.message or '')}"
        ) from error
    except (RecursionError, MemoryError, SyntaxError, ValueError, OverflowError) as error:
        raise ExpressionError(
            "cannot read the expression: it is nested too deeply or holds too large a number"
        ) from error

    def evaluate(scope: Mapping[str, Any]) -> Any:
        try:
            with working():
                return expression(scope)
        except TemplateError as error:
            raise ExpressionError(error.message or "the expression has no value") from error
        except (TypeError, ValueError, ArithmeticError, LookupError, RecursionError) as error:
            # The text of these may quote a value, and values may be secret: name the kind alone.
            raise ExpressionError(f"the expression cannot be worked out ({type(error).__name__})") from error

    return evaluate


_ALLOWED: Final = (
    *(nodes.Const, nodes.Name, nodes.Getattr, nodes.Getitem, nodes.Slice, nodes.List, nodes.Dict, nodes.Pair),
    *(nodes.Filter, nodes.Test, nodes.CondExpr, nodes.And, nodes.Or, nodes.Not, nodes.Compare, nodes.Operand),
    *(nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Neg, nodes.Pos),
    nodes.Concat,
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
    _guard(root)
    template = nodes.Template([root], lineno=1)
    template.set_environment(_ENVIRONMENT)
    template.set_lineno(1)
    return template


def _guard(root: nodes.Node) -> None:
    """What Jinja leaves to Python and does not let us intercept gets a filter of ours around what it is given."""
    for joined in list(root.find_all(nodes.Concat)):
        joined.nodes = [_through("concat", nodes.List(joined.nodes))]
    for comparison in list(root.find_all(nodes.Compare)):
        comparison.expr = _through(_SEEN, comparison.expr)
        for operand in comparison.ops:
            operand.expr = _through(_SEEN, operand.expr)
    for part in list(root.find_all(nodes.Getitem)):
        if isinstance(part.arg, nodes.Slice):
            part.node = _through(_SEEN, part.node)


def _through(name: str, node: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None)


#: Names of filters that nobody can write.
_SEEN: Final = "seen through"


def _seen(value: Any) -> Any:
    """The value, which is gone through as a whole; raises ExpressionError for a secret."""
    if not isinstance(value, Undefined):
        refuse_secret(value)
    return value


_EXPECTED: Final = {"name": "a name", ",": "`,` or a closing bracket"}


def _in_plain_words(said: str) -> str:
    """What the parser says of templates and tokens, as said of an expression."""
    if "end of template" in said:
        wanted = re.search(r", expected '(.*)'", said)
        return "it ends too early" + (
            f"; {_EXPECTED.get(wanted[1], f'`{wanted[1]}`')} is missing" if wanted else ""
        )
    if character := re.match(r"unexpected char '(.*)' at \d+$", said):
        shown = character[1].replace("\\\\", "\\")
        hint = _SIGN_HINT.get(shown, "")
        return f"`{shown}` is no part of the language{hint}"
    if found := re.match(r"expected token '(.*)', got '(.*)'$", said):
        hint = _SIGN_HINT.get(found[2], "")
        return f"{_EXPECTED.get(found[1], f'`{found[1]}`')} is missing before `{found[2]}`{hint}"
    if found := re.match(r"unexpected '(.*)'$", said):
        return f"`{found[1]}` cannot stand there"
    return said.replace("expected name or number", "behind a dot stands a name or a number")


_SIGN_HINT: Final = {
    "&": ": write `and`",
    "|": ": write `or` for either, `| filter` for a filter",
    "!": ": write `not`",
}


def _check(node: nodes.Node) -> None:
    if not isinstance(node, _ALLOWED):
        other = f"{type(node).__name__.lower()} is not part of the language"
        raise ExpressionError(_REFUSED.get(type(node), other))
    match node:
        case nodes.Filter(name=name):
            if name not in FILTERS:
                raise ExpressionError(f"there is no filter {name!r}", hint=_near_or_all(name, FILTERS))
            if node.kwargs or node.dyn_args is not None or node.dyn_kwargs is not None:
                raise ExpressionError(f"the filter {name!r} takes its arguments by position")
            _check_arguments(name, len(node.args))
        case nodes.Test(name=name) if name not in TESTS:
            raise ExpressionError(f"there is no test {name!r}", hint=_near_or_all(name, TESTS))
        case nodes.CondExpr(expr2=None):
            raise ExpressionError("an `if` inside an expression needs an `else`")
        case nodes.Const(value=value) if secrets.marked(value):
            raise ExpressionError("an expression holds no characters U+FDD0 and U+FDD1")
        case nodes.Getattr(attr=attr) if attr.startswith("_"):
            raise ExpressionError(f"names that begin with an underscore are not reachable: {attr!r}")
        case _:
            return


def _check_arguments(name: str, given: int) -> None:
    fewest, most = _arguments(FILTERS[name])
    if not fewest <= given <= most:
        wanted = str(most) if fewest == most else f"{fewest} to {most}"
        some = "no arguments" if not most else f"{wanted} argument{'s' if most > 1 else ''}"
        raise ExpressionError(f"the filter {name!r} takes {some}, not {given}")


def _arguments(made: Callable[..., Any]) -> tuple[int, int]:
    """The fewest and the most that a filter takes beside its value."""
    taken = list(inspect.signature(made).parameters.values())[1:]
    return sum(one.default is one.empty for one in taken), len(taken)


def _near_or_all(name: str, known: Iterable[str]) -> str:
    return did_you_mean(name, known) or f"known: {', '.join(sorted(known))}"


#: Names that are compared with one that does not exist, and characters of such a name: comparing is slow.
_NEAR_LIMIT: Final = (200, 64)


class _Missing(StrictUndefined):
    """A member that a mapping does not have. The name that was probably meant is looked for once it is told."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        name, known = str(self._undefined_name), self._undefined_obj
        most, longest = _NEAR_LIMIT
        names = [key for key, _ in zip(known, range(most), strict=False) if isinstance(key, str)]
        near = (
            did_you_mean(name, (key for key in names if len(key) <= longest)) if len(name) <= longest else ""
        )
        return f"there is no {_shown(name)}" + (f", {near}" if near else "")


class _Environment(ImmutableSandboxedEnvironment):
    """Only look-ups in plain data, only bounded arithmetic."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})
    intercepted_unops = frozenset({"+", "-"})

    def getattr(self, obj: Any, attribute: str) -> Any:
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, Undefined):
            return obj  # `steps.a.b.c | default(…)` also serves when `b` is missing
        refuse_undefined(argument)
        refuse_secret(argument)
        if isinstance(obj, Mapping) and isinstance(argument, str):
            if argument in obj:
                return obj[argument]
            return _Missing(obj=obj, name=argument)
        if (
            isinstance(obj, list | tuple | str)
            and isinstance(argument, int)
            and not isinstance(argument, bool)
        ):
            if isinstance(obj, str):
                refuse_secret(obj)
            if -len(obj) <= argument < len(obj):
                return obj[argument]
            return StrictUndefined(hint=f"there is no member {argument}: there are {len(obj)}")
        return StrictUndefined(hint=f"a {kind(obj)} has no member {_shown(argument)}")

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        refuse_undefined(left)
        refuse_undefined(right)
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            spend(len(left) + len(right))
            return bounded_text(len(left) + len(right), lambda: left + right)
        if operator == "+" and isinstance(left, list) and isinstance(right, list):
            spend(len(left) + len(right))
            return bounded_text(len(left) + len(right), lambda: left + right)
        if not (is_number(left) and is_number(right)):
            raise ExpressionError(
                f"`{operator}` is not for {kind(left)} and {kind(right)}",
                hint=_BINOP_HINT.get(operator, ""),
            )
        return bounded(self.binop_table[operator](left, right))

    def call_unop(self, context: Context, operator: str, arg: Any) -> Any:
        refuse_undefined(arg)
        if not is_number(arg):
            raise ExpressionError(f"`{operator}` is not for {kind(arg)}")
        return bounded(self.unop_table[operator](arg))


_BINOP_HINT: Final = {
    "+": "`~` joins a text with anything.",
    "-": "Step and input names are written with `_`, not `-`.",
}


def _shown(value: Any) -> str:
    text = str(value)
    return repr(text if len(text) <= 60 else text[:57] + "…")


def _of_values(made: Callable[..., Any]) -> Callable[..., Any]:
    """The filter, which is never given what does not exist."""

    def applied(*values: Any) -> Any:
        for value in values:
            refuse_undefined(value)
        return made(*values)

    return applied


def _environment() -> _Environment:
    environment = _Environment(undefined=StrictUndefined, optimized=False, autoescape=False, cache_size=0)
    environment.globals.clear()
    environment.filters = {
        **{name: made if name == "default" else _of_values(made) for name, made in FILTERS.items()},
        "concat": concat,
        _SEEN: _seen,
    }
    environment.tests = dict(TESTS)
    return environment


_ENVIRONMENT: Final = _environment()
