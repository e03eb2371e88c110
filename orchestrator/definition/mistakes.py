"""From what a pydantic model refuses to problems with a place in the file."""

import re
from collections.abc import Iterator
from collections.abc import Mapping as AbstractMapping
from dataclasses import dataclass
from typing import Any, Final, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from orchestrator.definition.certain import could_become, fixed_texts, holds_expression, unmet
from orchestrator.definition.fields import Loc, alternatives, is_model
from orchestrator.definition.grammar import NAME_RULE, RULES, SECTIONS
from orchestrator.definition.problems import Code
from orchestrator.definition.tree import Mapping, Node, Place, Scalar, Sequence, Source
from orchestrator.domain.nearest import did_you_mean


@dataclass(frozen=True, slots=True)
class Codes:
    """The codes of the three sorts of mistakes, and the noun for a key."""

    unknown: Code = Code.UNKNOWN_KEY
    missing: Code = Code.MISSING_KEY
    wrong: Code = Code.WRONG_VALUE
    noun: str = "key"
    #: Whether values may hold expressions: what those will be is known only later.
    rendered_later: bool = False


#: The type of an error that no expression can undo.
CERTAIN: Final = "certain"
GRAMMAR: Final = Codes()
PARAMETERS: Final = Codes(
    Code.UNKNOWN_PARAMETER, Code.MISSING_PARAMETER, Code.WRONG_PARAMETER, "parameter", rendered_later=True
)


@dataclass(frozen=True, slots=True)
class Spot:
    """What a location of a validation error means in the file."""

    #: The deepest node on the way.
    node: Node
    #: The key that leads to it.
    key_place: Place
    #: Names and indexes on the way, without the tags of unions.
    path: tuple[str, ...]
    #: What the location names beyond the node: a missing key, or nothing.
    rest: str = ""

    @property
    def dotted(self) -> str:
        """`shoot_scripts[0].text`."""
        return re.sub(r"\.(\d+)(?=\.|$)", r"[\1]", ".".join(self.path))


def report(
    source: Source, root: Node, at: Place, model: type[BaseModel], codes: Codes = GRAMMAR
) -> BaseModel | None:
    """What `model` makes of the plain data of `root`, whose key stands at `at`; None after noting every mistake."""
    try:
        return model.model_validate(root.plain())
    except ValidationError as error:
        said: set[tuple[Place, str]] = set()
        details = error.errors(include_url=False, include_input=False)
        if codes.rendered_later and isinstance(root, Mapping):
            details += map(_as_detail, unmet(model, root))
        for detail in details:
            spot = _spot(root, at, detail["loc"])
            if codes.rendered_later and _undecided(detail, spot.node):
                continue
            place, code, message, suggestion = _words(detail, spot, model, codes)
            if (place, message) not in said:
                said.add((place, message))
                source.report(place, code, message, suggestion)
    return None


def _as_detail(condition: tuple[Loc, str]) -> ErrorDetails:
    loc, message = condition
    return {"type": CERTAIN, "loc": loc, "msg": message, "input": None}


def _undecided(detail: ErrorDetails, node: Node) -> bool:
    """Whether the value may turn out right, because of an expression in it."""
    kind = detail["type"]
    if kind in {"missing", "extra_forbidden", CERTAIN} or not holds_expression(node):
        return False
    if not isinstance(node, Scalar):
        # A list or mapping that is written out is one, and has as many members as it has.
        return not (kind.endswith("_type") or kind in {"too_long", "too_short"})
    return not _never(kind, str(node.value), detail.get("ctx", {}))


def _never(kind: str, text: str, context: AbstractMapping[str, Any]) -> bool:
    """Whether the text around expressions makes it impossible that the value becomes right."""
    fixed = fixed_texts(text)
    if fixed is None:
        return False
    match kind:
        case "string_too_long":
            return bool(sum(map(len, fixed)) > context["max_length"])
        case "list_type" | "dict_type" | "model_type" | "model_attributes_type":
            return True
        case "int_parsing" | "int_type":
            return any(re.search(r"[^0-9\s+-]", part) for part in fixed)
        case "enum" | "literal_error":
            return not could_become(text, re.findall(r"'([^']*)'", str(context.get("expected"))))
        case _:
            return False


def _spot(root: Node, at: Place, loc: tuple[int | str, ...]) -> Spot:
    node, place, rest = root, at, ""
    path: tuple[str, ...] = ()
    for step in loc:
        if isinstance(node, Mapping) and step in node.values:
            place, node, path = node.keys[str(step)], node.values[str(step)], (*path, str(step))
        elif isinstance(node, Sequence) and isinstance(step, int) and step < len(node.items):
            node, path = node.items[step], (*path, str(step))
            place = node.place
        else:
            rest = str(step)  # a union's tag, `[key]`, or a key that is missing
    return Spot(node, place, path, rest)


