"""`script.create`: what an avatar says and how the picture looks."""

import structlog

from orchestrator.metastudio import operations, ssml
from orchestrator.metastudio.models.video_script import CreateVideoScriptsReq
from orchestrator.steps.adoption import ADOPTIONS, Adopting, Adoption
from orchestrator.steps.base import Done, StepContext
from orchestrator.steps.traces import Sent

log = structlog.get_logger(__name__)


class ScriptCreate(Adopting[CreateVideoScriptsReq]):
    """Adopted by `priv_data`, which the service gives back as it got it."""

    name = "script.create"
    summary = "Create a video script"
    params = CreateVideoScriptsReq
    outputs = frozenset({"script_id"})
    operations = ("create_video_scripts",)

    def creating(self, params: CreateVideoScriptsReq) -> tuple[Adoption, Sent]:
        """Reference 5.1.1."""
        return ADOPTIONS["create_video_scripts"], Sent(params)

    async def act(self, params: CreateVideoScriptsReq, ctx: StepContext) -> Done:
        """One create call; our key follows the user's own `priv_data`, if any. Reference 5.1.1."""
        _tell_doubts(params)
        row, sent = self.creating(params)
        created = await ctx.create(operations.create_video_scripts, body=row.keyed(sent, ctx))
        return Done({"script_id": created.script_id})


def _tell_doubts(params: CreateVideoScriptsReq) -> None:
    """Logs the speech that can be sent but will hardly sound as it was meant."""
    for index, scene in enumerate(params.shoot_scripts):
        text = scene.shoot_script.text_config.text if scene.shoot_script.text_config else ""
        for one in ssml.lint(text, video=True).warnings:
            log.warning("speech.doubtful", scene=index, problem=str(one))
