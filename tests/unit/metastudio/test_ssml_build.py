"""Speech that is put together from parts."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from orchestrator.metastudio import ssml
from orchestrator.metastudio.models.digital_asset import DigitalAssetInfo

HOW_TO = Path(__file__).parents[3] / "docs" / "howto" / "write-speech.md"


def test_parts_are_escaped_and_joined() -> None:
    """Texts keep their meaning between tags and in values, tags nest."""
    assert ssml.speak("R&D <1 ", ssml.pause(300), ssml.sub("a", 'b"c\n'), ssml.prosody("slow", 70)) == (
        '<speak>R&amp;D &lt;1 <break time="300ms"/><sub alias="b&quot;c&#10;">a</sub>'
        '<prosody rate="70">slow</prosody></speak>'
    )
    assert ssml.speak(
        ssml.emotion("CALM", ssml.insert_action("a1", tag="t"), "Hi. ", ssml.rhythm("weak")), ssml.word("on")
    ) == (
        '<speak><emotion type="CALM"><insert-action id="a1" tag="t"/>Hi. <break strength="weak"/></emotion>'
        "<word>on</word></speak>"
    )
    assert str(ssml.phoneme("天", "tian1")) == '<phoneme ph="tian1">天</phoneme>'
    assert ssml.say_as("1", "date").xml == '<say-as interpret-as="date">1</say-as>'


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda: ssml.pause(100), "time='100ms' of <break> has to be 200ms to 10000ms"),
        (lambda: ssml.rhythm(cast("ssml.BreakStrength", "weakly")), "did you mean 'weak'?"),
        (lambda: ssml.prosody("a", 201), "rate='201' of <prosody> has to be a whole number from 50 to 200"),
        (lambda: ssml.sub("a", ""), "alias='' of <sub> is empty"),
        (lambda: ssml.speak("a\x00"), "the character U+0000 cannot stand in SSML"),
        (lambda: ssml.speak("a" * 10_001), "10,001 characters to be spoken"),
        (
            lambda: ssml.speak(ssml.Fragment("sub", "<sub alias='b'>")),
            "<sub> of line 1, column 8 is still open",
        ),
    ],
)
def test_what_breaks_a_rule_is_not_built(made: Callable[[], object], words: str) -> None:
    """The error comes from the part that is wrong."""
    with pytest.raises(ssml.SsmlError) as caught:
        made()
    assert words in str(caught.value)


def test_the_how_to_says_what_happens(capsys: pytest.CaptureFixture[str]) -> None:
    """Its example runs and prints what the page shows."""
    page = HOW_TO.read_text(encoding="utf-8")
    example, shown = re.search(r"```python\n(.*?)```\n\n```text\n(.*?)```", page, re.DOTALL).groups()  # type: ignore[union-attr]  # the test fails if the page has none
    exec(example, {})
    assert capsys.readouterr().out == shown


class _OneAsset:
    """What the example asks of the client."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self._answer = DigitalAssetInfo.model_validate(answer)

    async def show_asset(self, asset_id: str) -> DigitalAssetInfo:
        return self._answer


@pytest.mark.parametrize(
    ("answer", "codes"),
    [
        ({"asset_id": "v"}, []),
        ({"asset_extra_meta": {"human_model_meta": {}}}, []),
        ({"asset_extra_meta": {"voice_model_meta": {}}}, []),
        ({"asset_extra_meta": {"voice_model_meta": {"voice_capability": {}}}}, ["S502"]),
        (
            {"asset_extra_meta": {"voice_model_meta": {"voice_capability": {"is_support_break_time": True}}}},
            [],
        ),
    ],
)
async def test_the_how_to_asks_a_voice_what_it_supports(answer: dict[str, Any], codes: list[str]) -> None:
    """Its second example takes any answer, also one that says nothing of a voice."""
    example = re.findall(r"```python\n(.*?)```", HOW_TO.read_text(encoding="utf-8"), re.DOTALL)[1]
    defined: dict[str, Any] = {"ssml": ssml}
    exec(example, defined)
    text = "<speak>a<break time='1s'/></speak>"
    assert [one.code for one in await defined["doubts"](_OneAsset(answer), "v", text)] == codes
