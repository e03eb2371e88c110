"""Uploads into an asset that another step makes: the file's category has to be one of the asset's type."""

import re
from collections.abc import Iterator
from collections.abc import Mapping as AbstractMapping
from typing import Final

from orchestrator.definition.tree import Mapping, Place, Scalar
from orchestrator.metastudio.conditions.asset import FILE_CATEGORIES

_MAKES_ASSETS: Final = frozenset({"asset.create", "api.create_digital_asset"})
#: The parameter for the category, by the kind of the step.
_CATEGORY: Final = {
    "file.upload": "category",
    "api.create_file": "asset_file_category",
    "api.create_large_file": "asset_file_category",
}
_KNOWN: Final = frozenset[str]().union(*FILE_CATEGORIES.values())
_ASSET_OF_A_STEP: Final = re.compile(r"\s*\$\{\{\s*steps\.([A-Za-z0-9_-]+)\.asset_id\s*\}\}\s*")


def unfit_categories(steps: AbstractMapping[str, Mapping]) -> Iterator[tuple[Place, str, str]]:
    """Place, message and suggestion for each upload whose category its asset doesn't take (reference table 4-178).

    Only where both stand in the definition: the type as a fixed value, the asset as the output of a step.
    """
    for step in steps.values():
        category = _parameter(step, _CATEGORY.get(_text(step, "uses") or "", ""))
        asset = _parameter(step, "asset_id")
        if category is None or asset is None:
            continue
        made_by = _ASSET_OF_A_STEP.fullmatch(str(asset.value))
        maker = steps.get(made_by[1]) if made_by else None
        if maker is None or _text(maker, "uses") not in _MAKES_ASSETS:
            continue
        kind = _parameter(maker, "asset_type")
        if kind is None or (allowed := FILE_CATEGORIES.get(str(kind.value))) is None:
            continue
        if category.value in _KNOWN - allowed:
            message = f"{category.value} is no category of a file in an asset of the type {kind.value}"
            yield category.place, message, f"it takes {', '.join(sorted(allowed))}"


def _text(step: Mapping, key: str) -> str | None:
    node = step.values.get(key)
    return node.value if isinstance(node, Scalar) and isinstance(node.value, str) else None


def _parameter(step: Mapping, name: str) -> Scalar | None:
    given = step.values.get("with")
    node = given.values.get(name) if isinstance(given, Mapping) else None
    return node if isinstance(node, Scalar) else None
