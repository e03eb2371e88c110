"""Preset timbres: from the name that people use to the id that the region uses (API reference, 11.12)."""

import re
from typing import Final

from orchestrator.metastudio import catalog

_ID: Final = re.compile(r"[0-9a-z]{30,64}")


class UnknownTimbreError(ValueError):
    """No timbre of that name serves the region."""

    def __init__(self, message: str, suggestion: str = "") -> None:
        self.suggestion = suggestion
        super().__init__(message)


def timbre_id(name: str, region: str | None) -> str:
    """The asset id of the timbre `name` in `region`; an id is returned as it is.

    Without a region the name alone is checked, and it is returned. Raises UnknownTimbreError.
    """
    if _ID.fullmatch(name):
        return name
    try:
        timbre = catalog.timbre(name)
        return name if region is None else timbre.id_in(region)
    except catalog.UnknownEntryError as error:
        raise UnknownTimbreError(_clause(error.message), _clause(error.hint)) from error


def _clause(sentence: str) -> str:
    """A sentence as a part of the one that a problem is told in."""
    return sentence[:1].lower() + sentence[1:].removesuffix(".")
