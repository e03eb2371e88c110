"""The emulated world: its records, what falls due when, and what has changed since it was last kept.

Pure state: time is an argument, nothing here waits, opens or sends. What is due is derived from times in the records,
so a world that is loaded again goes on as if it had never been away.
"""

import hashlib
import heapq
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from pydantic import TypeAdapter

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
    Token,
)
from orchestrator.emulator.refusals import error_facts


class Record(Protocol):
    """A row of a table."""

    @property
    def id(self) -> str:
        """The key."""


R = TypeVar("R", bound=Record)

#: Kind, id, and the JSON of the record or None for one that is gone.
Change = tuple[str, str, bytes | None]


class Table(Generic[R]):
    """Records of one kind by id, in the order of their making, and which of them changed."""

    def __init__(self, kind: str, record: type[R]) -> None:
        """`kind` names the table where it is kept."""
        self.kind = kind
        self._adapter: TypeAdapter[R] = TypeAdapter(record)
        self._rows: dict[str, R] = {}
        self._changed: set[str] = set()

    def __iter__(self) -> Iterator[R]:
        return iter(self._rows.values())

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, key: str) -> R | None:
        """The record, or None."""
        return self._rows.get(key)

    def put(self, record: R) -> R:
        """Adds the record, or replaces the one of its id."""
        self._rows[record.id] = record
        self._changed.add(record.id)
        return record

    def drop(self, key: str) -> None:
        """Removes a record."""
        if self._rows.pop(key, None) is not None:
            self._changed.add(key)

    def clear(self) -> None:
        """Removes all records."""
        for key in list(self._rows):
            self.drop(key)

    def load(self, body: bytes) -> None:
        """Takes a kept record in, as unchanged."""
        record = self._adapter.validate_json(body)
        self._rows[record.id] = record

    def take_changes(self) -> Iterator[Change]:
        """What changed since the last time."""
        for key in self._changed:
            row = self._rows.get(key)
            yield self.kind, key, None if row is None else self._adapter.dump_json(row)
        self._changed = set()


@dataclass(slots=True)
class Settled:
    """What happened by itself until now."""

    started: list[Job] = field(default_factory=list)
    finished: list[Job] = field(default_factory=list)
    late: list[LateCall] = field(default_factory=list)


