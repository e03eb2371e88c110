"""What one run would do."""

import wave
from pathlib import Path

import pytest

from orchestrator.planning.spans import Span
from tests.unit.planning.conftest import Read, Weigh

SCRIPT = """
  script:
    uses: script.create
    with:
      script_name: A
      model_asset_id: "0c7798664ee7178b3dba3bbef57c32e7"
      voice_config: {{voice_asset_id: "0a4b548fd8d2d6998e1fc3fffb29f9bc"{speed}}}
      video_config: {{codec: H264, bitrate: 4000, width: 1920, height: 1080}}
      shoot_scripts: [{{shoot_script: {scene}}}]
  video:
    uses: video.produce
    with: {{script_id: "${{{{ steps.script.script_id }}}}", output_asset_config: {{asset_name: A}}}}
"""
#: At 150 words a minute: 20 seconds.
WORDS = " ".join(["word"] * 50)


def script(scene: str, speed: str = "") -> str:
    return "pipeline: talk\ninputs: {speech: {type: ssml, default: x}}\nsteps:" + SCRIPT.format(
        scene=scene, speed=speed
    )


SPOKEN = script('{text_config: {text: "${{ inputs.speech }}"}}')


def exactly(**values: float) -> dict[str, Span]:
    return {name: Span.exactly(value) for name, value in values.items()}


def test_every_step_counts_its_calls(weigh: Weigh) -> None:
    """A video is ordered once, and as long as the speech of its script."""
    load = weigh(SPOKEN, {"speech": WORDS})
    assert load.calls == exactly(create_video_scripts=1, create2_d_digital_human_video=1)
    assert load.charges["video"].high == pytest.approx(20 / 60)
    assert load.videos == Span(1, 1)
    assert load.alone_s.high == pytest.approx(20)
    assert not load.open


def test_speed_pauses_and_rendering_count(weigh: Weigh) -> None:
    """A voice of twice the speed halves the speaking, not the pauses."""
    text = script('{text_config: {text: "${{ inputs.speech }}"}}', ", speed: 200")
    speech = f'<speak>{WORDS}<break time="4s"/></speak>'
    load = weigh(text, {"speech": speech}, render_factor=3)
    assert load.charges["video"].high * 60 == pytest.approx(14)
    assert load.alone_s.high == pytest.approx(42)


def test_what_only_the_run_knows_is_said_to_be_open(weigh: Weigh) -> None:
    """Speech out of another step leaves the minutes open; the user may say them."""
    text = script('{text_config: {text: "${{ steps.look.asset_name }}"}}').replace(
        "steps:", f"steps:\n  look: {{uses: api.show_asset, with: {{asset_id: '{'0' * 32}'}}}}"
    )
    load = weigh(text)
    assert "video" not in load.charges
    (found,) = load.open
    assert (found.step, found.what, found.charges) == ("video", "minutes", frozenset({"video"}))
    load = weigh(text, video=2.5)
    assert load.charges == exactly(video=2.5)
    assert not load.open


def test_a_video_of_a_script_that_is_there_already_is_open(weigh: Weigh) -> None:
    """Nobody knows how long it is."""
    text = """
pipeline: again
steps:
  video: {uses: video.produce, with: {script_id: "1", output_asset_config: {asset_name: A}}}
"""
    assert [one.what for one in weigh(text).open] == ["minutes"]


