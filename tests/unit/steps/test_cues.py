"""Subtitles: read, put on the video's clock, written."""

import pytest

from orchestrator.steps.base import StepError
from orchestrator.steps.cues import Cue, SceneCues, as_srt, as_vtt, on_video, pause_after, read_srt

ONE = "1\n00:00:00,000 --> 00:00:02,000\nOne.\n\n2\n00:00:02,500 --> 00:00:04,000\nTwo\nlines.\n"
FIRST = SceneCues(read_srt(ONE.encode()))
SECOND = SceneCues((Cue(0.5, 3.0, "Three."),), pause_s=1.0)


def times(*scenes: SceneCues, video_s: float | None) -> list[tuple[float, float]]:
    return [(round(cue.start_s, 3), round(cue.end_s, 3)) for cue in on_video(scenes, video_s)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_files_are_read_in_their_encoding(encoding: str) -> None:
    """The reference names none; Chinese text survives in each that is usual."""
    cues = read_srt(ONE.replace("One.", "你好").encode(encoding))
    assert cues == (Cue(0.0, 2.0, "你好"), Cue(2.5, 4.0, "Two\nlines."))


def test_what_is_no_srt_is_refused() -> None:
    """An error page instead of subtitles is not taken for silence."""
    with pytest.raises(StepError, match="no SRT file"):
        read_srt(b"<html>504 Gateway Time-out</html>")
    assert read_srt(b"") == ()


def test_scenes_follow_one_another() -> None:
    """Words, known pauses, and a share of what the video is longer."""
    assert times(FIRST, SECOND, FIRST, video_s=12.0) == [
        *((0.0, 2.0), (2.5, 4.0)),
        (4.5, 7.0),
        *((8.0, 10.0), (10.5, 12.0)),
    ]
    assert times(FIRST, SECOND, video_s=8.2)[2] == (4.6, 7.1)


def test_starts_that_the_service_tells_go_before_all_else() -> None:
    """Zeros in all scenes are a field that nobody filled in."""
    told = SceneCues(SECOND.cues, 1.0, start_s=5.0)
    assert times(SceneCues(FIRST.cues, start_s=0.0), told, video_s=9.0)[2] == (5.5, 8.0)
    blank = SceneCues(SECOND.cues, 1.0, start_s=0.0)
    assert times(SceneCues(FIRST.cues, start_s=0.0), blank, video_s=8.0)[2] == (4.5, 7.0)


def test_times_that_are_the_videos_already_stay() -> None:
    """Nothing is added to a second scene whose times go on after the first."""
    later = SceneCues((Cue(4.5, 7.0, "Three."),))
    assert times(FIRST, later, video_s=7.5)[2] == (4.5, 7.0)
    assert times(FIRST, later, video_s=None)[2] == (4.5, 7.0)


def test_what_comes_after_the_video_is_left_out() -> None:
    """A video that is cut has the subtitles of what is left of it."""
    assert times(FIRST, SECOND, FIRST, video_s=6.0) == [(0.0, 2.0), (2.5, 4.0), (4.5, 6.0)]


def test_one_scene_of_unknown_length_takes_the_rest() -> None:
    """Recorded speech without subtitles; before nothing but such scenes, time is known as well."""
    unknown = SceneCues(unknown=True)
    assert times(FIRST, unknown, SECOND, video_s=20.0)[2] == (16.5, 19.0)
    assert times(FIRST, unknown, unknown, video_s=20.0) == [(0.0, 2.0), (2.5, 4.0)]
    with pytest.raises(StepError, match="how long 2 scenes of recorded speech are"):
        on_video([FIRST, unknown, unknown, SECOND], 20.0)


@pytest.mark.parametrize(
    ("text", "pause_s"),
    [
        ("Plain.", 0.0),
        ('<speak>One. <break time="1s"/> Two.</speak>', 0.0),
        ('<speak>One. <break time="1500ms"/> <break time="1s"/> </speak>', 2.5),
        ('<speak><prosody rate="90">One.<break time="2s"/></prosody></speak>', 2.0),
        ('<speak><break time="3s"/></speak>', 3.0),
        ("<speak>broken", 0.0),
    ],
)
def test_pauses_after_the_last_word_are_part_of_a_scene(text: str, pause_s: float) -> None:
    """No subtitle shows them."""
    assert pause_after(text) == pause_s


def test_srt_and_vtt_say_the_same() -> None:
    """WebVTT has dots in its times, no markup of SRT, and escapes; both end a cue with a blank line."""
    cues = [Cue(0.0, 1.25, "A & <i>b</i> < c\n\nd {e}"), Cue(3661.5, 3662.0, "End.")]
    assert as_srt(cues) == (
        "1\n00:00:00,000 --> 00:00:01,250\nA & <i>b</i> < c\nd {e}\n\n"
        "2\n01:01:01,500 --> 01:01:02,000\nEnd.\n\n"
    )
    assert as_vtt(cues) == (
        "WEBVTT\n\n1\n00:00:00.000 --> 00:00:01.250\nA &amp; b &lt; c\nd {e}\n\n"
        "2\n01:01:01.500 --> 01:01:02.000\nEnd.\n\n"
    )