def _words(
    detail: ErrorDetails, spot: Spot, model: type[BaseModel], codes: Codes
) -> tuple[Place, Code, str, str]:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        name, known = spot.path[-1], known_keys(model, spot.path[:-1])
        near = _step_hint(spot) or did_you_mean(name, known) or _other_hint(name, known)
        where = f" in {Spot(spot.node, spot.key_place, spot.path[:-1]).dotted}" if len(spot.path) > 1 else ""
        return spot.key_place, codes.unknown, f"unknown {codes.noun} {name!r}{where}", near
    if kind == "missing":
        where = f" in {spot.dotted}" if spot.path else ""
        return spot.key_place, codes.missing, f"the {codes.noun} {spot.rest!r} is missing{where}", ""
    if spot.rest == "[key]" and kind == "value_error":  # a kind's own rule for its names
        return spot.key_place, codes.wrong, f"{spot.path[-1]!r} {sentence(detail)}", ""
    if spot.rest == "[key]":
        return spot.key_place, codes.wrong, f"{spot.path[-1]!r} is not a usable name", NAME_RULE
    if expected := context.get("expected_tags") or (
        context.get("expected") if kind in {"enum", "literal_error"} else None
    ):
        choices = re.findall(r"'([^']*)'", str(expected))
        given = context.get("tag") or (spot.node.value if isinstance(spot.node, Scalar) else "")
        suggestion = _meant(str(given), choices)
        return (
            _value_place(spot, kind),
            codes.wrong,
            f"{spot.dotted or codes.noun} has to be one of {', '.join(choices)}",
            suggestion,
        )
    message = sentence(detail)
    between = " " if message.startswith("has ") else ": "
    suggestion = _form_hint(kind, spot, codes)
    return (
        _value_place(spot, kind),
        codes.wrong,
        f"{spot.dotted or 'the value'}{between}{message}",
        suggestion,
    )


def _meant(given: str, choices: list[str]) -> str:
    other = _OTHER_WORDS.get(given.casefold(), "")
    return f"did you mean {other!r}?" if other in choices else did_you_mean(given, choices)


def sentence(detail: ErrorDetails) -> str:
    """What is wrong with a value, in plain words and without its name, such as `has to be 1 or more`.

    `detail` needs its context: take it from `errors(include_url=False, include_input=False)`.
    """
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in _MESSAGES:
        return re.sub(r"\b1 (character|item)s", r"1 \1", _MESSAGES[kind].format_map(context))
    if kind == "string_pattern_mismatch":
        pattern = str(context.get("pattern"))
        return RULES.get(pattern, f"has to have the form of the regular expression {pattern}")
    said = re.sub(r"^(Value error|Assertion failed), ", "", detail["msg"])
    said = re.sub(r"^(Input|Value|String|List|Dictionary|Number) should ", "has to ", said)
    return re.sub(r" after validation, not \d+$", "", said)


def _form_hint(kind: str, spot: Spot, codes: Codes) -> str:
    """What to do about a value that is of another sort than the one needed."""
    if kind == "string_type" and isinstance(spot.node, Scalar):
        return "write it in quotes"
    if _MESSAGES.get(kind) != _MAPPING or not isinstance(spot.node, Scalar):
        return ""
    if spot.node.value is None:
        return "nothing stands below it: indent what belongs to it"
    if codes.noun == "key" and len(spot.path) == 2 and spot.path[0] in SECTIONS:
        return "if it belongs to the step above, indent it more"
    return ""


def _step_hint(spot: Spot) -> str:
    if isinstance(spot.node, Mapping) and "uses" in spot.node.values:
        return "it looks like a step: indent it as far as the others"
    return ""


def _other_hint(name: str, known: frozenset[str]) -> str:
    if " " in name:
        return "put quotes around a text that holds a comma"
    return f"known: {', '.join(sorted(known))}" if 0 < len(known) <= 12 else ""


def _value_place(spot: Spot, kind: str) -> Place:
    if kind == "union_tag_invalid" and isinstance(spot.node, Mapping) and "type" in spot.node.values:
        return spot.node.values["type"].place
    # What is not there has no place of its own.
    written = isinstance(spot.node, Scalar) and spot.node.place.start < spot.node.place.end
    return spot.node.place if written else spot.key_place


#: What types of inputs are called elsewhere.
_OTHER_WORDS: Final[AbstractMapping[str, str]] = {
    **dict.fromkeys(
        ("image", "images", "picture", "pictures", "photo", "video", "audio", "media", "path"), "file"
    ),
    **dict.fromkeys(("str", "varchar"), "string"),
    "int": "integer",
    **dict.fromkeys(("float", "double", "decimal"), "number"),
    "bool": "boolean",
    **dict.fromkeys(("array", "sequence"), "list"),
    **dict.fromkeys(("object", "dict", "mapping"), "map"),
    "enum": "choice",
}
_MAPPING: Final = "has to be a mapping"
_MESSAGES: Final[AbstractMapping[str, str]] = {
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "has to be a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "has to be a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "has to be true or false"),
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), _MAPPING),
    "list_type": "has to be a list",
    "string_type": "has to be text",
    "finite_number": "has to be a finite number",
    "greater_than": "has to be more than {gt}",
    "greater_than_equal": "has to be {ge} or more",
    "less_than": "has to be less than {lt}",
    "less_than_equal": "has to be {le} or less",
    "multiple_of": "has to be a multiple of {multiple_of}",
    "string_too_short": "has to have {min_length} characters or more",
    "string_too_long": "has to have {max_length} characters or fewer",
    "too_short": "has to have {min_length} items or more",
    "too_long": "has to have {max_length} items or fewer",
    "extra_forbidden": "is not known",
    "missing": "is missing",
}


def known_keys(model: type[BaseModel], path: tuple[str, ...]) -> frozenset[str]:
    """The keys that `model` knows at `path`, indexes and keys of free mappings included in the path."""
    models: list[Any] = [model]
    for step in path:
        models = [inner for outer in models for inner in _inner(outer, step)]
    return frozenset(name for known in models if is_model(known) for name in _fields(known))


def _inner(annotation: Any, step: str) -> Iterator[Any]:
    if is_model(annotation):
        field = _fields(annotation).get(step)
        if field is not None:
            yield from alternatives(field)
    elif get_origin(annotation) is dict:
        yield from alternatives(get_args(annotation)[1])
    elif get_origin(annotation) in {list, tuple}:
        yield from alternatives(get_args(annotation)[0])


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}
