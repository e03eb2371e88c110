"""`script.create`: what an avatar says and how the picture looks."""

import structlog

from orchestrator.metastudio import operations, ssml
from orchestrator.metastudio.models.video_script import CreateVideoScriptsReq
from orchestrator.steps.base import Done, Found, StepContext, StepKind

log = structlog.get_logger(__name__)


class ScriptCreate(StepKind[CreateVideoScriptsReq]):
    """Adopted by `priv_data`, which the service gives back as it got it."""

    name = "script.create"
    summary = "Create a video script"
    params = CreateVideoScriptsReq
    outputs = frozenset({"script_id"})

    async def act(self, params: CreateVideoScriptsReq, ctx: StepContext) -> Done:
        """One create call; our key follows the user's own `priv_data`, if any. Reference 5.1.1."""
        _tell_doubts(params)
        private = f"{params.priv_data}\n{ctx.key}" if params.priv_data else ctx.key
        created = await ctx.create(
            operations.create_video_scripts, body=params.model_copy(update={"priv_data": private})
        )
        return Done({"script_id": created.script_id})

    async def find(self, params: CreateVideoScriptsReq, ctx: StepContext) -> Found | None:
        """Scripts of the same name, then each one's `priv_data`: the list lacks it. Reference 5.1.2, 5.1.3."""
        same_name = [
            script
            async for script in ctx.around.api.pages(
                operations.list_video_scripts,
                # The list shows one view only, the landscape ones unless told otherwise.
                query={"name": params.script_name, "view_mode": params.view_mode or "LANDSCAPE"},
                order=ctx.order,
            )
            if script.script_name == params.script_name and script.script_id
        ]
        for script in sorted(same_name, key=lambda script: str(script.create_time or "")):
            shown = await ctx.call(operations.show_video_script, path={"script_id": script.script_id})
            if (shown.priv_data or "").endswith(ctx.key):
                return Found({"script_id": script.script_id})
        return None


def _tell_doubts(params: CreateVideoScriptsReq) -> None:
    """Logs the speech that can be sent but will hardly sound as it was meant."""
    for index, scene in enumerate(params.shoot_scripts):
        text = scene.shoot_script.text_config.text if scene.shoot_script.text_config else ""
        for one in ssml.lint(text, video=True).warnings:
            log.warning("speech.doubtful", scene=index, problem=str(one))
