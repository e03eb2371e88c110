"""Speech for avatars: plain text or MetaStudio's SSML (reference 11.7, Table 11-3) linted, measured and built.

`lint` reads a text and finds every mistake with its line and column, `check` raises them; `speak` and what it is made of
build texts that pass.
"""

from orchestrator.metastudio.ssml.build import (
    Fragment,
    Part,
    emotion,
    insert_action,
    pause,
    phoneme,
    prosody,
    rhythm,
    say_as,
    speak,
    sub,
    word,
)
from orchestrator.metastudio.ssml.lint import Speech, check, lint
from orchestrator.metastudio.ssml.problems import Code, Problem, Severity, SsmlError
from orchestrator.metastudio.ssml.tags import (
    SPOKEN_LIMIT,
    TAGS,
    TEXT_LIMIT,
    BreakStrength,
    EmotionType,
    SayAsInterpretAs,
)

__all__ = [
    "SPOKEN_LIMIT",
    "TAGS",
    "TEXT_LIMIT",
    "BreakStrength",
    "Code",
    "EmotionType",
    "Fragment",
    "Part",
    "Problem",
    "SayAsInterpretAs",
    "Severity",
    "Speech",
    "SsmlError",
    "check",
    "emotion",
    "insert_action",
    "lint",
    "pause",
    "phoneme",
    "prosody",
    "rhythm",
    "say_as",
    "speak",
    "sub",
    "word",
]