def test_a_recording_is_as_long_as_its_file(weigh: Weigh, tmp_path: Path) -> None:
    """It is found among what is sent for the script."""
    pytest.importorskip("av")
    with wave.open(str(tmp_path / "talk.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(2 * 8000 * 3))
    text = script("{script_type: AUDIO}")
    load = weigh(text)
    assert [one.what for one in load.open] == ["minutes"]
    text += """
  speech:
    uses: script.audio
    with: {script_id: "${{ steps.script.script_id }}", recordings: [talk.wav]}
"""
    text = text.replace("\n  video:\n", "\n  video:\n    needs: [speech]\n")
    assert weigh(text).charges["video"].high * 60 == pytest.approx(3)


LOOK = "{uses: api.show_asset, with: {asset_id: '%s'}%%s}" % ("0" * 32)


def test_conditions_count_as_they_hold(weigh: Weigh) -> None:
    """One that is known decides; one that is not gives a range; steps behind go with it, unless they have their own."""
    text = f"""
pipeline: ifs
inputs: {{wanted: {{type: boolean}}}}
steps:
  a: {LOOK % ", if: inputs.wanted"}
  b: {LOOK % ", needs: [a]"}
  c: {LOOK % ", if: steps.a.asset_state == 'ACTIVED'"}
  d: {LOOK % ", needs: [c]"}
finally:
  e: {LOOK % ", if: run.failed"}
"""
    assert weigh(text, {"wanted": False}).calls == {"show_asset": Span(0, 2)}
    assert weigh(text, {"wanted": True}).calls == {"show_asset": Span(2, 4)}


def test_items_that_are_known_are_counted(weigh: Weigh) -> None:
    """Also those that are the results of another step; a wave of pauses goes after the other."""
    text = f"""
pipeline: items
inputs: {{ids: {{type: list}}}}
steps:
  each: {LOOK % ', foreach: "${{ inputs.ids }}"'}
  again: {LOOK % ', foreach: "${{ steps.each.results }}"'}
  pause: {{uses: sleep, foreach: [1, 2, 3], max_parallel: 2, with: {{seconds: 10}}}}
"""
    load = weigh(text, {"ids": ["a", "b", "c"]})
    assert load.calls == exactly(show_asset=6)
    assert load.alone_s == Span.exactly(20)


def test_items_that_nobody_knows_are_told_for_each(weigh: Weigh) -> None:
    """How often is open until the user says it."""
    text = f"""
pipeline: items
steps:
  list: {{uses: api.list_assets, with: {{}}}}
  each: {LOOK % ', foreach: "${{ steps.list.assets }}"'}
"""
    load = weigh(text)
    assert load.calls == exactly(list_assets=1)
    (found,) = load.open
    assert (found.step, found.what, found.each) == ("each", "items", (("show_asset", 1),))
    assert weigh(text, each=7).calls == exactly(list_assets=1, show_asset=7)


def test_items_and_their_minutes_may_both_be_open(weigh: Weigh) -> None:
    """Each is settled under a name of its own."""
    text = """
pipeline: many
steps:
  list: {uses: api.list_video_scripts, with: {}}
  video:
    uses: video.produce
    foreach: "${{ steps.list.video_scripts }}"
    with: {script_id: "${{ item.script_id }}", output_asset_config: {asset_name: A}}
"""
    assert [one.name for one in weigh(text).open] == ["video"]
    assert [one.name for one in weigh(text, video=4).open] == ["video.minutes"]
    load = weigh(text, **{"video": 4, "video.minutes": 2})
    assert load.charges == exactly(video=8)
    assert not load.open


def test_steps_of_other_pipelines_count(read: Read, weigh: Weigh, tmp_path: Path) -> None:
    """With the inputs that they are given."""
    (tmp_path / "talk.yaml").write_text(SPOKEN)
    text = """
pipeline: outer
inputs: {speech: {type: ssml}}
steps:
  inner: {uses: pipeline.run, with: {file: talk.yaml, inputs: {speech: "${{ inputs.speech }}"}}}
"""
    load = weigh(text, {"speech": WORDS})
    assert load.calls == exactly(create_video_scripts=1, create2_d_digital_human_video=1)
    assert load.charges["video"].high == pytest.approx(20 / 60)
    assert load.alone_s.high == pytest.approx(20)


def test_steps_that_are_done_cost_nothing_more(weigh: Weigh) -> None:
    """Their speech still tells how long the video is."""
    load = weigh(SPOKEN, {"speech": WORDS}, done=frozenset({"script"}))
    assert load.calls == exactly(create2_d_digital_human_video=1)
    assert load.charges["video"].high == pytest.approx(20 / 60)


def test_trainings_and_previews_are_charged(weigh: Weigh) -> None:
    """Each by its own resource type; a livestream as long as the user says."""
    text = """
pipeline: trainings
steps:
  voice: {uses: api.create_training_middle_job, with: {voice_name: A}}
  avatar: {uses: api.create2d_model_training_job, with: {name: A, is_flexus: true}}
  listen: {uses: api.create_tts_audition, with: {text: Hello, emotion: x}}
  live: {uses: api.start_smart_live, with: {room_id: x}}
"""
    assert weigh(text, live=2).charges == exactly(voice_middle=1, avatar_flexus=1, speech=5, live=2)
    assert [one.what for one in weigh(text).open] == ["hours"]


def test_slides_are_spoken_page_by_page(weigh: Weigh, tmp_path: Path) -> None:
    """What the pages bring is foreseen where it follows from the slides, although their assets are not."""
    text = script('{text_config: {text: "x"}}')
    text = text.replace(
        '[{shoot_script: {text_config: {text: "x"}}}]', '"${{ steps.pages.results | scenes }}"'
    ).replace(
        "steps:",
        """steps:
  deck: {uses: slides.upload, with: {slides: "${{ inputs.deck }}", asset_name: A}}
  pages: {uses: slides.page, foreach: "${{ steps.deck.pages }}", with: {page: "${{ item }}"}}""",
    )
    text = text.replace("inputs: {", "inputs: {deck: {type: slides}, ")
    deck = [{"number": number, "title": "", "notes": WORDS, "text": "", "image": None} for number in (1, 2)]
    load = weigh(text, {"deck": deck, "speech": "x"})
    assert load.charges["video"].high * 60 == pytest.approx(40)
    assert not load.open
    assert load.calls["create_file"] == Span.exactly(3)
    for slide in deck:
        slide["image"] = "1.png"
    assert weigh(text, {"deck": deck, "speech": "x"}).calls == exactly(
        **dict.fromkeys(("create_digital_asset", "create_file", "confirm_file_upload"), 2),
        create_video_scripts=1,
        create2_d_digital_human_video=1,
    )
