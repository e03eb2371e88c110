"""`script.create`: what it says about the speech."""

from types import SimpleNamespace
from typing import Any, cast

from structlog.testing import capture_logs

from orchestrator.metastudio.models.video_script import CreateVideoScriptsReq, CreateVideoScriptsResponse
from orchestrator.steps.base import StepContext
from orchestrator.steps.script_create import ScriptCreate


async def test_speech_that_does_nothing_in_a_video_is_logged() -> None:
    """The script is made all the same; the log tells the scene and the place in its text."""

    async def create(operation: object, *, body: Any) -> CreateVideoScriptsResponse:
        return CreateVideoScriptsResponse(script_id="s")

    texts = ["Plain.", "<speak>Hi <word>you</word><break time='1s'/></speak>"]
    params = CreateVideoScriptsReq.model_validate(
        {
            "script_name": "x",
            "shoot_scripts": [{"shoot_script": {"text_config": {"text": text}}} for text in texts],
        }
    )
    context = cast("StepContext", SimpleNamespace(run_id="r", key="k", create=create))
    with capture_logs() as logs:
        done = await ScriptCreate().act(params, context)
    assert done.outputs == {"script_id": "s"}
    assert [(line["event"], line["scene"], line["problem"]) for line in logs] == [
        (
            "speech.doubtful",
            1,
            "1:11: S501 <word> does nothing in an avatar video (only <break> and <phoneme> do)",
        )
    ]
