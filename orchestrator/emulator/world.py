"""The emulated world: its records, what falls due when, and what has changed since it was last kept.

Pure state: time is an argument, nothing here waits, opens or sends. What is due is derived from times in the records,
so a world that is loaded again goes on as if it had never been away.
"""

from __future__ import annotations

import base64
import hashlib
import heapq
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from orchestrator.emulator.assets import Assets
from orchestrator.emulator.records import (
    Asset,
    AssetState,
    Counter,
    File,
    FileState,
    Job,
    JobError,
    JobState,
    LateCall,
    Post,
    PostState,
    Rendered,
    Script,
    Segment,
    Token,
)
from orchestrator.emulator.refusals import error_facts
from orchestrator.emulator.tables import AnyKind, Change, Kind, Record, Table

if TYPE_CHECKING:
    from orchestrator.emulator.behaviours.base import Moment

R = TypeVar("R", bound=Record)

#: Counters of the ids given out: for calls, and for what happens by itself.
_CALLS_IDS, _OWN_IDS = "ids", "own_ids"

#: A job that ends with one of these is frozen instead of failed: its material is blocked (reference 11.2).
_FREEZING = frozenset({"MSS.20010157"})
#: Files that nobody waits for any more.
_NEVER_MADE = frozenset({FileState.DELETED, FileState.FAILED})


@dataclass(slots=True)
class Settled:
    """What one thing that was due has brought about."""

    started: list[Job] = field(default_factory=list)
    finished: list[Job] = field(default_factory=list)
    late: list[LateCall] = field(default_factory=list)


