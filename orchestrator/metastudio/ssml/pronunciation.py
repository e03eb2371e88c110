"""What `ph` of <phoneme> may hold: Pinyin with tones, or symbols of the CMU dictionary (reference Table 11-10)."""

import re
from enum import StrEnum
from typing import Final

from orchestrator.domain.nearest import did_you_mean

_PINYIN: Final = re.compile(r"[a-zü:]{1,6}[1-5]")
_UNTONED: Final = re.compile(r"[a-zü:]{1,6}[06-9]?")
#: Compiled when used: large sets of characters take their time.
_IDEOGRAPHS: Final = "[\u3007\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+"
_VOWELS: Final = "AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW"
_CONSONANTS: Final = "B CH D DH F G HH JH K L M N NG P R S SH T TH V W Y Z ZH"
#: Vowels carry their stress: none, first or second.
_SYMBOLS: Final = frozenset(
    [
        *_CONSONANTS.split(),
        *(vowel + stress for vowel in _VOWELS.split() for stress in ("", "0", "1", "2")),
    ]
)


class Language(StrEnum):
    """Whose pronunciation it is; the words are those of the capabilities."""

    CHINESE = "chinese"
    ENGLISH = "english"


def language_of(pronunciation: str) -> Language | None:
    """Whose pronunciation it is; None: of neither form."""
    parts = pronunciation.split()
    if parts and all(map(_PINYIN.fullmatch, parts)):
        return Language.CHINESE
    if parts and all(part in _SYMBOLS for part in parts):
        return Language.ENGLISH
    return None


def doubt(pronunciation: str, text: str) -> tuple[str, str]:
    """What is suspicious about the pronunciation of `text`, and what to do; two empty texts when nothing is."""
    language = language_of(pronunciation)
    if language is None:
        parts = pronunciation.split()
        untoned = next((part for part in parts if _UNTONED.fullmatch(part)), None)
        if untoned is not None:
            return f"{untoned[:20]!r} lacks its tone", "end each syllable with 1 to 4, or with 5 for none"
        strange = next((part for part in parts if part not in _SYMBOLS), pronunciation)[:20]
        message = f"{strange!r} is neither Pinyin nor a symbol of the CMU dictionary"
        # The reference itself prints the letter O for the digit.
        digit = f"{strange[:-1]}0" if strange.endswith("O") else ""
        near = f"did you mean {digit!r}?" if digit in _SYMBOLS else did_you_mean(strange, sorted(_SYMBOLS))
        return message, near or "such as tian1 qi4, or W EH1 DH AH0"
    spoken = text.strip()
    if language is Language.CHINESE and re.fullmatch(_IDEOGRAPHS, spoken):
        syllables = len(pronunciation.split())
        if syllables != len(spoken):
            message = f"{len(spoken)} characters need as many syllables, not {syllables}"
            return message, "give one for each character"
    return "", ""
