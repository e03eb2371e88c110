"""A file's category has to suit the asset that it goes to."""

from pathlib import Path

import pytest

from orchestrator.definition.loader import check_text
from orchestrator.definition.problems import Code
from orchestrator.steps.base import kinds

TEXT = """\
pipeline: p
inputs: {{kind: {{type: string}}}}
steps:
  up:
    uses: file.upload
    with: {{asset_id: "{asset}", path: x, category: {category}}}
  card: {{uses: asset.create, with: {{asset_name: n, asset_type: {kind}}}}}
"""
CARD = "${{ steps.card.asset_id }}"


def _check(kind: str, category: str, asset: str = CARD) -> list[tuple[int, int, Code, str, str]]:
    text = TEXT.format(kind=kind, category=category, asset=asset)
    _, found = check_text(text.encode(), kinds(), file="p.yaml", folder=Path.cwd())
    return [(one.line, one.col, one.code, one.message, one.suggestion) for one in found]


def test_a_category_that_the_asset_does_not_take_is_shown_at_its_place() -> None:
    """Table 4-178: pages belong to slides."""
    assert _check("IMAGE", "PAGE") == [
        (
            6,
            71,
            Code.WRONG_PARAMETER,
            "PAGE is no category of a file in an asset of the type IMAGE",
            "it takes COVER, MAIN, OTHER",
        )
    ]


@pytest.mark.parametrize(
    ("kind", "category", "asset"),
    [
        ("PPT", "PAGE", CARD),
        ("IMAGE", "COVER", CARD),
        ("MUSIC", "SAMPLE", CARD),
        ("'${{ inputs.kind }}'", "PAGE", CARD),
        ("IMAGE", "'${{ inputs.kind }}'", CARD),
        ("IMAGE", "PAGE", "${{ inputs.kind }}"),
        ("IMAGE", "PAGE", "0123456789abcdef0123456789abcdef"),
    ],
)
def test_what_suits_or_is_not_known_passes(kind: str, category: str, asset: str) -> None:
    """A category of the type, a type without rules, and whatever is known only later."""
    assert _check(kind, category, asset) == []