class World:
    """Everything that the service would know about one tenant."""

    def __init__(self, seed: int, *, render: bool, kinds: Iterable[AnyKind] = ()) -> None:
        """`render` tells that a job may only succeed once its video is there; `kinds` are further tables."""
        self.assets = Assets()
        self.files: Table[File] = Table("file", File)
        self.scripts: Table[Script] = Table("script", Script)
        self.jobs: Table[Job] = Table("job", Job)
        self.posts: Table[Post] = Table("post", Post)
        self.late_calls: Table[LateCall] = Table("late", LateCall)
        self.tokens: Table[Token] = Table("token", Token)
        self.counters: Table[Counter] = Table("counter", Counter)
        self._kinds = {kind.name: kind for kind in kinds}
        self._further: dict[str, Table[Any]] = {
            kind.name: Table(kind.name, kind.record, partial(self._plan_record, kind))
            for kind in self._kinds.values()
        }
        self._seed = seed
        self._ids = _CALLS_IDS
        self._render = render
        self._agenda: list[tuple[datetime, int, str, str]] = []
        self._entries = 0
        self._files_of: dict[str, list[str]] = {}
        self._pending_posts: dict[str, None] = {}
        self._to_make: dict[str, None] = {}

    @property
    def tables(self) -> tuple[Table[Any], ...]:
        """All tables."""
        return (
            *(self.assets, self.files, self.scripts, self.jobs),
            *(self.posts, self.late_calls, self.tokens, self.counters),
            *self._further.values(),
        )

    @property
    def further(self) -> Mapping[str, Table[Any]]:
        """The tables of the kinds, by name."""
        return self._further

    def __getitem__(self, kind: Kind[R]) -> Table[R]:
        """The table of a kind."""
        return self._further[kind.name]

    # -- keeping ---------------------------------------------------------------------------------

    def load(self, rows: Iterable[tuple[str, bytes]]) -> None:
        """Takes in what was kept, and works out what is still due."""
        tables = {table.kind: table for table in self.tables}
        for name, body in rows:
            tables[name].load(body)
        self._load_files()
        for job in self.jobs:
            self._plan_job(job)
        for call in self.late_calls:
            self._plan(call.due_at, self.late_calls.kind, call.id)
        for further in self._kinds.values():
            for record in self._further[further.name]:
                self._plan_record(further, record)
        for post in self.posts:
            if post.state is PostState.PENDING:
                self._pending_posts[post.id] = None

    def _load_files(self) -> None:
        for file in self.files:
            self._files_of.setdefault(file.asset_id, []).append(file.id)
            if file.make is not None and not file.segments:
                self._to_make[file.id] = None

    def changes(self) -> list[Change]:
        """What has to be kept before anybody is told of it."""
        return [change for table in self.tables for change in table.changes()]

    def kept(self) -> None:
        """Everything that changed is kept now."""
        for table in self.tables:
            table.kept()

    def reset(self) -> None:
        """Forgets everything but the counts of ids, so that no id comes twice."""
        issued = [self.counters.get(name) for name in (_CALLS_IDS, _OWN_IDS)]
        for table in self.tables:
            table.clear()
        for counter in issued:
            if counter is not None:
                self.counters.put(counter)
        self._agenda.clear()
        self._files_of.clear()
        self._to_make.clear()
        self._pending_posts.clear()

    # -- ids and counters ------------------------------------------------------------------------

    def new_id(self) -> str:
        """An id of 32 hex digits, as the service's are; the next of a sequence that the seed fixes."""
        number = self.count(self._ids)
        which = str(number) if self._ids == _CALLS_IDS else f"{self._ids}/{number}"
        return hashlib.md5(f"{self._seed}/{which}".encode(), usedforsecurity=False).hexdigest()

    @contextmanager
    def by_itself(self) -> Iterator[None]:
        """What happens inside takes its ids from a sequence of its own.

        So the ids that calls are given depend on the calls alone, not on what else happened to fall due before them.
        """
        before, self._ids = self._ids, _OWN_IDS
        try:
            yield
        finally:
            self._ids = before

    def count(self, name: str, by: int = 1) -> int:
        """Adds to a counter and returns it."""
        before = self.counters.get(name)
        return self.counters.put(Counter(id=name, value=(before.value if before else 0) + by)).value

    # -- files -----------------------------------------------------------------------------------

    def add_file(self, file: File) -> File:
        """Adds a new file to its asset."""
        self._files_of.setdefault(file.asset_id, []).append(file.id)
        if file.make is not None and not file.segments:
            self._to_make[file.id] = None
        return self.files.put(file)

    def is_there(self, file: File) -> bool:
        """Whether the file's bytes are in storage, or would be if media were made at all."""
        return file.complete if self._render or file.make is None else True

    def take_files_to_make(self) -> list[File]:
        """Files that the service is to make now; each is handed out once."""
        wanted, self._to_make = self._to_make, {}
        rows = (self.files.get(key) for key in wanted) if self._render else ()
        return [file for file in rows if file is not None and file.state not in _NEVER_MADE]

    def made(self, file_id: str, segment: Segment) -> None:
        """Takes note of a file that the service has made."""
        file = self.files.get(file_id)
        if file is not None and file.state is not FileState.DELETED:
            self.files.put(replace(file, size=segment.size, segments=(segment,)))

    def making_failed(self, file_id: str, reason: str, now: datetime) -> None:
        """Takes note of a file that the service cannot make."""
        file = self.files.get(file_id)
        if file is not None and file.state is not FileState.DELETED:
            failed = replace(file, state=FileState.FAILED, reason=reason, segments=(), updated_at=now)
            self.files.put(failed)

    def files_of(self, asset_id: str) -> list[File]:
        """An asset's files that aren't deleted, oldest first."""
        rows = (self.files.get(file_id) for file_id in self._files_of.get(asset_id, ()))
        return [file for file in rows if file is not None and file.state is not FileState.DELETED]

    def main_file(self, asset_id: str) -> File | None:
        """The asset's usable main file."""
        usable = (f for f in self.files_of(asset_id) if f.category == "MAIN" and f.state is FileState.CREATED)
        return next(usable, None)

    # -- jobs ------------------------------------------------------------------------------------

    def add_job(self, job: Job) -> Job:
        """Adds a waiting job."""
        self._plan_job(job)
        return self.jobs.put(job)

    def rendered(self, job_id: str, rendering: Rendered, now: datetime) -> Job | None:
        """Takes note of a finished rendering; the job if it ended by that."""
        job = self.jobs.get(job_id)
        if job is None:
            return None
        job = self.jobs.put(replace(job, rendered=rendering))
        if job.state is JobState.PROCESSING and job.ends_at <= now and not job.stuck:
            return self._succeed(job, now)
        for file_id, segment in (
            (job.output_video_id, rendering.video),
            (job.output_cover_id, rendering.cover),
        ):
            # A finished job whose files were lost has been rendered again.
            file = self.files.get(file_id)
            if file is not None and file.state is not FileState.DELETED:
                md5 = _base64_md5(segment)
                self.files.put(replace(file, size=segment.size, segments=(segment,), md5=md5))
        return None

    def fail(self, job: Job, code: str, at: datetime, message: str = "") -> Job:
        """Ends a job with an error, or freezes it."""
        facts = error_facts().get(code)
        error = JobError(code, message or (facts.message if facts else code))
        if code in _FREEZING:
            return self.jobs.put(replace(job, state=JobState.BLOCK, error=error, updated_at=at))
        return self.jobs.put(
            replace(job, state=JobState.FAILED, error=error, finished_at=at, updated_at=at),
        )

    def unrendered(self) -> list[Job]:
        """Jobs at work whose video isn't there yet."""
        at_work = (job for job in self.jobs if job.state is JobState.PROCESSING and job.rendered is None)
        return [job for job in at_work if job.doomed is None and not job.stuck]

    def _plan_job(self, job: Job) -> None:
        if job.state is JobState.WAITING:
            self._plan(job.starts_at, self.jobs.kind, job.id)
        if job.state in {JobState.WAITING, JobState.PROCESSING} and not job.stuck:
            self._plan(job.ends_at, self.jobs.kind, job.id)

    def _step(self, job: Job, at: datetime, settled: Settled) -> None:
        if job.state is JobState.WAITING:
            job = self.jobs.put(replace(job, state=JobState.PROCESSING, updated_at=job.starts_at))
            settled.started.append(job)
        if job.state is not JobState.PROCESSING or job.ends_at > at or job.stuck:
            return
        if job.doomed is not None:
            ended = self.fail(job, job.doomed, job.ends_at)
            if ended.state is JobState.FAILED:
                settled.finished.append(ended)
        elif not self._render or job.rendered is not None:
            settled.finished.append(self._succeed(job, job.ends_at))

    def _succeed(self, job: Job, at: datetime) -> Job:
        made = job.rendered
        self.assets.put(
            Asset(
                id=job.output_asset_id,
                name=job.asset_name,
                type="VIDEO",
                state=AssetState.ACTIVED,
                created_at=at,
                updated_at=at,
                properties={"DIGITAL_HUMAN_2D_VIDEO": "Yes"},
                extra_meta={"video_meta": _video_meta(job)},
                job_id=job.id,
            )
        )
        kind = "webm" if _is_vp8(job) else "mp4"
        outputs = (
            (job.output_video_id, "MAIN", kind, made.video if made else None),
            (job.output_cover_id, "COVER", "png", made.cover if made else None),
        )
        for file_id, category, extension, segment in outputs:
            self.add_file(
                File(
                    id=file_id,
                    asset_id=job.output_asset_id,
                    name=f"{job.id}.{extension}",
                    type=extension,
                    category=category,
                    state=FileState.CREATED,
                    created_at=at,
                    updated_at=at,
                    size=segment.size if segment else 0,
                    md5=_base64_md5(segment) if segment else None,
                    segments=(segment,) if segment else (),
                )
            )
        return self.jobs.put(replace(job, state=JobState.SUCCEED, finished_at=at, updated_at=at))

    # -- callbacks -------------------------------------------------------------------------------

    def put_post(self, post: Post) -> Post:
        """Adds a callback, or what has become of it."""
        if post.state is PostState.PENDING:
            self._pending_posts[post.id] = None
        else:
            self._pending_posts.pop(post.id, None)
        return self.posts.put(post)

    def pending_posts(self) -> list[Post]:
        """Callbacks still to be sent, oldest first."""
        return [post for key in self._pending_posts if (post := self.posts.get(key)) is not None]

    # -- what is due -----------------------------------------------------------------------------

    def add_late(self, call: LateCall) -> None:
        """Plans a request whose caller is gone."""
        self.late_calls.put(call)
        self._plan(call.due_at, self.late_calls.kind, call.id)

    @property
    def next_planned(self) -> datetime | None:
        """When the next thing in the agenda is due."""
        return self._agenda[0][0] if self._agenda else None

    def settle(self, now: datetime, moment: Callable[[datetime], Moment]) -> Iterator[Settled]:
        """Lets everything happen that was due until now, in its order, one thing at a time.

        `moment` makes what it happens in. What fails is out of the agenda, so that the rest can go on.
        """
        while self._agenda and self._agenda[0][0] <= now:
            settled = Settled()
            at, _, kind, key = heapq.heappop(self._agenda)
            if kind == self.jobs.kind and (job := self.jobs.get(key)) is not None:
                self._step(job, at, settled)
            elif kind == self.late_calls.kind and (call := self.late_calls.get(key)) is not None:
                self.late_calls.drop(key)
                settled.late.append(call)
            elif kind in self._kinds and (record := self._further[kind].get(key)) is not None:
                self._let_happen(self._kinds[kind], record, moment(at))
            yield settled

    @staticmethod
    def _let_happen(kind: AnyKind, record: Any, moment: Moment) -> None:
        due_at = None if kind.due_at is None else kind.due_at(record)
        # A record that was put again since has a place of its own in the agenda.
        if kind.on_due is not None and due_at is not None and due_at <= moment.now:
            kind.on_due(moment, record)

    def next_due(self, except_posts: Container[str] = ()) -> datetime | None:
        """When something happens by itself again, callbacks included."""
        due = [] if self.next_planned is None else [self.next_planned]
        due.extend(post.due_at for post in self.pending_posts() if post.id not in except_posts)
        return min(due, default=None)

    def _plan_record(self, kind: AnyKind, record: Any) -> None:
        due_at = None if kind.due_at is None else kind.due_at(record)
        if due_at is not None:
            self._plan(due_at, kind.name, record.id)

    def _plan(self, at: datetime, kind: str, key: str) -> None:
        self._entries += 1
        heapq.heappush(self._agenda, (at, self._entries, kind, key))


def _is_vp8(job: Job) -> bool:
    return bool(job.recipe.get("video_config", {}).get("codec") == "VP8")


def _video_meta(job: Job) -> dict[str, Any]:
    """What is known of a video that was made (table 4-21)."""
    video = job.recipe.get("video_config", {})
    width, height = video.get("width", 0), video.get("height", 0)
    return {
        "video_codec": "VP8" if _is_vp8(job) else "H264",
        "width": width,
        "height": height,
        "frame_rate": "25",
        "video_bit_rate": video.get("bitrate", 0),
        "duration": round(job.rendered.duration_s if job.rendered else job.planned_s),
        "audio_codec": "OPUS" if _is_vp8(job) else "AAC",
        "audio_channels": 1,
        "sample": 48000,
        "mode": "Horizontal" if width >= height else "Vertical",
    }


def _base64_md5(segment: Segment) -> str:
    return base64.b64encode(bytes.fromhex(segment.md5_hex)).decode()
