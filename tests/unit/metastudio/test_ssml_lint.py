"""Speech as users write it: what passes, and what is said about the rest."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from ruamel.yaml import YAML

from orchestrator.metastudio import ssml
from orchestrator.metastudio.models.common import TextConfig
from orchestrator.metastudio.models.digital_asset import VoiceCapability, VoiceCapabilityRead
from orchestrator.metastudio.models.live_command import PlayTextConfig

SPEC = Path(__file__).parents[3] / "orchestrator" / "metastudio" / "spec"


def found(text: str, **how: Any) -> list[str]:
    return [str(problem) for problem in ssml.lint(text, **how).problems]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Meet Aurora. 5 < 6, R&D, I <3 you, a <- b, x<y and z>1",
        'One sentence<speak>\n<break time="200ms"/>another</speak>'.removeprefix("One sentence"),
        '<speak>One sentence<break strength="strong"/>another<break/></speak>',
        '<speak>The <phoneme ph="W EH1 DH AH0">weather</phoneme> is very good.</speak>',
        '<speak>今天<phoneme ph="tian1 qi4">天气</phoneme>很好<phoneme ph="de5">的</phoneme></speak>',
        '<speak><say-as interpret-as="number">123</say-as><sub alias="Paul">保罗</sub></speak>',
        "<speak><prosody rate='50'>Hello, everyone.</prosody><word>MetaStudio</word></speak>",
        (
            '<speak> <emotion type="HAPPY"><insert-action id="2692ea" name="fingertips" tag="system_0026"/>Hello.'
            '<break time="200ms"/>I am here. </emotion>Look<phoneme ph="liao3">how</phoneme>! </speak>'
        ),
        "\n <speak>a &amp; b &#60; c &#x3E; d<break time = '1.5s' /></speak >\n",
    ],
)
def test_speech_as_the_reference_has_it_passes(text: str) -> None:
    """Plain text, and every tag with every sort of value."""
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("<speak>a & b</speak>", ["1:10: S104 & begins no entity (write & as &amp;)"]),
        ("<speak>a < b</speak>", ["1:10: S104 < begins no tag (write < as &lt;)"]),
        (
            "<speak>\r\nx\n<break time='1s'>y</speak>",
            ["3:1: S102 <break> is not closed (write <break …/>)"],
        ),
        (
            "<speak>a<sub alias='b'>c</speak>",
            [
                "1:25: S103 </speak> stands where <sub> of line 1, column 9 is still open (write </sub> before it)"
            ],
        ),
        (
            "<speak><emotion type='SAD'>a<word>b</emotion></word></speak>",
            [
                "1:29: S204 <word> hardly belongs in <emotion> (it can hold text, <break>, <phoneme>, <insert-action>)",
                "1:36: S103 </emotion> stands where <word> of line 1, column 29 is still open (write </word> before it)",
            ],
        ),
        ("<speak>a", ["1:1: S102 <speak> is never closed (write </speak> behind its text)"]),
        ("<speak>a</speek>", ["1:9: S103 </speek> ends a tag that is not open (did you mean 'speak'?)"]),
        ("<speak>a</word></speak>", ["1:9: S103 </word> ends a tag that is not open"]),
        (
            "a <break/> b",
            ["1:3: S201 tags count only inside <speak> (put the whole text inside <speak>…</speak>)"],
        ),
        ("a <speak>b</speak>", ["1:1: S202 text stands outside <speak> (move it inside)"]),
        (
            "<speak>b</speak>\n<speak>c</speak>",
            [
                "2:1: S202 <speak> stands outside the <speak> that holds the text (one <speak> holds everything)"
            ],
        ),
        (
            "<speak><brake/><Break/></speak>",
            [
                "1:8: S203 there is no tag <brake> (did you mean 'break'?)",
                "1:16: S203 there is no tag <Break> (did you mean 'break'?)",
            ],
        ),
        (
            "<speak><sub alias='a'><break/></sub><break>x</break></speak>",
            [
                "1:23: S204 <break> cannot stand in <sub> (it can hold text alone)",
                "1:44: S204 <break> cannot hold text (write <break/> and the text behind it)",
            ],
        ),
        (
            "<speak><prosody rat='50'>a</prosody><word x='1'>b</word></speak>",
            [
                "1:17: S301 <prosody> has no attribute 'rat' (did you mean 'rate'?)",
                "1:43: S301 <word> has no attribute 'x' (write <word> without any)",
            ],
        ),
        ("<speak><sub>a</sub></speak>", ["1:8: S302 <sub> lacks its attribute 'alias' (write alias=\"…\")"]),
        (
            "<speak><say-as interpret-as='dates'>1</say-as></speak>",
            [
                (
                    "1:30: S303 interpret-as='dates' of <say-as> has to be one of number, date, figure, phone, english, "
                    "spell (did you mean 'date'?)"
                )
            ],
        ),
        (
            "<speak><phoneme ph=' '>a</phoneme></speak>",
            ["1:21: S303 ph=' ' of <phoneme> is empty (such as tian1 qi4)"],
        ),
        (
            "<speak><break time='1s' time='2s'/></speak>",
            ["1:25: S109 <break> has the attribute 'time' twice"],
        ),
        (
            "<speak>&nbsp;&copyy;&#0;&#x110000;</speak>",
            [
                "1:8: S105 there is no entity &nbsp; (write the character itself, or & as &amp;)",
                "1:14: S105 there is no entity &copyy; (write the character itself, or & as &amp;)",
                "1:21: S105 &#0; is no character",
                "1:25: S105 &#x110000; is no character",
            ],
        ),
        (
            "<speak>a\x01b]]></speak>",
            [
                "1:9: S106 the character U+0001 cannot stand in SSML (leave it out)",
                "1:11: S101 ]]> cannot stand in a text",
            ],
        ),
        ("half \ud800", ["1:6: S106 half a character cannot be sent (leave it out)"]),
        (
            "Tom &amp; Ann",
            [
                (
                    "1:5: S503 &amp; is read out as it stands: the text has no tags "
                    "(write the character itself, or put the text inside <speak>…</speak>)"
                )
            ],
        ),
        (
            "<speak><word>Hello, you</word></speak>",
            ["1:8: S305 ',' stands in <word>, which takes neither blanks nor punctuation"],
        ),
        (
            "<speak version='1.0' lang='en'>a</speak>",
            [
                "1:8: S301 <speak> has no attribute 'version' (write <speak> without any)",
                "1:22: S301 <speak> has no attribute 'lang' (write <speak> without any)",
            ],
        ),
        (
            "<speak><!-- a -->b<!-- c -- d --></speak>",
            [
                "1:8: S110 it is not said whether MetaStudio skips comments (leave it out)",
                "1:19: S101 a comment cannot hold --",
            ],
        ),
    ],
)
def test_every_mistake_is_found_at_its_place(text: str, problems: list[str]) -> None:
    """Line, column, code, what is wrong and what to do, all at once."""
    assert found(text) == problems


@pytest.mark.parametrize(
    ("tag", "words"),
    [
        ("<break time=“1s”/>", "the value of 'time' in <break> does not stand between two straight quotes"),
        ("<break time=1s/>", "the value of 'time' in <break> does not stand between two straight quotes"),
        ("<break time='1s/>", "the value of 'time' in <break> does not stand between two straight quotes"),
        ("<break time/>", "the attribute 'time' of <break> has no value"),
        ("<break time='1s'strength='weak'/>", "a blank is missing before 'strength' in <break>"),
        ("<break / >", "'/' has no place here in <break>"),
        ("<break time='1s'", "<break> has no > at its end"),
        ("<sub alias='a'>b</sub x>", "</sub> is not closed by > or has more than a name"),
    ],
)
def test_tags_that_are_not_written_as_tags(tag: str, words: str) -> None:
    """The first thing that is wrong inside a tag is named; the tag counts all the same."""
    malformed = [
        one for one in ssml.lint(f"<speak>{tag}</speak>").problems if one.code is ssml.Code.MALFORMED
    ]
    assert [one.message for one in malformed] == [words]


@pytest.mark.parametrize(
    ("attribute", "value", "suggestion"),
    [
        ("time", "199ms", ""),
        ("time", "10001ms", ""),
        ("time", "10.1s", ""),
        ("time", "300", "did you mean '300ms'?"),
        ("time", "300 MS", "did you mean '300ms'?"),
        ("time", "2 seconds", "did you mean '2s'?"),
        ("time", "-1s", ""),
        ("time", "٣s", ""),
        ("time", "9" * 5000 + "ms", ""),
        ("strength", "weakly", "did you mean 'weak'?"),
        ("rate", "49", ""),
        ("rate", "201", ""),
        ("rate", "80%", "write 80, nothing else"),
        ("rate", " 80.0", "write 80, nothing else"),
        ("rate", "slow", ""),
        ("type", "happy", "did you mean 'HAPPY'?"),
    ],
)
def test_values_out_of_range(attribute: str, value: str, suggestion: str) -> None:
    """A value of the wrong form or range is an error; what it may have meant is offered if that would pass."""
    tag = {"rate": "prosody", "type": "emotion"}.get(attribute, "break")
    problems = ssml.lint(f"<speak><{tag} {attribute}='{value}'/></speak>").errors
    assert [(one.code, one.suggestion) for one in problems] == [(ssml.Code.WRONG_VALUE, suggestion)]


@pytest.mark.parametrize("value", ["200ms", "10000ms", "0.2s", "10s", "1.5s"])
def test_pauses_at_their_bounds(value: str) -> None:
    """200 ms to 10 s, both included."""
    assert found(f"<speak><break time='{value}'/></speak>") == []


@pytest.mark.parametrize(
    ("text", "ph", "words"),
    [
        ("天气", "tian qi4", "'tian' lacks its tone"),
        ("天气", "tian1 qi6", "'qi6' lacks its tone"),
        ("天气", "tian1", "2 characters need as many syllables, not 1"),
        ("weather", "W EH1 DH AHO", "'AHO' is neither Pinyin nor a symbol of the CMU dictionary"),
        ("weather", "weəðə(r)", "'weəðə(r)' is neither Pinyin nor a symbol of the CMU dictionary"),
    ],
)
def test_doubtful_pronunciations_are_warned_of(text: str, ph: str, words: str) -> None:
    """The reference contradicts itself about pronunciations, so none is refused."""
    speech = ssml.lint(f"<speak><phoneme ph='{ph}'>{text}</phoneme></speak>")
    assert [one.message for one in speech.warnings] == [words]
    assert speech.errors == ()


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE a [<!ENTITY b "c">]><speak>b</speak>',
        '<!DOCTYPE speak SYSTEM "file:///etc/passwd"><speak>b</speak>',
        '<?xml version="1.0"?><speak>b</speak>',
        "<speak><![CDATA[<b>]]>b</speak>",
        '<speak><!ENTITY % a "b">b</speak>',
    ],
)
def test_declarations_are_refused(text: str) -> None:
    """Nothing that XML declares or instructs is read, and none of it is spoken."""
    speech = ssml.lint(text)
    assert [one.code for one in speech.problems] == [ssml.Code.REFUSED]
    assert speech.spoken == "b"


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("<speak>" + "<sub alias='x'>" * 40, ssml.Code.TOO_DEEP),
        ("<speak>" + "<brake/>" * 10_000 + "</speak>", ssml.Code.TOO_MANY),
        ("<speak>" + "&" * 100_000, ssml.Code.TOO_MANY),
        ("<speak " + "".join(f"a{n}='' " for n in range(9_000)) + "/>", ssml.Code.TOO_MANY),
        ("<speak>" + "<!DOCTYPE [" * 9_000, ssml.Code.REFUSED),
        ("<speak>" + "<break/>" * 20_000 + "</speak>", ssml.Code.TOO_LONG_WITH_TAGS),
        ("x" * 5_000_000, ssml.Code.TOO_LONG),
    ],
)
def test_hostile_texts_are_given_up(text: str, last: ssml.Code) -> None:
    """Depth, length and the number of problems have their bounds."""
    problems = ssml.lint(text).problems
    assert last in {one.code for one in problems}
    assert len(problems) <= 101


def test_speech_is_measured_without_its_tags() -> None:
    """10,000 characters between the tags pass; the 10,001st is pointed at."""
    tags = "<speak>" + "x<break time='200ms'/>" * 5_000
    assert found(tags + "x" * 5_000 + "</speak>") == []
    speech = ssml.lint("<speak>\n&amp;<break/>" + "x" * 10_000 + "</speak>")
    assert len(speech.spoken) == 10_002
    assert [str(one) for one in speech.errors] == [
        "2:10012: S401 has 10,002 characters to be spoken, more than 10,000 (split the text)"
    ]


def test_only_pauses_and_pronunciations_work_in_videos() -> None:
    """The other tags are warned of, and only when the text is for an avatar video."""
    text = (
        "<speak>a<break/><word>b</word><emotion type='SAD'>c</emotion><phoneme ph='de5'>的</phoneme></speak>"
    )
    assert found(text) == []
    assert found(text, video=True) == [
        "1:17: S501 <word> does nothing in an avatar video (only <break> and <phoneme> do)",
        "1:31: S501 <emotion> does nothing in an avatar video (only <break> and <phoneme> do)",
    ]


@pytest.mark.parametrize("kind", [VoiceCapability, VoiceCapabilityRead])
def test_a_voice_is_asked_for_what_the_tags_need(
    kind: type[VoiceCapability] | type[VoiceCapabilityRead],
) -> None:
    """Each tag, attribute and language against its own field; what an answer leaves out is not supported."""
    text = (
        "<speak><break time='1s'/><break strength='weak'/><phoneme ph='de5'>的</phoneme><phoneme ph='AH0'>a</phoneme>"
        "<sub alias='b'>a</sub><say-as interpret-as='date'>1</say-as><prosody rate='50'>c</prosody><word>d</word></speak>"
    )
    able = (
        "phoneme",
        "phoneme_en",
        "break_time",
        "break_strength",
        "prosody",
        "word",
        "ssml_say_as",
        "ssml_sub",
    )
    fields = {f"is_support_{name}" for name in able}
    assert found(text, voice=kind.model_validate(dict.fromkeys(fields, True))) == []
    for field in fields:
        lacking = kind.model_validate(dict.fromkeys(fields - {field}, True))
        speech = ssml.lint(text, voice=lacking)
        assert [one.code for one in speech.warnings] == [ssml.Code.VOICE_LACKS]
        assert field in speech.warnings[0].message
    assert len(ssml.lint(text, voice=kind()).warnings) == len(fields)


def test_how_long_speech_takes() -> None:
    """150 words or 250 characters without blanks a minute, pauses and speeds counted in."""
    assert ssml.lint("one two three four five").duration_s() == pytest.approx(2)
    assert ssml.lint("one two three four five").duration_s(speed=200) == pytest.approx(1)
    assert ssml.lint("我是数字人播报员你好").duration_s() == pytest.approx(2.4)
    text = "<speak>one<break time='1.5s'/><sub alias='two three'>x</sub><prosody rate='50'>four</prosody></speak>"
    assert ssml.lint(text).duration_s() == pytest.approx(5 * 0.4 + 1.5)
    assert ssml.lint(text).duration_s(speed=50) == pytest.approx(10 * 0.4 + 1.5)


def test_check_raises_all_errors_and_no_warnings() -> None:
    """The error lists every problem that is an error, a line each."""
    with pytest.raises(ssml.SsmlError) as caught:
        ssml.check("<speak><!-- c --><brake/>&</speak>")
    assert [one.code for one in caught.value.problems] == ["S203", "S104"]
    assert str(caught.value).splitlines()[1] == "1:26: S104 & begins no entity (write & as &amp;)"
    assert ssml.check("<speak>a<!-- b --></speak>").spoken == "a"


@pytest.mark.parametrize("model", [TextConfig, PlayTextConfig])
def test_a_request_with_broken_speech_is_not_built(model: type[TextConfig] | type[PlayTextConfig]) -> None:
    """The models of requests refuse what the linter refuses, at the field that holds the text."""
    with pytest.raises(ValidationError) as caught:
        model(text="<speak>a <brake time='1s'/>\n& b</speak>")
    assert [(error["loc"], error["msg"]) for error in caught.value.errors()] == [
        (
            ("text",),
            "there is no tag <brake> (line 1, column 10 of the text: S203; did you mean 'break'?)",
        ),
        (("text",), "& begins no entity (line 2, column 1 of the text: S104; write & as &amp;)"),
    ]
    spoken = "<speak>a <break time='1s'/></speak>"
    assert model(text=spoken).text == spoken


@pytest.mark.parametrize(
    "text",
    [
        "vector<int> x",
        "List<String> is",
        "Press <Enter>",
        "x <y> z",
        "<name>, hello",
        "5 <sub 7",
        "<word count",
        "I <break",
        "a<b>c</b>",
        "<p/>",
        '<img src="a.png">',
        "see <?a",
        "<!-- x",
        "<!DOCTYPE a>",
        "<brake> here",
        "<break-even>",
    ],
)
def test_angle_brackets_in_plain_text_are_spoken(text: str) -> None:
    """What is no tag of MetaStudio's, and hardly meant to be one, is warned of and passes as it stands."""
    speech = ssml.lint(text)
    assert speech.errors == ()
    assert {one.code for one in speech.warnings} == {ssml.Code.NO_TAG}
    assert speech.spoken == text
    assert TextConfig(text=text).text == text


