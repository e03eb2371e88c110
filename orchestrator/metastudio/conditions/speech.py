"""What an avatar can say: plain text, or MetaStudio's SSML (reference 11.7, Table 11-3)."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from orchestrator.metastudio.conditions.base import Unmet, holds_for

if TYPE_CHECKING:
    from orchestrator.metastudio.models.common import TextConfig
    from orchestrator.metastudio.models.live_command import PlayTextConfig


@holds_for("TextConfig", "PlayTextConfig")
def text_can_be_spoken(config: "TextConfig | PlayTextConfig") -> Iterator[Unmet]:
    """The tags are MetaStudio's, well-formed and in their ranges; 10,000 characters without them. 11.7, Table 11-3."""
    from orchestrator.metastudio import ssml  # noqa: PLC0415 - most users of the models never send a text

    for one in ssml.lint(config.text).errors:
        hint = f"; {one.suggestion}" if one.suggestion else ""
        yield Unmet(
            ("text",), f"{one.message} (line {one.line}, column {one.column} of the text: {one.code}{hint})"
        )
