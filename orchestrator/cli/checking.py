"""Definitions checked under the settings of a command."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from orchestrator.cli import output
from orchestrator.errors import UsageError

if TYPE_CHECKING:
    from orchestrator.definition.review import Review
    from orchestrator.engine.reception import Submission
    from orchestrator.settings import Settings

_ENDINGS: Final = frozenset({".yaml", ".yml"})
#: A key with which a definition begins somewhere; other YAML files of a folder are nobody's definition.
_DEFINITION: Final = re.compile(rb"^(pipeline|steps)\s*:", re.MULTILINE)
#: Bytes of a file that are looked at for such a key.
_LOOKED_AT: Final = 1_000_000
#: Warnings that are shown before anything else is done.
_WARNINGS: Final = 10


def checked(
    file: Path,
    given: Mapping[str, str],
    rows: Path | None,
    settings: "Settings",
    *,
    values: bool = False,
    runs: bool = True,
) -> "Review":
    """What is wrong with a definition and with what it is given; `values`: also which of its inputs lack one.

    `runs`: it is to be carried out, so that the secrets that it needs have to be set.
    """
    from orchestrator.app import checked_limits, kind_infos
    from orchestrator.definition.review import Account, review
    from orchestrator.metastudio.operations import RATES

    rates = {**RATES.get(settings.region, {}), **checked_limits(settings)}
    account = Account(settings.region, tuple(settings.files.roots), rates, settings.secrets.keys(), runs)
    return review(file, kind_infos(), account, given, rows, values=values)


def wanted(found: "Review", *, again: bool = False) -> "Submission":
    """What to run of what was checked; its warnings are noted. Raises DefinitionError with all problems if it has errors."""
    from orchestrator.definition.problems import DefinitionError
    from orchestrator.engine.submission import submission

    if found.pipeline is None or found.prepared is None:
        raise DefinitionError(found.problems)
    for problem in found.problems[:_WARNINGS]:
        output.note(str(problem))
    if len(found.problems) > _WARNINGS:
        output.note(f"… {len(found.problems) - _WARNINGS} more; `orchestrator validate` shows them")
    return submission(found.pipeline, found.prepared, again=again)


def definitions(named: Iterable[Path]) -> Iterator[Path]:
    """The files that are named, and the definitions in the folders that are. Raises UsageError for a folder without any."""
    for path in named:
        if not path.is_dir():
            yield path
            continue
        found = sorted(_inside(path))
        if not found:
            raise UsageError(
                f"No definition is in the folder {path}.", hint="Definitions end in .yaml or .yml."
            )
        yield from found


def _inside(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(
        folder
    ):  # links to folders are not followed: they may lead in a circle
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            path = Path(place, name)
            if path.suffix.lower() in _ENDINGS and path.is_file() and _is_definition(path):
                yield path


def _is_definition(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return _DEFINITION.search(file.read(_LOOKED_AT)) is not None
    except OSError:
        return True  # that it cannot be read is told when it is checked
