"""The threads that render videos and make other files, and what they leave in storage."""

import asyncio
import logging
import shutil
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

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


class Studio:
    """Renders what the emulator orders, a few videos at a time."""

    def __init__(self, emulator: Emulator, objects: Objects, ended: Callable[[], None]) -> None:
        """`ended` is called after each rendering; threads start with the first."""
        self._emulator = emulator
        self._objects = objects
        self._ended = ended
        self._stop = threading.Event()
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
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._pool.shutdown(wait=True)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._ended()

    async def _make(self, job: Job) -> None:
        loop = asyncio.get_running_loop()
        try:
            recipe = recipe_of(
                job,
                self._emulator.world,
                path_of=self._objects.path,
                stored_at=self._emulator.stored_at,
                max_s=self._emulator.config.video_max_s,
            )
            made = await loop.run_in_executor(self._pool, self._render, job, recipe)
        except RenderStoppedError:
            return
        except RenderError as error:
            self._emulator.render_failed(job.id, error.code, error.message)
            return
        except Exception:  # noqa: BLE001 - a boundary, see below
            # A fault of ours must end the job, as it would at the service, and not leave it at work for ever.
            _log.exception("rendering failed")
            self._emulator.render_failed(job.id, _INTERNAL, "the video could not be rendered")
            return
        now = self._emulator.now
        self._emulator.rendered(job.id, Rendered(now, made.duration_s, made.video, made.cover))

    async def _make_file(self, file: File) -> None:
        try:
            segment = await asyncio.get_running_loop().run_in_executor(self._pool, self._write, file)
        except Exception:  # noqa: BLE001 - a boundary, as above
            _log.exception("making a file failed")
            return
        self._emulator.made(file.id, segment)

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

    def _render(self, job: Job, recipe: Recipe) -> Rendering:
        folder = self._objects.new_folder()
        try:
            video, cover = folder / f"video.{recipe.container}", folder / "cover.png"
            made = render(recipe, video, cover, self._stop)
            self._objects.place(video, job.output_video_id, made.video)
            self._objects.place(cover, job.output_cover_id, made.cover)
            return made
        finally:
            shutil.rmtree(folder, ignore_errors=True)
