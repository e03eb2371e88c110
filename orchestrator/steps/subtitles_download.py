"""`subtitles.download`: what is said in a video as subtitle files beside it."""

import asyncio
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from orchestrator.errors import RetryClass
from orchestrator.metastudio import operations, ssml
from orchestrator.metastudio.models.avatar_video import ShootScriptItemRead, Show2DDigitalHumanVideoResponse
from orchestrator.metastudio.models.common import SubtitleFileInfoRead
from orchestrator.metastudio.models.video_script import ShootScriptShowItem
from orchestrator.steps.base import Done, Parameters, StepContext, StepError, StepKind, Waiting
from orchestrator.steps.cues import Cue, SceneCues, as_srt, as_vtt, on_video, pause_after, read_srt
from orchestrator.steps.download import saving_place
from orchestrator.steps.traces import about_it

_CHECK_EVERY_S = 5.0
_PENDING = frozenset({"WAITING", "PROCESSING"})
_SUCCEEDED = frozenset({"SUCCEED", "SUCCESS"})
#: Scenes whose files are fetched at the same time.
_AT_ONCE = 4
#: A scene's subtitles are far smaller.
_MOST_BYTES = 8 * 1024**2
_ENDINGS = {".srt", ".vtt"}

Format = Literal["srt", "vtt"]
_Item = ShootScriptShowItem | ShootScriptItemRead


class SubtitlesDownloadParams(Parameters):
    job_id: str = Field(min_length=1, description="the video's job, of video.wait")
    to: str = Field(
        min_length=1, description="file name, inside the output folder; each format gets its ending"
    )
    formats: list[Format] = Field(default=["srt"], min_length=1, max_length=2)


class SubtitlesDownload(StepKind[SubtitlesDownloadParams]):
    """The service makes one file a scene, while or after it makes the video; here they become one. Repeatable."""

    name = "subtitles.download"
    summary = "Save the subtitles of a video"
    params = SubtitlesDownloadParams
    outputs = frozenset({"path", "srt", "vtt", "cues"})
    operations = ("show2_d_digital_human_video", "show_video_script")
    leaves = "path"

    async def act(self, params: SubtitlesDownloadParams, ctx: StepContext) -> Done | Waiting:
        """Done at once when the subtitles are there."""
        correlation = f"subtitles/{params.job_id}"
        done = await self.check(params, ctx, correlation)
        return done or Waiting(correlation, check_after_s=_CHECK_EVERY_S, poll=False)

    async def check(self, params: SubtitlesDownloadParams, ctx: StepContext, correlation: str) -> Done | None:
        """Reference 5.3.2 for the video's length, 5.1.3 for the subtitles (tables 5-20, 5-21, 5-58)."""
        del correlation
        job = await ctx.call(
            operations.show2_d_digital_human_video,
            path={"job_id": params.job_id},
            query={"show_script": True},
        )
        about_it(job, job_id=params.job_id)
        if job.state in _PENDING:
            return None
        if job.state not in _SUCCEEDED:
            raise StepError(
                f"Video job {params.job_id} is {job.state}: there is no video to have subtitles.",
                code="NO_VIDEO",
            )
        found = _subtitles(await _scenes(job, ctx))
        if found is None:
            return None
        cues = on_video(await _fetched(found, job, ctx), job.duration)
        if not cues:
            raise StepError(
                "The service has made no subtitles of this video.",
                hint="Nothing is said in it, or only in recorded speech; leave this step out.",
                code="NO_SUBTITLES",
            )
        return Done(await _saved(cues, params, ctx))


# -- what the service has ----------------------------------------------------------------------------


class _Scene:
    """A scene, and what the service says of its subtitles."""

    def __init__(self, item: _Item, info: SubtitleFileInfoRead | None) -> None:
        shoot = item.shoot_script
        self.info = info
        self.recorded = shoot is not None and shoot.script_type == "AUDIO"
        self.text = (shoot.text_config.text if shoot and shoot.text_config else None) or ""
        self.number = item.sequence_no

    @property
    def silent(self) -> bool:
        """Whether it is made of pauses alone, of which there is nothing to write."""
        return not self.recorded and not ssml.lint(self.text).spoken.strip()


