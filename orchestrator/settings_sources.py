"""Where settings come from: command line, environment, config file, each as (dotted name, value, origin)."""

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.errors import UsageError

PREFIX = "ORCHESTRATOR_"
#: Kubernetes injects these into every pod when a Service is called `orchestrator`; they are not settings.
_INJECTED = re.compile(r"ORCHESTRATOR_(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_(TCP|UDP)(_\w+)?)?)")


@dataclass(frozen=True, slots=True)
class Given:
    """One value that somebody gave, and where: a variable, FILE:LINE:COL or the command line."""

    name: str
    value: Any
    origin: str


@dataclass(frozen=True, slots=True)
class Shape:
    """What there is to set, by dotted name."""

    fields: frozenset[str]
    groups: frozenset[str]
    #: Fields that hold several values.
    lists: frozenset[str]
    #: Fields that hold values by free names.
    mappings: frozenset[str]
    #: Fields that may also be given as `NAME_file`, the path of a file with the value.
    secrets: frozenset[str]


def from_flags(flags: Mapping[str, Any], shape: Shape) -> Iterator[Given]:
    """What the command line gave, by dotted name; None is not given."""
    for name, value in flags.items():
        if value is not None:
            yield from _flat(name, value, "command line", shape)


def from_environment(environ: Mapping[str, str], shape: Shape, problems: list[str]) -> Iterator[Given]:
    """The `ORCHESTRATOR_…` variables; an empty one is not given.

    Lists are separated by commas or JSON, mappings are JSON, everything else is the text.
    """
    for variable, text in environ.items():
        if not variable.startswith(PREFIX) or not text or _INJECTED.fullmatch(variable):
            continue
        name = variable.removeprefix(PREFIX).lower().replace("__", ".")
        value: Any = text
        if (name in shape.lists and text.startswith("[")) or (
            name in shape.mappings and text.startswith("{")
        ):
            try:
                value = json.loads(text)
            except ValueError:  # its message holds the text, which may be a secret
                problems.append(f"{variable}: is not valid JSON.")
                continue
        elif name in shape.lists:
            value = [item.strip() for item in text.split(",") if item.strip()]
        yield from _flat(name, value, variable, shape)


def from_file(path: Path, shape: Shape) -> list[Given]:
    """What the YAML file says; an empty key is not given. Raises `UsageError` when it can't be read or parsed."""
    # Late: most commands run without a config file.
    from ruamel.yaml import YAML  # noqa: PLC0415 - see above
    from ruamel.yaml.comments import CommentedMap  # noqa: PLC0415 - see above
    from ruamel.yaml.constructor import DuplicateKeyError  # noqa: PLC0415 - see above
    from ruamel.yaml.error import MarkedYAMLError, YAMLError  # noqa: PLC0415 - see above

    try:
        root = YAML().load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}.") from error
    except UnicodeDecodeError:
        raise UsageError(f"{path}: is not UTF-8 text.") from None
    except YAMLError as error:
        # Not chained, not quoted: the library's messages repeat the lines around, secrets included.
        mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        what = "this key stands twice" if isinstance(error, DuplicateKeyError) else "is not valid YAML"
        raise UsageError(f"{place}: {what}.") from None
    if root is not None and not isinstance(root, CommentedMap):
        raise UsageError(f"{path}: should be a mapping of settings.")

    def walk(node: CommentedMap, prefix: str) -> Iterator[Given]:
        for key, value in node.items():
            line, column = node.lc.key(key)
            name, origin = f"{prefix}{key}", f"{path}:{line + 1}:{column + 1}"
            if isinstance(value, CommentedMap) and name in shape.groups | shape.mappings:
                yield from walk(value, f"{name}.")
            elif value is not None:
                yield Given(name, value, origin)

    return list(walk(root or CommentedMap(), ""))


def resolved(item: Given, shape: Shape, problems: list[str]) -> Given | None:
    """`item` as a value of a field, with the content of the file that a `…_file` names; None after adding a problem."""
    base = item.name.removesuffix("_file")
    if base != item.name and (base in shape.secrets - shape.mappings or _is_named_secret(base, shape)):
        try:
            text = Path(str(item.value)).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            problems.append(f"{item.origin}: {item.name}: the file can't be read ({type(error).__name__}).")
            return None
        lines = [line for line in text.splitlines() if line]
        return Given(base, lines if base in shape.lists else text.rstrip("\r\n"), item.origin)
    if item.name in shape.groups | shape.mappings:
        problems.append(f"{item.origin}: {item.name} is a group of settings, not a value.")
        return None
    if item.name in shape.lists and isinstance(item.value, str | Path):
        return Given(item.name, [item.value], item.origin)
    group, _, leaf = item.name.rpartition(".")
    if item.name in shape.fields or (group in shape.mappings and leaf):
        return item
    problems.append(f"{item.origin}: there is no setting {item.name}.{_suggestion(item, shape)}")
    return None


def _is_named_secret(name: str, shape: Shape) -> bool:
    """Whether it is a value of a mapping of secrets."""
    mapping, _, leaf = name.rpartition(".")
    return bool(leaf) and mapping in shape.secrets & shape.mappings


def _suggestion(item: Given, shape: Shape) -> str:
    known = [*shape.fields, *shape.groups, *(f"{name}_file" for name in shape.secrets)]
    close = difflib.get_close_matches(item.name, known, n=1, cutoff=0.6)
    if not close:
        return ""
    name = PREFIX + close[0].upper().replace(".", "__") if item.origin.startswith(PREFIX) else close[0]
    return f" Did you mean {name}?"


def _flat(name: str, value: Any, origin: str, shape: Shape) -> Iterator[Given]:
    if isinstance(value, Mapping) and name in shape.groups | shape.mappings:
        for key, item in value.items():
            yield from _flat(f"{name}.{key}", item, origin, shape)
    else:
        yield Given(name, value, origin)
