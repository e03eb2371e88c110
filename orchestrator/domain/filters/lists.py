"""Filters of lists. An item that is a mapping is looked into by the name of one of its members."""

import builtins
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from orchestrator.domain.filters.reading import member_of, members, text, within
from orchestrator.domain.values import (
    Budget,
    ExpressionError,
    bounded,
    is_number,
    kind,
    refuse_secret,
    spend,
    spend_on,
    text_of,
    truth_of,
)

#: Numbers that `range` makes.
RANGE_LIMIT: Final = 10_000


def concat(values: list[Any]) -> str:
    """Every value as text, one behind the other: what `~` means."""
    return join(values)


def first(value: Any) -> Any:
    """The first item.

    ['a', 'b'] | first → 'a'
    """
    return _at(value, 0, "first")


def last(value: Any) -> Any:
    """The last item.

    ['a', 'b'] | last → 'b'
    """
    return _at(value, -1, "last")


def _at(value: Any, place: int, name: str) -> Any:
    if not isinstance(value, list | tuple):
        raise ExpressionError(f"`{name}` is for a list, not for {kind(value)}")
    if not value:
        raise ExpressionError(f"`{name}`: the list is empty")
    return value[place]


def join(value: Any, separator: Any = "") -> str:
    """The items as one text, with `separator` between them.

    ['a', 'b'] | join(', ') → 'a, b'
    """
    texts, glue, budget = [], text(separator), Budget()
    for item in members(value, "join"):
        texts.append(text_of(item))
        budget.take(len(texts[-1]) + len(glue))
    return glue.join(texts)


def sort(value: Any, attribute: Any = None) -> list[Any]:
    """In ascending order: numbers or texts, or mappings by one of their members.

    [3, 1, 2] | sort → [1, 2, 3]
    [{'n': 2}, {'n': 1}] | sort('n') → [{'n': 1}, {'n': 2}]
    """
    items = members(value, "sort")
    keys = _comparable(items, attribute, "sort")
    # Each item is compared with about log2(n) others, texts as far as they are equal.
    letters = builtins.sum(len(key) for key in keys if isinstance(key, str))
    spend(len(items).bit_length() * (2 * len(items) + letters / 16))
    return [items[place] for place in sorted(builtins.range(len(items)), key=keys.__getitem__)]


def unique(value: Any) -> list[Any]:
    """Each item once, in the order of its first place.

    ['b', 'a', 'b'] | unique → ['b', 'a']
    """
    items = members(value, "unique")
    refuse_secret(items)
    spend_on(items)
    found: dict[str, Any] = {}
    for item in items:
        found.setdefault(json.dumps(item, sort_keys=True, default=_no_json), item)
    return list(found.values())


def map(value: Any, attribute: Any) -> list[Any]:  # noqa: A001 - it is named as it is written in expressions
    """One member of each item.

    [{'sku': 'a'}, {'sku': 'b'}] | map('sku') → ['a', 'b']
    """
    return [member_of(item, attribute, place) for place, item in enumerate(members(value, "map"))]


def select(value: Any, attribute: Any, wanted: Any = None) -> list[Any]:
    """The items of which a member is `wanted`; without it, those of which it holds, as in an `if`.

    [{'sku': 'a', 'shown': 'yes'}, {'sku': 'b', 'shown': 'no'}] | select('shown') | map('sku') → ['a']
    [{'sku': 'a', 'size': 1}, {'sku': 'b', 'size': 2}] | select('size', 2) | map('sku') → ['b']
    """
    return [item for item, fits in _chosen(value, attribute, wanted, "select") if fits]


def reject(value: Any, attribute: Any, wanted: Any = None) -> list[Any]:
    """The items that `select` leaves out.

    [{'sku': 'a', 'shown': 'yes'}, {'sku': 'b', 'shown': 'no'}] | reject('shown') | map('sku') → ['b']
    """
    return [item for item, fits in _chosen(value, attribute, wanted, "reject") if not fits]


def _chosen(value: Any, attribute: Any, wanted: Any, name: str) -> Iterator[tuple[Any, bool]]:
    refuse_secret(wanted)
    for place, item in enumerate(members(value, name)):
        found = member_of(item, attribute, place)
        refuse_secret(found)
        yield item, truth_of(found) if wanted is None else found == wanted


def range(value: Any) -> list[int]:  # noqa: A001 - as above
    """The whole numbers from 0 to one less than the number; 10,000 of them at most.

    3 | range → [0, 1, 2]
    """
    end = within(value, 0, RANGE_LIMIT, "`range` counts up to a number")
    spend(end)
    return list(builtins.range(end))


def sum(value: Any, attribute: Any = None) -> float:  # noqa: A001 - as above
    """The numbers of a list together, or those of one member of each item.

    [1, 2, 3] | sum → 6
    """
    numbers = _members_or_items(members(value, "sum"), attribute)
    if not all(builtins.map(is_number, numbers)):
        raise ExpressionError("`sum` is for numbers", hint="`| float` makes one of a text.")
    total: float = builtins.sum(numbers)
    return bounded(total)


def min(value: Any, attribute: Any = None) -> Any:  # noqa: A001 - as above
    """The least item, or the item of which a member is the least.

    [3, 1, 2] | min → 1
    """
    return _at(sort(value, attribute), 0, "min")


def max(value: Any, attribute: Any = None) -> Any:  # noqa: A001 - as above
    """The greatest item, or the item of which a member is the greatest.

    [3, 1, 2] | max → 3
    """
    return _at(sort(value, attribute), -1, "max")


def reverse(value: Any) -> list[Any]:
    """The items in the opposite order.

    [1, 2] | reverse → [2, 1]
    """
    return list(reversed(members(value, "reverse")))


def _members_or_items(items: Sequence[Any], attribute: Any) -> Sequence[Any]:
    if attribute is None:
        return items
    return [member_of(item, attribute, place) for place, item in enumerate(items)]


def _comparable(items: Sequence[Any], attribute: Any, name: str) -> Sequence[Any]:
    keys = _members_or_items(items, attribute)
    refuse_secret(keys)
    if all(builtins.map(is_number, keys)) or all(isinstance(key, str) for key in keys):
        return keys
    raise ExpressionError(
        f"`{name}` is for numbers or for texts, not for {' and '.join(sorted(set(builtins.map(kind, keys))))}",
        hint="Name a member of its mappings." if attribute is None else "",
    )


def _no_json(value: Any) -> Any:
    raise ExpressionError(f"a {kind(value)} is not plain data")


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "first": first,
    "join": join,
    "last": last,
    "map": map,
    "max": max,
    "min": min,
    "range": range,
    "reject": reject,
    "reverse": reverse,
    "select": select,
    "sort": sort,
    "sum": sum,
    "unique": unique,
}
