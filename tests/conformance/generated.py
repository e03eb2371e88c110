"""Requests made from the API document: sound ones, and ones with something wrong in them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

from tests.conformance.document import Schema, resolved

_TEXT = st.text(max_size=12)
_LONGEST = 300
#: Fields of an object that need not be there, and are.
_MOST = 4
#: Nothing that an API should stumble over.
JUNK: st.SearchStrategy[Any] = st.sampled_from(
    [
        None,
        True,
        -1,
        0,
        2**63,
        1.5,
        1e300,
        "",
        "x",
        "\u0000",
        "\U0001f600",
        "x" * 9000,
        [],
        {},
        [None],
        {"x": {}},
    ]
)
_TIMES = ["2026-11-22T12:00:00Z", "2026-11-22T12:00:00+08:00", "2026-11-22"]


def values(schema: Schema, ids: Sequence[str], name: str = "") -> st.SearchStrategy[Any]:
    """Values that fit a schema; a text called `…_id` is mostly one of `ids`, so that it leads somewhere."""
    schema = resolved(schema)
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    made: st.SearchStrategy[Any]
    match schema.get("type"):
        case "string":
            made = _texts(schema, ids, name)
        case "integer":
            low, high = schema.get("minimum", -(2**31)), schema.get("maximum", 2**31)
            made = st.sampled_from([low, high]) | st.integers(low, min(high, low + 1000))
        case "number":
            made = st.integers(int(schema.get("minimum", 0)), int(schema.get("maximum", 1000)))
        case "boolean":
            made = st.booleans()
        case "array":
            most = min(schema.get("maxItems", 3), 3)
            least = min(schema.get("minItems", 0), most)
            made = st.lists(values(schema["items"], ids, name), min_size=least, max_size=most)
        case _:
            made = _objects(schema, ids)
    return made


def _texts(schema: Schema, ids: Sequence[str], name: str) -> st.SearchStrategy[str]:
    if schema.get("format") == "date-time":
        return st.sampled_from(_TIMES)
    low = min(schema.get("minLength", 0), _LONGEST)
    high = max(low, min(schema.get("maxLength", 12), 12))
    free = st.text(min_size=low, max_size=high)
    if name.endswith(("_id", "_ids")) or name == "emotion":
        return st.sampled_from(ids) | free
    return (
        st.sampled_from(["https://example.com/x", "rtmp://example.com/x"]) if name.endswith("_url") else free
    )


@st.composite
def _objects(draw: st.DrawFn, schema: Schema, ids: Sequence[str]) -> dict[str, Any]:
    """What is required, and a few of the other fields: schemas are wide and deep."""
    fields = schema.get("properties")
    if not fields:
        return draw(st.dictionaries(_TEXT, _TEXT, max_size=2))
    needed = [key for key in schema.get("required", ()) if key in fields]
    others = [key for key in fields if key not in needed]
    chosen = draw(st.lists(st.sampled_from(others), unique=True, max_size=_MOST)) if others else []
    return {key: draw(values(fields[key], ids, key)) for key in (*needed, *chosen)}


@st.composite
def spoiled(draw: st.DrawFn, sound: st.SearchStrategy[Any]) -> Any:
    """A sound value with junk in one place, something missing, or something more."""
    value = draw(sound)
    places = list(_places(value))
    if not places:
        return draw(JUNK)
    holder, key = draw(st.sampled_from(places))
    if isinstance(holder, dict) and draw(st.booleans()):
        del holder[key]
        holder[draw(_TEXT)] = draw(JUNK)
    else:
        holder[key] = draw(JUNK)
    return value


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each place in a value that can hold another: container and key."""
    pairs: list[tuple[Any, Any]] = []
    if isinstance(value, Mapping):
        pairs = list(value.items())
    elif isinstance(value, list):
        pairs = list(enumerate(value))
    for key, inner in pairs:
        yield value, key
        yield from _places(inner)
