"""What the platform offers by name: voices, fonts, tags, resource types, status codes (reference 11.1, 11.12 to 11.15).

Each table is read from `spec/` when it is first asked for. The states are in `states`, the live commands in `live`.
"""

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from ruamel.yaml import YAML

from orchestrator.domain.nearest import did_you_mean
from orchestrator.errors import RetryClass, UsageError


class UnknownEntryError(UsageError):
    """The platform has no such thing."""


# Voices


@dataclass(frozen=True, slots=True)
class Timbre:
    """A preset voice of the platform (11.12)."""

    #: Its number in the published table.
    row: int
    #: Empty for the voices that the table gives without a name.
    name: str
    #: Asset ids by region, the corrected ones among them; a region without the voice is missing.
    ids: Mapping[str, str]
    #: Regions whose printed id was damaged and is corrected from the provider's website.
    corrected: frozenset[str]
    #: Regions whose printed id is damaged and nobody has corrected it.
    damaged: frozenset[str]

    def id_in(self, region: str) -> str:
        """Its asset id in `region`. Raises UnknownEntryError where none is published, or only a damaged one."""
        if region in self.ids:
            return self.ids[region]
        if region in self.damaged:
            raise UnknownEntryError(
                f"The published id of the timbre {self.name!r} in {region} is damaged.",
                hint="Give the timbre's id.",
            )
        served = ", ".join(sorted(self.ids))
        raise UnknownEntryError(
            f"The timbre {self.name!r} is not published for {region}.",
            hint=f"It is for {served}; or give an id.",
        )


def timbres(region: str | None = None) -> tuple[Timbre, ...]:
    """All preset voices in the order of the table, or those whose id in `region` is known."""
    return tuple(one for one in _timbres() if region is None or region in one.ids)


def timbre(name: str) -> Timbre:
    """The voice of that name, whatever its case. Raises UnknownEntryError."""
    found = _named().get(name.strip().casefold())
    if found is None:
        raise UnknownEntryError(
            f"There is no timbre {name!r}.",
            hint=_near(name, (one.name for one in _named().values())) or "Give the timbre's id.",
        )
    return found


def timbre_of(asset_id: str) -> Timbre | None:
    """The preset voice that has this id in some region; None for any other asset."""
    return next((one for one in _timbres() if asset_id in one.ids.values()), None)


@cache
def _timbres() -> tuple[Timbre, ...]:
    return tuple(_timbre(row) for row in _rows("timbres.csv"))


@cache
def _named() -> Mapping[str, Timbre]:
    return {one.name.casefold(): one for one in _timbres() if one.name}


def _timbre(row: Mapping[str, str]) -> Timbre:
    columns = [column for column in row if re.fullmatch(r"[a-z]+_[a-z]+_\d+", column)]
    printed = {column.replace("_", "-"): row[column] for column in columns if row[column]}
    corrected = _pairs(row["correction_from_published_page"], "=")
    damaged = _pairs(row["damaged"], ":").keys() - corrected.keys()
    ids = {region: one for region, one in {**printed, **corrected}.items() if region not in damaged}
    return Timbre(
        int(row["row"]), row["name"], MappingProxyType(ids), frozenset(corrected), frozenset(damaged)
    )


# Fonts


@dataclass(frozen=True, slots=True)
class Font:
    """A font for subtitles and text layers (table 11-15)."""

    name: str
    #: Languages that it can write, in English words; none where the reference doesn't say.
    languages: tuple[str, ...]
    note: str = ""


def fonts(language: str | None = None) -> tuple[Font, ...]:
    """All fonts, or those that can write `language`. Raises UnknownEntryError for a language that none names."""
    if language is None:
        return tuple(_fonts().values())
    known = {one.casefold(): one for one in languages()}
    wanted = known.get(language.strip().casefold())
    if wanted is None:
        raise UnknownEntryError(
            f"No font is known to write {language!r}.",
            hint=_near(language, languages()) or f"Fonts write {', '.join(languages())}.",
        )
    return tuple(one for one in _fonts().values() if wanted in one.languages)


def font(name: str) -> Font:
    """The font of exactly that name, as it is sent. Raises UnknownEntryError."""
    if name not in _fonts():
        raise UnknownEntryError(f"There is no font {name!r}.", hint=_near(name, _fonts()))
    return _fonts()[name]


def languages() -> tuple[str, ...]:
    """The languages that fonts are listed for, in English words, sorted."""
    return tuple(sorted({language for one in _fonts().values() for language in one.languages}))


@cache
def _fonts() -> Mapping[str, Font]:
    return {
        row["font"]: Font(row["font"], tuple(filter(None, row["languages"].split(";"))), row["note"])
        for row in _rows("fonts.csv")
    }


# Tags