@pytest.mark.parametrize(
    ("text", "place", "hint"),
    [
        ("a <brake/>", "1:3", "did you mean 'break'?"),
        ('a\n<breakk time="1s"/>', "2:1", "did you mean 'break'?"),
        ('<breakk time="1s">', "1:1", "did you mean 'break'?"),
        ("<emotions>a</emotions>", "1:1", "did you mean 'emotion'?"),
        ("vector<int> and a <brake/>", "1:19", "did you mean 'break'?"),
    ],
)
def test_what_is_nearly_a_tag_is_an_error(text: str, place: str, hint: str) -> None:
    """A name close to a known one, written as only tags are, is named with the one that was meant."""
    unknown = [one for one in ssml.lint(text).errors if one.code is ssml.Code.UNKNOWN_TAG]
    assert (place, hint) in [(f"{one.line}:{one.column}", one.suggestion) for one in unknown]


@pytest.mark.parametrize(
    "text", ["<speak", " <speak hello", "\ufeff<speak>a", "a <break>", "a </speak>", "a <SUB>"]
)
def test_known_tags_make_a_text_ssml(text: str) -> None:
    """A text that begins with <speak, or holds a known tag with its >, is judged as SSML."""
    assert ssml.lint(text).errors
    assert all(one.code is not ssml.Code.NO_TAG for one in ssml.lint(text).problems)