async def _scenes(job: Show2DDigitalHumanVideoResponse, ctx: StepContext) -> Sequence[_Scene]:
    """The script's scenes in the order of their numbers; the job's own for a video that was made without a script."""
    items: Sequence[_Item] = job.shoot_scripts or ()
    if job.script_id:
        script = await ctx.call(operations.show_video_script, path={"script_id": job.script_id})
        about_it(script, script_id=job.script_id)
        items = script.shoot_scripts or ()
    numbered = sorted(enumerate(items), key=lambda one: (_number(one[1], one[0]), one[0]))
    return [_Scene(item, _info(item)) for _, item in numbered]


def _number(item: _Item, place: int) -> int:
    return place if item.sequence_no is None else item.sequence_no


def _info(item: _Item) -> SubtitleFileInfoRead | None:
    files = item.subtitle_file_info
    if files is None:
        return None
    candidates = (files.text_subtitle_file, files.audio_subtitle_file)
    return next(
        (one for one in candidates if one and (one.subtitle_file_state or one.subtitle_file_download_url)),
        None,
    )


def _subtitles(scenes: Sequence[_Scene]) -> Sequence[_Scene] | None:
    """The scenes once all subtitles are made, None before. Raises StepError when there will be none."""
    spoken = [scene for scene in scenes if not scene.silent and not scene.recorded]
    if not any(scene.info for scene in scenes):
        raise StepError(
            "The service makes no subtitles for this video.",
            hint="Set `video_config: {is_subtitle_enable: true, …}` in script.create, and make the video again.",
            code="NO_SUBTITLES",
        )
    for scene in spoken:
        if scene.info is not None and scene.info.subtitle_file_state == "GENERATE_FAILED":
            raise StepError(
                f"The service could not make the subtitles of scene {scene.number}.",
                hint="Does the voice support subtitles (`is_support_srt` of its asset)? Take another, or leave them out.",
                code="NO_SUBTITLES",
            )
    ready = all(scene.info is None or scene.info.subtitle_file_download_url for scene in spoken)
    return scenes if ready else None


async def _fetched(
    scenes: Sequence[_Scene], job: Show2DDigitalHumanVideoResponse, ctx: StepContext
) -> Sequence[SceneCues]:
    slots = asyncio.Semaphore(_AT_ONCE)
    starts = {item.sequence_no: item.start_time for item in job.shoot_scripts or ()}

    async def one(scene: _Scene, folder: Path, place: int) -> SceneCues:
        start_s = starts.get(scene.number)
        pause_s = 0.0 if scene.recorded else pause_after(scene.text)
        url = scene.info.subtitle_file_download_url if scene.info else None
        if url is None or scene.silent:
            return SceneCues(pause_s=pause_s, start_s=start_s, unknown=not scene.silent)
        async with slots:
            path = folder / f"{place}.srt"
            size = await ctx.around.transfers.download(
                url, path, size=None, on_progress=lambda done, of: ctx.on_progress("fetching", done, of)
            )
            if size > _MOST_BYTES:
                raise StepError("The service's subtitles are far too large.", code="BAD_SUBTITLES")
            cues = await asyncio.to_thread(lambda: read_srt(path.read_bytes()))
        return SceneCues(cues, pause_s, start_s)

    with tempfile.TemporaryDirectory(prefix="orchestrator-subtitles-") as temporary:
        folder = Path(temporary)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(scene, folder, place)) for place, scene in enumerate(scenes)]
        except* Exception as several:
            raise several.exceptions[0] from several
    return [task.result() for task in tasks]


# -- files -------------------------------------------------------------------------------------------


async def _saved(
    cues: Sequence[Cue], params: SubtitlesDownloadParams, ctx: StepContext
) -> Mapping[str, str | int | None]:
    formats = list(dict.fromkeys(params.formats))
    plain = params.to[:-4] if params.to[-4:].lower() in _ENDINGS else params.to
    first = await saving_place(f"{plain}.{formats[0]}", ctx)
    paths = {name: first.with_suffix(f".{name}") for name in formats}
    texts = {"srt": as_srt, "vtt": as_vtt}
    for name, path in paths.items():
        try:
            await asyncio.to_thread(_write, path, texts[name](cues))
        except OSError as error:
            raise StepError(
                f"{path.name} cannot be written: {error.strerror}.",
                hint="Is the disk full, or may the folder not be written?",
                code="FILE",
                retry=RetryClass.LATER,
            ) from error
    shown = {name: str(paths[name]) if name in paths else None for name in ("srt", "vtt")}
    return {"path": str(first), **shown, "cues": len(cues)}


def _write(path: Path, text: str) -> None:
    """The file appears under its name whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.", suffix=".part")
    half = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        half.chmod(0o644)
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)
