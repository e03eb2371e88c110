"""About how long speech takes.

The reference has no formula. It gives the normal speed as 150 words a minute (Table 5-4) and as 250 (Table 10-3); the
latter holds for characters of scripts without blanks.
"""

import re
from decimal import Decimal
from typing import Final

from orchestrator.metastudio.ssml import attributes
from orchestrator.metastudio.ssml.scan import Text
from orchestrator.metastudio.ssml.tags import TAGS
from orchestrator.metastudio.ssml.tree import Element

_WORDS_A_MINUTE: Final = 150
_IDEOGRAPHS_A_MINUTE: Final = 250
#: Compiled when used: large sets of characters take their time.
_IDEOGRAPH: Final = "[\u3007\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]"
_WORD: Final = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")


def seconds(children: "list[Element | Text]") -> tuple[float, float]:
    """About how long `children` take at normal speed: seconds of speaking, and of pauses that have a length."""
    speaking_s = pauses_s = 0.0
    for child in children:
        if isinstance(child, Text):
            speaking_s += _speaking_s(child.text)
            continue
        inner_s, inner_pauses_s = seconds(child.children)
        if child.name == "sub" and "alias" in child.attributes:
            inner_s = _speaking_s(child.attributes["alias"].text)
        elif child.name == "prosody" and (rate := _number(child, "rate")):
            inner_s = inner_s * 100 / rate
        elif child.name == "break" and "time" in child.attributes:
            inner_pauses_s += float(attributes.milliseconds(child.attributes["time"].text) or 0) / 1000
        speaking_s += inner_s
        pauses_s += inner_pauses_s
    return speaking_s, pauses_s


def _number(element: Element, name: str) -> float:
    """The attribute's value if it is one that it may have, else 0."""
    value = element.attributes.get(name)
    attribute = TAGS[element.name].attributes[name]
    usable = value is not None and not attributes.mistake(attribute, value.text)[0]
    return float(Decimal(value.text)) if usable and value else 0.0


def _speaking_s(text: str) -> float:
    ideographs = len(re.findall(_IDEOGRAPH, text))
    words = len(_WORD.findall(re.sub(_IDEOGRAPH, " ", text)))
    return words * 60 / _WORDS_A_MINUTE + ideographs * 60 / _IDEOGRAPHS_A_MINUTE
