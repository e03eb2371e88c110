"""The filter `scenes`: pages become what `shoot_scripts` takes."""

import pytest

from orchestrator.domain.expressions import render
from orchestrator.domain.values import ExpressionError
from orchestrator.metastudio.models.video_script import ShootScriptItemBasic

PAGES = [{"asset_id": "a", "notes": "One.", "title": "T"}, {"asset_id": "b", "notes": "<speak>Two.</speak>"}]
LAYER = {"layer_type": "HUMAN", "position": {"dx": 1, "dy": 2, "layer_index": 1}}


def test_each_page_is_a_scene_that_the_api_takes() -> None:
    """Numbered, its picture behind what is said; the same layers in all."""
    found = render("${{ pages | scenes(layers) }}", {"pages": PAGES, "layers": [LAYER]})
    items = [ShootScriptItemBasic.model_validate(item) for item in found]
    assert [item.sequence_no for item in items] == [0, 1]
    assert found[1]["shoot_script"] == {
        "text_config": {"text": "<speak>Two.</speak>"},
        "background_config": [{"background_type": "IMAGE", "background_asset_id": "b"}],
        "layer_config": [LAYER],
    }
    assert "layer_config" not in render("${{ pages | scenes }}", {"pages": PAGES})[0]["shoot_script"]


@pytest.mark.parametrize(
    ("pages", "told"),
    [
        ("text", "for a list of pages, not for text"),
        (["a"], "page 1 of `scenes` is text, not a mapping"),
        ([*PAGES, {"asset_id": "c", "notes": ""}], "page 3 of `scenes` has no notes"),
        ([{"notes": "One."}], "page 1 of `scenes` has no asset_id"),
    ],
)
def test_what_is_no_page_is_told_by_its_place(pages: object, told: str) -> None:
    """Before anything is sent."""
    with pytest.raises(ExpressionError, match=told):
        render("${{ pages | scenes }}", {"pages": pages})


def test_layers_are_a_list() -> None:
    """As `layer_config` is."""
    with pytest.raises(ExpressionError, match="takes a list of layers, not mapping"):
        render("${{ pages | scenes(layers) }}", {"pages": PAGES, "layers": LAYER})