@dataclass(frozen=True, slots=True)
class Tag:
    """A system tag of assets (table 11-14)."""

    name: str
    group: str
    #: How other tables of the reference spell it.
    variants: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TagLimits:
    """How many tags there may be, and how long."""

    per_asset: int
    #: Characters of an asset's tag.
    max_length: int
    per_product: int
    #: Bytes of a product's tag.
    product_bytes: int


def tags(group: str | None = None) -> tuple[Tag, ...]:
    """All system tags, or those of a group. Raises UnknownEntryError for a group that isn't there."""
    if group is None:
        return _tags()
    if group not in tag_groups():
        raise UnknownEntryError(f"There is no group of tags {group!r}.", hint=_near(group, tag_groups()))
    return tuple(one for one in _tags() if one.group == group)


def tag(name: str) -> Tag:
    """The system tag in any of its spellings and in any case. Raises UnknownEntryError: own tags are free to be used."""
    known = {spelling.casefold(): one for one in _tags() for spelling in (one.name, *one.variants)}
    found = known.get(name.strip().casefold())
    if found is None:
        raise UnknownEntryError(
            f"There is no system tag {name!r}.", hint=_near(name, (one.name for one in _tags()))
        )
    return found


def tag_groups() -> tuple[str, ...]:
    """What system tags are about, such as `gender`."""
    return tuple(dict.fromkeys(one.group for one in _tags()))


def tag_spellings() -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    """Where other tables of the reference list tags their own way: by table, then by group."""
    return {
        place: {group: tuple(map(str, names)) for group, names in groups.items()}
        for place, groups in _tag_facts()["elsewhere"].items()
    }


def tag_limits() -> TagLimits:
    """The bounds of tags, the user's own among them."""
    limits = _tag_facts()["limits"]
    return TagLimits(
        per_asset=limits["max_tags_per_asset"],
        max_length=limits["tag_length"][1],
        per_product=limits["max_tags_per_product"],
        product_bytes=limits["product_tag_bytes"],
    )


@cache
def _tags() -> tuple[Tag, ...]:
    facts = _tag_facts()
    # A pair says that both are in use, not which of them the table has.
    others = {**facts["variants"], **{two: one for one, two in facts["variants"].items()}}
    return tuple(
        Tag(str(name), group, tuple(filter(None, [others.get(str(name))])))
        for group, names in facts["groups"].items()
        for name in names
    )


@cache
def _tag_facts() -> Mapping[str, Any]:
    document: Mapping[str, Any] = YAML(typ="safe", pure=True).load(_text("tags.yaml"))
    return document


# Resource types


@dataclass(frozen=True, slots=True)
class ResourceType:
    """What a tenant buys or is given, as quota (tables 11-16 to 11-18)."""

    code: str
    #: How a tenant comes by it.
    origin: str
    resource: str
    #: What one of it is.
    unit: str
    #: Empty where the reference doesn't say.
    billing: str
    remark: str
    table: str
    note: str


def resource_types(origin: str | None = None) -> tuple[ResourceType, ...]:
    """All resource types, or those of one origin."""
    return tuple(one for one in _resource_types().values() if origin in (None, one.origin))


def resource_type(code: str) -> ResourceType:
    """The resource type of that code. Raises UnknownEntryError."""
    if code not in _resource_types():
        raise UnknownEntryError(f"There is no resource type {code!r}.", hint=_near(code, _resource_types()))
    return _resource_types()[code]


@cache
def _resource_types() -> Mapping[str, ResourceType]:
    return {row["code"]: ResourceType(**row) for row in _rows("resource-types.csv")}


# Status codes


@dataclass(frozen=True, slots=True)
class StatusCode:
    """An HTTP status that the API may answer with (table 11-1)."""

    status: int
    name: str
    meaning: str
    #: What sending the same request again may achieve; None for a success.
    retry: RetryClass | None
    #: How many operations of the reference list it.
    operations: int
    note: str


def status_codes() -> Mapping[int, StatusCode]:
    """The status codes that the reference lists, by number."""
    return _status_codes()


@cache
def _status_codes() -> Mapping[int, StatusCode]:
    return MappingProxyType(
        {
            int(row["status"]): StatusCode(
                status=int(row["status"]),
                name=row["name"],
                meaning=row["meaning"],
                retry=RetryClass(row["retry"]) if row["retry"] else None,
                operations=int(row["operations_listing_it"]),
                note=row["note"],
            )
            for row in _rows("status-codes.csv")
        }
    )


# Reading


def _text(name: str) -> str:
    return files("orchestrator.metastudio").joinpath("spec", name).read_text("utf-8")


def _rows(name: str) -> Iterable[dict[str, str]]:
    return csv.DictReader(_text(name).splitlines())


def _pairs(text: str, sign: str) -> dict[str, str]:
    parts = (part.partition(sign) for part in text.split(";") if part.strip())
    return {key.strip(): value.strip() for key, _, value in parts}


def _near(name: str, known: Iterable[str]) -> str:
    near = did_you_mean(name.strip(), sorted(set(known)))
    return near[:1].upper() + near[1:]
