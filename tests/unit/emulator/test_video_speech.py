"""What is said of a text, when, and for how long."""

import pytest

from orchestrator.emulator.speech import captions, plain_text, speech_of, speech_s, subtitles


def test_speech_takes_as_long_as_its_words() -> None:
    """Tags aren't spoken, ideographs count one by one, nothing is shorter than two seconds."""
    assert plain_text('<speak>Hello <break time="2s"/>you &amp; me</speak>') == "Hello you & me"
    assert speech_s(["word " * 25]) == 10.0
    assert speech_s(["word " * 25], speed=200) == 5.0
    assert speech_s(["\u4f60\u597d" * 9]) == 4.0
    assert speech_s([""]) == 2.0


def test_tags_count_only_inside_speak() -> None:
    """In a plain text less and greater are what they are."""
    assert plain_text("5 < 6 and 7 > 3") == "5 < 6 and 7 > 3"


@pytest.mark.parametrize(
    ("tag", "seconds"),
    [
        ('<break time="2s"/>', 2.0),
        ("<break time='500ms'/>", 0.5),
        ('<break time="60s"/>', 10.0),
        ('<break strength="none"/>', 0.0),
        ('<break strength="x-strong"></break>', 1.2),
        ("<break/>", 0.5),
    ],
)
def test_breaks_are_silent_and_keep_their_length(tag: str, seconds: float) -> None:
    """At any speed; the line after one begins when it is over."""
    speech = speech_of(f"<speak>one two three four five {tag} six</speak>", speed=50)
    assert speech.lines[0].end_s == 4.0
    assert speech.lines[1].start_s == pytest.approx(4.0 + seconds)
    assert speech.duration_s == pytest.approx(4.8 + seconds)


def test_captions_hold_all_the_words() -> None:
    """In their order, each short enough for the screen, however long a word is."""
    text = " ".join(f"word{n}" for n in range(100))
    assert " ".join(captions([text])) == text
    pieces = captions(["x" * 500, "\u6c34" * 100])
    assert "".join(pieces) == "x" * 500 + "\u6c34" * 100
    assert max(map(len, [*pieces, *captions([text])])) <= 84
    assert captions([]) == ()


def test_a_long_sentence_ends_its_line() -> None:
    """The next one begins a line of its own; short ones share one."""
    long = "This is a sentence of more than half a line."
    assert captions([f"{long} Short. Shorter."]) == (long, "Short. Shorter.")


def test_subtitles_are_in_the_subrip_format() -> None:
    """Numbered, with hours, minutes, seconds and thousandths."""
    speech = speech_of("<speak>One.<break time='10s'/><break time='10s'/>Two.</speak>")
    assert subtitles(speech) == (
        "1\n00:00:00,000 --> 00:00:00,400\nOne.\n\n2\n00:00:20,400 --> 00:00:20,800\nTwo.\n"
    )
