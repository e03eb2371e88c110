"""Filters of speech: what makes SSML of texts and numbers (reference 11.7)."""

from collections.abc import Callable, Mapping
from typing import Any, Final
from xml.sax.saxutils import escape

from orchestrator.domain.filters.reading import text, within
from orchestrator.domain.values import ExpressionError, bounded_text, refuse_secret, spend, text_of

#: Milliseconds of a pause (reference Table 11-9).
_PAUSE: Final = (200, 10_000)


def ssml_escape(value: Any) -> str:
    """Fit to stand inside <speak>: `&`, `<`, `>` and quotes are written as SSML wants them.

    'Lamp & Co' | ssml_escape → 'Lamp &amp; Co'
    """
    given = text_of(value)
    refuse_secret(given)
    size = len(given) + 5 * sum(map(given.count, "&<>\"'"))
    spend(size)
    return bounded_text(size, lambda: escape(given, {'"': "&quot;", "'": "&apos;"}))


def ssml_break(value: Any) -> str:
    """A pause of so many milliseconds, 200 to 10,000, for a text inside <speak>.

    500 | ssml_break → '<break time="500ms"/>'
    """
    return f'<break time="{within(value, *_PAUSE, "a pause has milliseconds")}ms"/>'


def ssml_phoneme(value: Any, ph: Any) -> str:
    """The text, escaped, and how it is pronounced, for a text inside <speak>.

    '天气' | ssml_phoneme('tian1 qi4') → '<phoneme ph="tian1 qi4">天气</phoneme>'
    """
    sounds = text(ph).strip()
    if not sounds:
        raise ExpressionError("`ssml_phoneme` needs the sounds")
    return f'<phoneme ph="{ssml_escape(sounds)}">{ssml_escape(text(value))}</phoneme>'


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "ssml_break": ssml_break,
    "ssml_escape": ssml_escape,
    "ssml_phoneme": ssml_phoneme,
}
