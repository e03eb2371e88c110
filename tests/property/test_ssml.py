"""Speech that is built passes the linter, and the linter agrees with an XML parser about what is well-formed."""

from collections.abc import Callable
from typing import Any
from xml.parsers import expat

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.metastudio import ssml

#: What XML has no place for is refused when speech is built, and left out here.
TEXT = st.text(
    st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="\ufffe\uffff")
    | st.sampled_from("<>&\"'\n\t"),
    max_size=40,
)
SAID = TEXT.filter(str.strip)


def _of(make: Callable[..., ssml.Fragment], *values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.tuples(*values).map(lambda given_values: make(*given_values))


EVERYWHERE = st.one_of(
    _of(ssml.pause, st.integers(200, 10_000)),
    _of(ssml.rhythm, st.sampled_from(["none", "x-weak", "weak", "medium", "strong", "x-strong"])),
    _of(ssml.phoneme, TEXT, SAID),
    _of(ssml.insert_action, SAID, st.none() | TEXT, st.none() | TEXT),
)
MOOD = st.sampled_from(["HAPPY", "SAD", "CALM", "ANGER"])
FRAGMENTS = st.one_of(
    EVERYWHERE,
    _of(ssml.say_as, TEXT, st.sampled_from(["number", "date", "figure", "phone", "english", "spell"])),
    _of(ssml.sub, TEXT, SAID),
    _of(ssml.prosody, TEXT, st.integers(50, 200)),
    _of(ssml.word, TEXT),
    st.tuples(MOOD, st.lists(TEXT | EVERYWHERE, max_size=4)).map(
        lambda mood_and_parts: ssml.emotion(mood_and_parts[0], *mood_and_parts[1])
    ),
)


def _parsed(text: str) -> str | None:
    """The character data as expat reads it; None: not well-formed."""
    parser = expat.ParserCreate()
    data: list[str] = []
    parser.CharacterDataHandler = data.append
    try:
        parser.Parse(text.encode(), True)
    except expat.ExpatError:
        return None
    return "".join(data)


@settings(max_examples=200, deadline=None)
@given(st.lists(TEXT | FRAGMENTS, max_size=6))
def test_built_speech_passes(parts: list[ssml.Part]) -> None:
    """Whatever stands in texts and values: no error, and a parser reads the same words."""
    text = ssml.speak(*parts)
    speech = ssml.lint(text)
    assert speech.errors == ()
    assert _parsed(text) == speech.spoken
    plain = [part for part in parts if isinstance(part, str)]
    if len(plain) == len(parts):
        assert speech.spoken == "".join(plain)


PIECES = st.lists(
    st.sampled_from(
        [
            *("<speak>", "</speak>", "<sub alias='a'>", '<sub alias="a>b">', "</sub>", "<word>", "</word>"),
            *(
                "<break/>",
                "<break time='1s'/>",
                "<break time='1s'",
                "<break>",
                "</break>",
                "<a",
                "</a>",
                "</",
            ),
            *("a", " ", "\n", "&amp;", "&#65;", "&#x41;", "&", "&b;", "<", ">", "]]>", "<!--", "-->", "--"),
            *("'", '"', "=", "x='1'", "/>", "é", "\x0b", "&lt;", "&#1;"),
        ]
    ),
    max_size=9,
).map("".join)
#: About the form of XML; the rest are MetaStudio's own rules.
FORM = {
    *(ssml.Code.MALFORMED, ssml.Code.UNCLOSED, ssml.Code.MISNESTED, ssml.Code.UNESCAPED, ssml.Code.ENTITY),
    *(ssml.Code.CHARACTER, ssml.Code.ATTRIBUTE_TWICE),
}


@settings(max_examples=1500, deadline=None)
@given(PIECES)
def test_the_linter_agrees_with_a_parser(inside: str) -> None:
    """What has no mistake of form is well-formed XML with the same words, and the other way round."""
    text = f"<speak>{inside}</speak>"
    speech = ssml.lint(text)
    codes = {one.code for one in speech.errors}
    data = _parsed(text)
    if not codes:
        assert data == speech.spoken
    # An entity inside a value may be none of XML's own; everything else has to agree.
    if data is not None:
        assert not codes & FORM, speech.problems
