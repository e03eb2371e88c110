"""Types of inputs with many values."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from orchestrator.definition.input_base import (
    ENDING_PATTERN,
    Input,
    InputError,
    ending_of,
    json_in,
    shown,
    text_in,
)
from orchestrator.definition.input_scalars import (
    AssetInput,
    BooleanInput,
    DateInput,
    IntegerInput,
    NumberInput,
    SsmlInput,
    StringInput,
    TextInput,
    TimbreInput,
)
from orchestrator.definition.problems import Code

#: Files that one input may name.
FILES_LIMIT: Final = 1_000
#: Rows of a table that is the value of an input. Those of `rows` may be many more: they are not held together.
ROWS_LIMIT: Final = 10_000

#: Types of the items of a list, of the values of a mapping, of the cells of a column.
ItemType = Literal["string", "text", "ssml", "integer", "number", "boolean", "date", "asset", "timbre"]
#: Flat, so that a mistake is told once: a list of files is one of paths and patterns.
_ListItemType = Literal[
    "string", "text", "ssml", "integer", "number", "boolean", "date", "asset", "timbre", "file"
]
_ITEMS: Final[Mapping[str, Input]] = {
    "string": StringInput(),
    "text": TextInput(type="text"),
    "ssml": SsmlInput(type="ssml"),
    "integer": IntegerInput(type="integer"),
    "number": NumberInput(type="number"),
    "boolean": BooleanInput(type="boolean"),
    "date": DateInput(type="date"),
    "asset": AssetInput(type="asset"),
    "timbre": TimbreInput(type="timbre"),
}


def read_item(kind: str, value: Any, region: str | None, where: str) -> Any:
    """An item of the type `kind`; raises InputError that says where it stands."""
    try:
        return _ITEMS[kind].read(value, region)
    except InputError as error:
        raise InputError(f"{where}: {error}", error.suggestion, error.code) from error


class ItemsError(InputError):
    """Some items do not fit."""

    def __init__(self, faults: list[InputError]) -> None:
        self._faults = tuple(faults)
        super().__init__("; ".join(map(str, faults)), faults[0].suggestion, faults[0].code)

    @property
    def parts(self) -> tuple[InputError, ...]:
        """What is wrong, item by item."""
        return self._faults


def read_items(values: Mapping[str, Any], kind: str | None, region: str | None) -> list[Any]:
    """The items, each read as `kind` says, by where they stand; raises InputError with all that do not fit."""
    if kind is None:
        return list(values.values())
    read, faults = [], []
    for where, value in values.items():
        try:
            read.append(read_item(kind, value, region, where))
        except InputError as error:
            faults.append(error)
    if faults:
        raise ItemsError(faults)
    return read


class _Counted(Input):
    min_items: int = Field(0, ge=0, description="Fewest members.")
    max_items: int | None = Field(None, ge=0, description="Most members.")

    def count(self, number: int, noun: str = "members") -> None:
        """Raises InputError when there are too few or too many."""
        if number < self.min_items or (self.max_items is not None and number > self.max_items):
            most = "" if self.max_items is None else f" and at most {self.max_items:,}"
            raise InputError(f"has {number:,} {noun}; there have to be at least {self.min_items:,}{most}")


class _Separated(_Counted):
    separator: str = Field(
        ",",
        min_length=1,
        max_length=10,
        description="What stands between the members of a text such as a cell.",
    )

    def split(self, value: Any) -> Any:
        """A text's members; what is no text stays as it is."""
        if not isinstance(value, str):
            return value
        given = value.strip()
        if given.startswith("[") and given.endswith("]"):
            return json_in(given)
        parts = [part.strip() for part in given.split(self.separator)]
        return parts[:-1] if len(parts) > 1 and not parts[-1] else parts


class ListInput(_Separated):
    """A list; in a table a JSON list, or texts with commas between them."""

    type: Literal["list"]
    of: _ListItemType | None = Field(
        None,
        description="Type of the items; without it they stay what they are. Of `file`: as the type `files`.",
    )

    def read(self, value: Any, region: str | None) -> list[Any]:
        """The list; raises InputError."""
        items = (
            json_in(value) if isinstance(value, str) and value.lstrip().startswith("[") else self.split(value)
        )
        if not isinstance(items, list):
            raise InputError(f"{shown(value)} is not a list", 'write ["a", "b"] or a, b')
        self.count(len(items))
        return read_items({f"item {place}": item for place, item in enumerate(items, 1)}, self.of, region)


