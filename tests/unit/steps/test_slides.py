"""`slides.upload`, `slides.page` and `subtitles.download` beside an emulator, in virtual time."""

import asyncio
from collections import Counter
from typing import Any, cast

import pytest

from orchestrator.domain.ids import RunId, StepId
from orchestrator.domain.pipeline import Pipeline, RetryPolicy, Step
from orchestrator.domain.run import RunState, RunStatus
from orchestrator.emulator.faults import FaultPlan
from orchestrator.engine.loading import load_state
from orchestrator.engine.reception import Submission
from orchestrator.errors import RetryClass
from orchestrator.metastudio.models.digital_asset import PPTPageInfoRead
from orchestrator.steps.base import StepError
from orchestrator.steps.slides_upload import Slide, _files_of
from tests.simulation.loop import VirtualLoop, run_virtual
from tests.simulation.network import Weather
from tests.simulation.world import FOUL_WEATHER_POLICY, World

SLIDE = {"number": 1, "title": "Light", "notes": "Put the lamp aside.", "text": "", "deck": "deck.pptx"}
UPLOAD: dict[str, Any] = {"slides": [{**SLIDE, "image": None}], "asset_name": "Course"}


def step(name: str, uses: str, /, *needs: str, **with_: Any) -> Step:
    retry = RetryPolicy(attempts=4, backoff_s=1.0, on=frozenset(RetryClass) - {RetryClass.NEVER})
    return Step(StepId(name), uses, with_, needs=tuple(map(StepId, needs)), retry=retry)


def play(*steps: Step, rules: list[dict[str, Any]] | None = None) -> tuple[RunState, World]:
    """One run, while the emulator does what `rules` say."""

    async def main() -> tuple[RunState, World]:
        loop = cast("VirtualLoop", asyncio.get_running_loop())
        world = World(loop, 1, Weather(), FOUL_WEATHER_POLICY)
        world.emulator.set_faults(FaultPlan.model_validate({"rules": rules or []}))
        process = await world.boot()
        run_id = (await process.engine.submit(Submission(Pipeline("p", steps=steps), "r", {}))).run_id
        await process.engine.wait(run_id)
        state = await load_state(world.disk, RunId(run_id), {})
        assert state is not None
        await process.engine.stop()
        return state, world

    return run_virtual(main())


def made(world: World) -> Counter[str]:
    """Assets by type, and their main files that are not deleted."""
    assets = {asset.id: asset.type for asset in world.emulator.world.assets}
    files = [file for file in world.emulator.world.files if file.category == "MAIN" and file.state.live]
    return Counter([*assets.values(), *(f"{assets[file.asset_id]} file" for file in files)])


COURSE = (
    step("deck", "slides.upload", **UPLOAD),
    step("page", "slides.page", "deck", page="${{ steps.deck.pages[0] }}"),
)
ONCE = Counter({"PPT": 1, "PPT file": 1, "IMAGE": 1, "IMAGE file": 1})


def test_a_slide_becomes_a_background() -> None:
    """The deck is an asset whose pages the service draws; each page becomes a picture with what is said on it."""
    state, world = play(*COURSE)
    assert state.status is RunStatus.SUCCEEDED, state.error
    page = state.steps[StepId("page")].outputs
    picture = world.emulator.world.assets.get(page["asset_id"])
    assert picture is not None
    assert (picture.type, picture.name) == ("IMAGE", "Slide 1: Light")
    assert (page["number"], page["notes"]) == (1, "Put the lamp aside.")
    assert made(world) == ONCE


@pytest.mark.parametrize("do", ["reset_after", "reset_before"])
@pytest.mark.parametrize("call", ["create_digital_asset", "create_file"])
@pytest.mark.parametrize("nth", [1, 2])
def test_a_lost_answer_makes_nothing_twice(call: str, nth: int, do: str) -> None:
    """Each of the three requests of a step is found again, or replaced, when its answer is lost."""
    state, world = play(*COURSE, rules=[{"on": call, "do": do, "nth": nth}])
    assert state.status is RunStatus.SUCCEEDED, state.error
    assert made(world) == ONCE


def test_a_deck_that_cannot_be_drawn_says_what_to_do() -> None:
    """Its code and the way out: pictures of the slides beside the deck."""
    state, _ = play(COURSE[0], rules=[{"on": "parsing", "do": "fail", "nth": 1}])
    assert state.error is not None
    assert state.error.code == "MSS.10001034"
    assert "pictures into a folder of the deck's name" in state.error.hint


def test_slides_with_their_own_pictures_need_no_deck() -> None:
    """Nothing is uploaded for them."""
    own = {**SLIDE, "image": "deck/1.png"}
    state, world = play(step("deck", "slides.upload", slides=[own], asset_name="Course"), COURSE[1])
    assert state.status is RunStatus.SUCCEEDED, state.error
    assert state.steps[StepId("deck")].outputs["asset_id"] is None
    assert made(world) == Counter({"IMAGE": 1, "IMAGE file": 1})


def test_pages_are_matched_to_slides_with_hidden_ones_or_without() -> None:
    """The reference does not say whether hidden slides become pages: their number tells."""
    slides = [Slide(number=number) for number in (1, 3)]
    pages = [PPTPageInfoRead(page_no=number, file_id=f"f{number}") for number in (1, 2, 3)]
    assert _files_of(slides, pages, 3) == {1: "f1", 3: "f3"}
    assert _files_of(slides, pages[:2], 2) == {1: "f1", 3: "f2"}
    with pytest.raises(StepError, match="none of slide 3"):
        _files_of(slides, pages[:1], 1)


def test_a_video_without_subtitles_says_how_to_get_them() -> None:
    """Only a script that asks for subtitles has files of them."""
    script = {
        "script_name": "Cup",
        "model_asset_id": "0c7798664ee7178b3dba3bbef57c32e7",
        "voice_config": {"voice_asset_id": "aca15f9fe7912b2d5d8eb827f2d1327b"},
        "video_config": {"codec": "H264", "bitrate": 4000, "width": 1920, "height": 1080},
        "shoot_scripts": [{"shoot_script": {"text_config": {"text": "A cup."}}}],
    }
    state, _ = play(
        step("script", "script.create", **script),
        step(
            "video",
            "video.produce",
            "script",
            script_id="${{ steps.script.script_id }}",
            output_asset_config={"asset_name": "Cup"},
        ),
        step("subtitles", "subtitles.download", "video", job_id="${{ steps.video.job_id }}", to="cup.srt"),
    )
    assert state.error is not None
    assert state.error.code == "NO_SUBTITLES"
    assert "is_subtitle_enable: true" in state.error.hint
