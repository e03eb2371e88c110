"""`script.audio`: the recordings that an avatar speaks in a script's scenes of recorded speech."""

from pathlib import Path
from typing import Final

from pydantic import Field

from orchestrator.errors import RetryClass
from orchestrator.metastudio import operations
from orchestrator.metastudio.models.video_script import UpdateVideoScriptsReq
from orchestrator.steps.base import Done, Parameters, StepContext, StepError, StepKind
from orchestrator.steps.traces import about_it

#: What the service takes (reference table 5-25).
_ENDINGS: Final = frozenset({".mp3", ".wav", ".m4a"})
_MOST_BYTES: Final = 100 * 1024**2


class ScriptAudioParams(Parameters):
    script_id: str = Field(min_length=1, description="a script with scenes of `script_type: AUDIO`")
    recordings: list[str] = Field(
        min_length=1,
        description="one file for each such scene, in their order: MP3, WAV or M4A, 100 MB at most",
    )


class ScriptAudio(StepKind[ScriptAudioParams]):
    """Repeatable: a recording that is sent again takes the place of the former.

    The upload addresses come with the answer to a change of the script, so the script is given the name that it has.
    Put the step between `script.create` and `video.produce`.
    """

    name = "script.audio"
    summary = "Send the recorded speech of a script"
    params = ScriptAudioParams
    outputs = frozenset({"script_id", "scenes"})
    operations = (operations.show_video_script.id, operations.update_video_script.id)

    async def act(self, params: ScriptAudioParams, ctx: StepContext) -> Done:
        """Reference 5.1.3 (its scenes), 5.1.4 (the addresses, table 5-91)."""
        files = [await _recording(path, ctx) for path in params.recordings]
        path = {"script_id": params.script_id}
        script = await ctx.call(operations.show_video_script, path=path)
        about_it(script, **path)
        scenes = sorted(
            scene.sequence_no or 0
            for scene in script.shoot_scripts or ()
            if scene.shoot_script is not None and scene.shoot_script.script_type == "AUDIO"
        )
        if len(scenes) != len(files):
            raise StepError(
                f"The script has {len(scenes)} scenes of recorded speech, and there are {len(files)} recordings.",
                hint="Give one recording for each scene with `script_type: AUDIO`.",
                code="RECORDINGS",
            )
        changed = await ctx.call(
            operations.update_video_script,
            path=path,
            body=UpdateVideoScriptsReq(script_name=script.script_name),
        )
        told = changed.audio_files.audio_file_url if changed.audio_files else None
        urls = {one.sequence_no: one.audio_file_upload_url for one in told or ()}
        for number, (scene, file) in enumerate(zip(scenes, files, strict=True), 1):
            if not (url := urls.get(scene)):
                raise StepError(
                    f"The API gave no upload address for the recording of scene {scene}.",
                    code="BAD_ANSWER",
                    retry=RetryClass.LATER,
                )
            await ctx.around.transfers.send(file, [url], lambda _done, _of: None)
            ctx.on_progress("recordings", number, len(files))
        return Done({"script_id": params.script_id, "scenes": scenes})


async def _recording(path: str, ctx: StepContext) -> Path:
    """The file, if it is one that the service takes. Raises StepError, TransferError."""
    file = ctx.local_file(path)
    size = await ctx.around.transfers.size(file)
    if file.suffix.lower() not in _ENDINGS:
        raise StepError(
            f"{file.name} is no MP3, WAV or M4A by its name.",
            hint="Convert the recording.",
            code="BAD_RECORDING",
        )
    if not 0 < size <= _MOST_BYTES:
        what = "is empty" if size == 0 else f"has {size} bytes, more than {_MOST_BYTES}"
        raise StepError(f"{file.name} {what}.", hint="Send another recording.", code="BAD_RECORDING")
    return file
