"""How long speech is."""

import pytest

from orchestrator.emulator.speech import speech_s
from orchestrator.planning.speech import characters, text_s

TEXTS = [
    "Meet Aurora, the desk lamp that follows your day. Cool light while you work, warm light when you are done.",
    '<speak>This is Spring. Ice cold for a whole day, <break time="300ms"/> tea hot until the evening.</speak>',
    "欢迎来到我们的直播间。今天给大家介绍一款非常好用的台灯。" * 3,
]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("speed", [50, 100, 200])
def test_the_estimate_is_close_to_what_the_emulator_renders(text: str, speed: int) -> None:
    """Both go by words and characters of scripts without blanks."""
    assert text_s(text, speed) == pytest.approx(speech_s([text], speed), rel=0.15)


def test_only_breaks_take_effect_in_a_video() -> None:
    """A prosody does nothing there."""
    words = " ".join(["word"] * 50)
    assert text_s(f'<speak><prosody rate="50">{words}</prosody></speak>') == pytest.approx(20)
    assert text_s(f'<speak>{words}<break time="500ms"/></speak>') == pytest.approx(20.5)


def test_tags_are_no_characters() -> None:
    """What is spoken counts."""
    assert characters('<speak>Hello<break time="1s"/></speak>') == 5