class World:
    """Everything that the service would know about one tenant."""

    def __init__(self, seed: int, *, render: bool) -> None:
        """`render` tells that a job may only succeed once its video is there."""
        self.assets: Table[Asset] = Table("asset", Asset)
        self.files: Table[File] = Table("file", File)
        self.scripts: Table[Script] = Table("script", Script)
        self.jobs: Table[Job] = Table("job", Job)
        self.posts: Table[Post] = Table("post", Post)
        self.late_calls: Table[LateCall] = Table("late", LateCall)
        self.tokens: Table[Token] = Table("token", Token)
        self.counters: Table[Counter] = Table("counter", Counter)
        self._seed = seed
        self._render = render
        self._agenda: list[tuple[datetime, int, str, str]] = []
        self._entries = 0
        self._files_of: dict[str, list[str]] = {}
        self._pending_posts: dict[str, None] = {}

    @property
    def tables(self) -> tuple[Table[Any], ...]:
        """All tables."""
        return (
            *(self.assets, self.files, self.scripts, self.jobs),
            *(self.posts, self.late_calls, self.tokens, self.counters),
        )

    # -- keeping ---------------------------------------------------------------------------------

    def load(self, rows: Iterable[tuple[str, bytes]]) -> None:
        """Takes in what was kept, and works out what is still due."""
        tables = {table.kind: table for table in self.tables}
        for kind, body in rows:
            tables[kind].load(body)
        for file in sorted(self.files, key=lambda f: (f.created_at, f.id)):
            self._files_of.setdefault(file.asset_id, []).append(file.id)
            if file.state is FileState.UPLOADED and file.review_until is not None:
                self._plan(file.review_until, self.files.kind, file.id)
        for job in self.jobs:
            self._plan_job(job)
        for call in self.late_calls:
            self._plan(call.due_at, self.late_calls.kind, call.id)
        for post in sorted(self.posts, key=lambda p: (p.due_at, p.id)):
            if post.state is PostState.PENDING:
                self._pending_posts[post.id] = None

    def take_changes(self) -> list[Change]:
        """What has to be kept before anybody is told of it."""
        return [change for table in self.tables for change in table.take_changes()]

    def reset(self) -> None:
        """Forgets everything but the count of ids, so that no id comes twice."""
        issued = self.counters.get("ids")
        for table in self.tables:
            table.clear()
        if issued is not None:
            self.counters.put(issued)
        self._agenda.clear()
        self._files_of.clear()
        self._pending_posts.clear()

    # -- ids and counters ------------------------------------------------------------------------

    def new_id(self) -> str:
        """An id of 32 hex digits, as the service's are; the next of a sequence that the seed fixes."""
        number = self.count("ids")
        return hashlib.md5(f"{self._seed}/{number}".encode(), usedforsecurity=False).hexdigest()

    def count(self, name: str, by: int = 1) -> int:
        """Adds to a counter and returns it."""
        before = self.counters.get(name)
        return self.counters.put(Counter(id=name, value=(before.value if before else 0) + by)).value

    # -- files -----------------------------------------------------------------------------------

    def add_file(self, file: File) -> File:
        """Adds a new file to its asset."""
        self._files_of.setdefault(file.asset_id, []).append(file.id)
        return self.files.put(file)

    def files_of(self, asset_id: str) -> list[File]:
        """An asset's files that aren't deleted, oldest first."""
        rows = (self.files.get(file_id) for file_id in self._files_of.get(asset_id, ()))
        return [file for file in rows if file is not None and file.state is not FileState.DELETED]

    def main_file(self, asset_id: str) -> File | None:
        """The asset's usable main file."""
        usable = (f for f in self.files_of(asset_id) if f.category == "MAIN" and f.state is FileState.CREATED)
        return next(usable, None)

    def review(self, file: File, until: datetime, now: datetime) -> None:
        """Hands an uploaded file to the review, which it passes at `until`."""
        waiting = replace(file, state=FileState.UPLOADED, updated_at=now, review_until=until)
        self.files.put(waiting)
        if until <= now:
            self._pass_review(waiting, now)
        else:
            self._plan(until, self.files.kind, file.id)

    def _end_review(self, file: File, at: datetime) -> None:
        if file.state is FileState.UPLOADED:
            self._pass_review(file, at)

    def _pass_review(self, file: File, at: datetime) -> None:
        self.files.put(replace(file, state=FileState.CREATED, updated_at=at))
        asset = self.assets.get(file.asset_id)
        if file.category == "MAIN" and asset is not None and asset.state is AssetState.CREATING:
            self.assets.put(replace(asset, state=AssetState.ACTIVED, updated_at=at))

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
        if job.state is JobState.PROCESSING and job.ends_at <= now:
            return self._succeed(job, now)
        for file_id, segment in (
            (job.output_video_id, rendering.video),
            (job.output_cover_id, rendering.cover),
        ):
            # A finished job whose files were lost has been rendered again.
            file = self.files.get(file_id)
            if file is not None and file.state is not FileState.DELETED:
                self.files.put(replace(file, size=segment.size, segments=(segment,)))
        return None

    def fail(self, job: Job, code: str, at: datetime, message: str = "") -> Job:
        """Ends a job with an error."""
        facts = error_facts().get(code)
        error = JobError(code, message or (facts.message if facts else code))
        return self.jobs.put(
            replace(job, state=JobState.FAILED, error=error, finished_at=at, updated_at=at),
        )

    def unrendered(self) -> list[Job]:
        """Jobs at work whose video isn't there yet."""
        at_work = (job for job in self.jobs if job.state is JobState.PROCESSING and job.rendered is None)
        return [job for job in at_work if job.doomed is None]

    def _plan_job(self, job: Job) -> None:
        if job.state is JobState.WAITING:
            self._plan(job.starts_at, self.jobs.kind, job.id)
        if job.state in {JobState.WAITING, JobState.PROCESSING}:
            self._plan(job.ends_at, self.jobs.kind, job.id)

    def _step(self, job: Job, at: datetime, settled: Settled) -> None:
        if job.state is JobState.WAITING:
            job = self.jobs.put(replace(job, state=JobState.PROCESSING, updated_at=job.starts_at))
            settled.started.append(job)
        if job.state is not JobState.PROCESSING or job.ends_at > at:
            return
        if job.doomed is not None:
            settled.finished.append(self.fail(job, job.doomed, job.ends_at))
        elif not self._render or job.rendered is not None:
            settled.finished.append(self._succeed(job, job.ends_at))

    def _succeed(self, job: Job, at: datetime) -> Job:
        self.assets.put(
            Asset(
                id=job.output_asset_id,
                name=job.asset_name,
                type="VIDEO",
                state=AssetState.ACTIVED,
                created_at=at,
                updated_at=at,
                properties={"DIGITAL_HUMAN_2D_VIDEO": "Yes"},
                job_id=job.id,
            )
        )
        kind = "webm" if job.recipe.get("video_config", {}).get("codec") == "VP8" else "mp4"
        made = job.rendered
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

    def settle(self, now: datetime) -> Settled:
        """Lets everything happen that was due until now, in its order."""
        settled = Settled()
        while self._agenda and self._agenda[0][0] <= now:
            at, _, kind, key = heapq.heappop(self._agenda)
            if kind == self.jobs.kind and (job := self.jobs.get(key)) is not None:
                self._step(job, at, settled)
            elif kind == self.late_calls.kind and (call := self.late_calls.get(key)) is not None:
                self.late_calls.drop(key)
                settled.late.append(call)
            elif kind == self.files.kind and (file := self.files.get(key)) is not None:
                self._end_review(file, at)
        return settled

    def next_due(self, except_posts: Container[str] = ()) -> datetime | None:
        """When something happens by itself again, callbacks included."""
        due = [self._agenda[0][0]] if self._agenda else []
        due.extend(post.due_at for post in self.pending_posts() if post.id not in except_posts)
        return min(due, default=None)

    def _plan(self, at: datetime, kind: str, key: str) -> None:
        self._entries += 1
        heapq.heappush(self._agenda, (at, self._entries, kind, key))