class MapInput(_Counted):
    """A mapping; in a table a JSON object."""

    type: Literal["map"]
    of: ItemType | None = Field(None, description="Type of the values; without it they stay what they are.")
    keys: list[str] | None = Field(None, min_length=1, description="The names that it may have.")

    def read(self, value: Any, region: str | None) -> dict[str, Any]:
        """The mapping; raises InputError."""
        if isinstance(value, str):
            value = json_in(value)
        if not isinstance(value, dict):
            raise InputError(f"{shown(value)} is not a mapping", 'write {"key": "value"}')
        self.count(len(value))
        if self.keys is not None and (odd := [str(key) for key in value if key not in self.keys]):
            raise InputError(f"has no {shown(odd[0])}", f"known: {', '.join(self.keys)}")
        read = read_items({str(key): item for key, item in value.items()}, self.of, region)
        return dict(zip(value, read, strict=True))


class FilesInput(_Separated):
    """Several files: a list of paths, or a pattern such as media/*.png; each as with `file`."""

    type: Literal["files"]
    min_items: int = Field(1, ge=0, description="Fewest files.")
    max_items: int = Field(100, ge=1, le=FILES_LIMIT, description="Most files.")
    accept: list[Annotated[str, Field(pattern=ENDING_PATTERN)]] = Field(
        default_factory=list, description="Accepted file name endings, such as png."
    )

    def read(self, value: Any, region: str | None) -> list[str]:
        """Paths and patterns as written; raises InputError. Which files they are is `globs`' question."""
        written = self.split(value)
        if not isinstance(written, list) or not all(isinstance(path, str) for path in written):
            raise InputError(
                f"{shown(value)} is not a list of paths", 'write ["a.png", "b.png"] or media/*.png'
            )
        if len(written) > FILES_LIMIT:
            raise InputError(f"names {len(written):,} files, more than {FILES_LIMIT:,}")
        for path in written:
            if not path.strip() or "\0" in path:
                raise InputError(f"{shown(path)} is not a path")
        return written

    def check(self, paths: list[str]) -> list[str]:
        """The files that were found, checked; raises InputError."""
        endings = {ending_of(f".{ending.lstrip('.')}") for ending in self.accept}
        for path in paths:
            if endings and ending_of(path) not in endings:
                message = f"{shown(path)} is not a file of type {', '.join(self.accept)}"
                raise InputError(message, "name the type in the pattern, such as *.png", Code.FILE_REFUSED)
        self.count(len(paths), "files")
        return paths


class TableInput(_Counted):
    """The rows of a table (.csv, .tsv, .xlsx, .jsonl) as a list of mappings, for `foreach`; 10,000 at most."""

    type: Literal["table"]
    min_items: int = Field(1, ge=0, description="Fewest rows.")
    max_items: int = Field(ROWS_LIMIT, ge=1, le=ROWS_LIMIT, description="Most rows.")
    columns: dict[str, ItemType] | None = Field(
        None, min_length=1, description="Columns that it has to have, and the type of their cells."
    )
    sheet: str | None = Field(None, min_length=1, description="Of a workbook: the sheet with the rows.")

    def read(self, value: Any, region: str | None) -> str:
        """The table's path as written; raises InputError. What is in it is `located`'s question."""
        path = text_in(value)
        if not path.strip() or "\0" in path:
            raise InputError(f"{shown(path)} is not a path", code=Code.FILE_REFUSED)
        return path


class SlidesInput(Input):
    """A presentation (.pptx): a list of its slides, each with number, title, notes, text, image, deck."""

    type: Literal["slides"]
    default_notes: str | None = Field(
        None, min_length=1, description="What is said on slides without notes; SSML such as a pause will do."
    )

    def read(self, value: Any, region: str | None) -> str:
        """The deck's path as written; raises InputError. What is in it is `slides`' question."""
        path = text_in(value)
        if "\0" in path or ending_of(path) != "pptx":
            raise InputError(
                f"{shown(path)} is not a presentation", "save it as .pptx", code=Code.FILE_REFUSED
            )
        return path
