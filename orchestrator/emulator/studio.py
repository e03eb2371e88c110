"""The threads that render videos and make other files, and what they leave in storage."""

import asyncio
import logging
import shutil
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from orchestrator.emulator.adapter import Departure
from orchestrator.emulator.core import Emulator
from orchestrator.emulator.makers import MAKERS
from orchestrator.emulator.media import RenderError, RenderStoppedError
from orchestrator.emulator.objects import Objects
from orchestrator.emulator.recipe import Recipe, recipe_of
from orchestrator.emulator.records import File, FileState, Job, JobState, Rendered, Segment
from orchestrator.emulator.render import Rendering, render, segment_of

_log = logging.getLogger(__name__)
#: A fault of ours, as the service tells of its own (reference 11.2).
_INTERNAL = "MSS.45001000"
#: A file is made at once; as long as that fails it is tried again, so often and so much later.
_TRIED_AFTER_S = (0.0, 1.0, 4.0)


class Studio:
    """Renders what the emulator orders, a few videos at a time."""

    def __init__(self, emulator: Emulator, objects: Objects, ended: Callable[[], None]) -> None:
        """`ended` is called after each rendering; threads start with the first."""
        self._emulator = emulator
        self._objects = objects
        self._ended = ended
        #: Set once what is being made is wanted no more; what is begun later has another one.
        self._stop = threading.Event()
        self._departure = Departure()
        self._pool = ThreadPoolExecutor(emulator.config.render_concurrency, thread_name_prefix="render")
        self._tasks: set[asyncio.Task[None]] = set()

    def lost(self) -> list[Job]:
        """Finished jobs whose video is no longer in storage."""
        gone = []
        for job in self._emulator.world.jobs:
            made = job.rendered
            if job.state is JobState.SUCCEED and made is not None:
                video, cover = job.output_video_id, job.output_cover_id
                if not (
                    self._objects.holds(video, [made.video]) and self._objects.holds(cover, [made.cover])
                ):
                    gone.append(job)
        return gone

    def lost_files(self) -> list[File]:
        """Files of the service's own making that are no longer in storage."""
        made = (file for file in self._emulator.world.files if file.make is not None and file.segments)
        return [
            file
            for file in made
            if file.state is not FileState.DELETED and not self._objects.holds(file.id, file.segments)
        ]

    def start(self, job: Job) -> None:
        """Begins a rendering; the emulator is told of its end."""
        self._begin(self._make(job), f"render {job.id}")

    def start_file(self, file: File) -> None:
        """Begins to make a file; the emulator is told of its end."""
        self._begin(self._make_file(file), f"make {file.id}")

    def _begin(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def stop(self) -> None:
        """Gives up what is being rendered; a later start begins it anew."""
        self._stop.set()
        self._departure.begin()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._pool.shutdown(wait=True)

    def abandon(self) -> None:
        """Gives up what is being made for a world that is no more; whatever it leaves is removed."""
        self._stop.set()
        self._stop = threading.Event()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # It may not have been kept, which is made good with the next change.
            _log.error("the end of a rendering could not be noted", exc_info=error)
        self._ended()

    async def _make(self, job: Job) -> None:
        loop, stop = asyncio.get_running_loop(), self._stop
        try:
            recipe = recipe_of(
                job,
                self._emulator.world,
                path_of=self._objects.path,
                stored_at=self._emulator.stored_at,
                max_s=self._emulator.config.video_max_s,
            )
            made = await loop.run_in_executor(self._pool, self._render, job, recipe, stop)
        except RenderStoppedError:
            self._clear_away(job)
            return
        except RenderError as error:
            self._emulator.render_failed(job.id, error.code, error.message)
            return
        except Exception:  # noqa: BLE001 - a boundary, see below
            self._clear_away(job)
            if stop.is_set():
                return
            # A fault of ours must end the job, as it would at the service, and not leave it at work for ever.
            _log.exception("rendering failed")
            self._emulator.render_failed(job.id, _INTERNAL, "the video could not be rendered")
            return
        self._clear_away(job)
        now = self._emulator.now
        self._emulator.rendered(job.id, Rendered(now, made.duration_s, made.video, made.cover))

    def _clear_away(self, job: Job) -> None:
        """Removes what was rendered for a job that is no more."""
        now = self._emulator.world.jobs.get(job.id)
        if now is None or not now.state.live:
            self._objects.remove(job.output_video_id)
            self._objects.remove(job.output_cover_id)

    async def _make_file(self, file: File) -> None:
        loop, stop = asyncio.get_running_loop(), self._stop
        for wait_s in _TRIED_AFTER_S:
            await self._departure.sleep(wait_s)
            if stop.is_set():
                break
            try:
                segment = await loop.run_in_executor(self._pool, self._write, file)
            except Exception as error:  # noqa: BLE001 - a boundary, as above
                if not stop.is_set():
                    _log.warning("a file could not be made: %s", error, exc_info=error)
                continue
            self._emulator.made(file.id, segment)
            break
        else:
            self._emulator.making_failed(file.id, "the file could not be made")
        known = self._emulator.world.files.get(file.id)
        if known is None or known.state is FileState.DELETED:
            self._objects.remove(file.id)

    def _write(self, file: File) -> Segment:
        assert file.make is not None, "only such files are handed out"
        folder = self._objects.new_folder()
        try:
            path = folder / f"file.{file.type}"
            MAKERS[file.make.what](file.make.params, path)
            segment = segment_of(path)
            self._objects.place(path, file.id, segment)
            return segment
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _render(self, job: Job, recipe: Recipe, stop: threading.Event) -> Rendering:
        folder = self._objects.new_folder()
        try:
            video, cover = folder / f"video.{recipe.container}", folder / "cover.png"
            made = render(recipe, video, cover, stop)
            self._objects.place(video, job.output_video_id, made.video)
            self._objects.place(cover, job.output_cover_id, made.cover)
            return made
        finally:
            shutil.rmtree(folder, ignore_errors=True)
