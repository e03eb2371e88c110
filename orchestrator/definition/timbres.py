"""Preset timbres: from the name that people use to the id that the region uses (API reference, 11.12)."""

import csv
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Final

from orchestrator.domain.nearest import did_you_mean

_ID: Final = re.compile(r"[0-9a-z]{30,64}")


class UnknownTimbreError(ValueError):
    """No timbre of that name serves the region."""

    def __init__(self, message: str, suggestion: str = "") -> None:
        self.suggestion = suggestion
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class _Timbre:
    name: str
    #: By region, with `-`; a region without the timbre is missing.
    ids: Mapping[str, str]
    #: Regions whose id is printed with a mistake that nobody has corrected.
    damaged: frozenset[str]


def timbre_id(name: str, region: str | None) -> str:
    """The asset id of the timbre `name` in `region`; an id is returned as it is.

    Without a region the name alone is checked, and it is returned. Raises UnknownTimbreError.
    """
    if _ID.fullmatch(name):
        return name
    timbre = _timbres().get(name.strip().casefold())
    if timbre is None:
        near = did_you_mean(name.strip(), sorted({timbre.name for timbre in _timbres().values()}))
        raise UnknownTimbreError(f"there is no timbre {name!r}", near or "give the timbre's id")
    if region is None:
        return name
    if region in timbre.damaged:
        raise UnknownTimbreError(
            f"the published id of the timbre {name!r} in {region} is damaged", "give the timbre's id"
        )
    if region not in timbre.ids:
        served = ", ".join(sorted(timbre.ids))
        raise UnknownTimbreError(
            f"the timbre {name!r} is not published for {region}", f"it is for {served}; or give an id"
        )
    return timbre.ids[region]


@functools.cache
def _timbres() -> Mapping[str, _Timbre]:
    table = resources.files("orchestrator.metastudio").joinpath("spec", "timbres.csv").read_text("utf-8")
    found = {}
    for row in csv.DictReader(table.splitlines()):
        if not row["name"]:
            continue
        columns = [column for column in row if re.fullmatch(r"[a-z]+_[a-z]+_\d+", column)]
        ids = {column.replace("_", "-"): row[column] for column in columns if row[column]}
        corrected = dict(
            part.strip().split("=", 1)
            for part in row["correction_from_published_page"].split(";")
            if "=" in part
        )
        damaged = {part.split(":", 1)[0].strip() for part in row["damaged"].split(";") if part.strip()}
        timbre = _Timbre(row["name"], {**ids, **corrected}, frozenset(damaged - corrected.keys()))
        found[row["name"].casefold()] = timbre
    return found
