"""Scenes of a video out of slides: the filter `scenes`."""

from collections.abc import Mapping
from typing import Any

from orchestrator.domain.values import ExpressionError, kind, refuse_undefined


def scenes(pages: Any, layers: Any = None) -> list[dict[str, Any]]:
    """`shoot_scripts` of a script (reference table 5-9): each page's picture behind what is said on it.

    `pages` are mappings with `asset_id` (a picture in the asset library) and `notes` (speech), as the results of
    `slides.page` are; `layers` is the `layer_config` of every scene: where the presenter stands. Raises ExpressionError.
    """
    refuse_undefined(pages)
    refuse_undefined(layers)
    if not isinstance(pages, list | tuple):
        raise ExpressionError(f"`scenes` is for a list of pages, not for {kind(pages)}")
    if not (layers is None or isinstance(layers, list | tuple)):
        raise ExpressionError(f"`scenes` takes a list of layers, not {kind(layers)}")
    return [_scene(place, page, layers) for place, page in enumerate(pages)]


def _scene(place: int, page: Any, layers: Any) -> dict[str, Any]:
    if not isinstance(page, Mapping):
        raise ExpressionError(f"page {place + 1} of `scenes` is {kind(page)}, not a mapping")
    for name in ("asset_id", "notes"):
        if not isinstance(page.get(name), str) or not page[name]:
            hint = "Pages come from the step kind slides.page: `steps.pages.results`."
            raise ExpressionError(f"page {place + 1} of `scenes` has no {name}", hint=hint)
    shoot: dict[str, Any] = {
        "text_config": {"text": page["notes"]},
        "background_config": [{"background_type": "IMAGE", "background_asset_id": page["asset_id"]}],
    }
    if layers:
        shoot["layer_config"] = list(layers)
    return {"sequence_no": place, "shoot_script": shoot}