def test_a_mark_in_front_of_a_text_is_passed_over_and_not_sent() -> None:
    """Editors write a byte order mark; places are still counted in the text as it is."""
    text = "\ufeff<speak>a</speak>"
    assert found(text) == []
    assert ssml.lint(text).spoken == "a"
    assert found("\ufeff<speak>a & b</speak>") == ["1:11: S104 & begins no entity (write & as &amp;)"]
    assert TextConfig(text=text).text == "<speak>a</speak>"
    assert PlayTextConfig(text="\ufeffHello").text == "Hello"


def test_control_characters_cannot_be_sent() -> None:
    """Neither with tags nor without, each at its place; tabs and line ends can."""
    assert found("a\tb\r\nc\x00\x0bd\x1b") == [
        "2:2: S106 the character U+0000 cannot be sent (leave it out)",
        "2:3: S106 the character U+000B cannot be sent (leave it out)",
        "2:5: S106 the character U+001B cannot be sent (leave it out)",
    ]


def test_many_warnings_do_not_hide_that_a_text_is_too_long() -> None:
    """Plain text with any number of brackets and entities is still measured."""
    assert ssml.lint("<x> &lt; " * 500).errors == ()
    assert [one.code for one in ssml.lint("<x> &lt; " * 2_000).errors] == [ssml.Code.TOO_LONG]


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "text_config" and isinstance(value, dict) and isinstance(value.get("text"), str):
                yield value["text"]
            yield from _texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from _texts(value)


def test_the_texts_of_the_examples_pass() -> None:
    """Nothing that the reference itself sends is refused."""
    document = YAML(typ="safe").load((SPEC / "metastudio.openapi.yaml").read_text())
    texts = set(_texts(document))
    assert texts
    assert {text: ssml.lint(text).errors for text in texts} == dict.fromkeys(texts, ())


@given(st.lists(st.sampled_from([*"<>/=\"'&;! ?-[]a\n#x1", "speak", "break", "time"])).map("".join))
def test_any_text_is_read(text: str) -> None:
    """No text crashes the linter, and every problem lies inside the text."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for problem in ssml.lint(text, video=True).problems:
        assert 1 <= problem.line <= len(lines)
        assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1
