"""What the emulated world knows of live rooms, rule libraries and livestreams (reference 6.1, 6.2)."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from orchestrator.emulator.behaviours.base import Call, Moment
from orchestrator.emulator.postman import IN_LINE, LINES, SWAPS
from orchestrator.emulator.records import FileState, JobError
from orchestrator.emulator.refusals import Refusal
from orchestrator.emulator.tables import Kind

#: Fields of a room whose values open a door: the callback's key, the places to push the stream to.
SECRETS = ("live_event_callback_config", "interaction_callback_url", "output_urls", "stream_keys")


class LiveState(StrEnum):
    """State of a livestream (reference table 6-284)."""

    WAITING = "WAITING"
    PROCESSING = "PROCESSING"
    SUCCEED = "SUCCEED"
    FAILED = "FAILED"
    BLOCKED = "BLOCKED"

    @property
    def running(self) -> bool:
        """Whether it hasn't ended."""
        return self in {LiveState.WAITING, LiveState.PROCESSING}


class Playback(StrEnum):
    """What the avatar does (reference 11.6); what only RTSA controls bring about is left out."""

    PREPROCESSING = "PREPROCESSING"
    PLAY_READY = "PLAY_READY"
    PROCESSING = "PROCESSING"
    PLAY_END = "PLAY_END"


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """A live room. `body` and `secrets` are what it was made from, rule indexes and script ids filled in."""

    id: str
    name: str
    type: str
    body: dict[str, Any]
    secrets: dict[str, Any] = field(repr=False)
    created_at: datetime
    updated_at: datetime
    cover_id: str
    last_job_id: str | None = None
    #: Set when a livestream was blocked; an update of the room lifts it.
    blocked: JobError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleGroup:
    """A library of interaction rules, each with its id and times."""

    id: str
    name: str
    rules: tuple[dict[str, Any], ...]
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Paragraph:
    """A piece of a scene's script."""

    scene: str
    model_asset_id: str | None
    number: int
    title: str | None
    text: str
    #: When each of its sentences ends, in seconds from its beginning.
    marks: tuple[float, ...]
    product: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Insertion:
    """A reply to be spoken; its id is that of the command, and the `reply_id` of events."""

    id: str
    play_type: str
    length_s: float
    text: str = ""
    role: str = "STREAMER"
    rule_index: str | None = None


@dataclass(frozen=True, slots=True)
class Speaking:
    """What is being spoken: a reply, or the paragraph that the job is at."""

    since: datetime
    until: datetime
    reply: Insertion | None = None
    #: False: the paragraph is broken off at `until`, behind a sentence.
    ends: bool = True


@dataclass(frozen=True, slots=True)
class Stream:
    """The RTMP stream pushed to a platform."""

    url: str = field(repr=False)
    key: str = field(repr=False)
    #: When the connection will stand; None: it stands.
    connects_at: datetime | None
    connected_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveJob:
    """A livestream. `config` and `secrets` are its room's when it began, changed by the start and by commands."""

    id: str
    room_id: str
    room_name: str
    state: LiveState
    playback: Playback = Playback.PREPROCESSING
    config: dict[str, Any]
    secrets: dict[str, Any] = field(repr=False)
    cover_id: str
    created_at: datetime
    updated_at: datetime
    starts_at: datetime
    ready_at: datetime
    #: Ends by itself then, whatever is left to play.
    limit_at: datetime
    #: The key of the URL for reporting events is valid until then.
    report_until: datetime
    finished_at: datetime | None = None
    error: JobError | None = None
    #: Stopped before it began.
    canceled: bool = False
    doomed: str | None = None
    stuck: bool = False
    stream: Stream | None = None
    #: Whether the script is played at all, or the avatar only replies.
    scripted: bool = True
    round: int = 0
    #: The paragraphs of this round in the order they are spoken, and which of them it is at.
    program: tuple[Paragraph, ...] = ()
    at: int = -1
    #: How much of that paragraph was spoken before it was broken off; None: it is finished.
    said_s: float | None = None
    speaking: Speaking | None = None
    insertions: tuple[Insertion, ...] = ()
    #: When each rule was last triggered, and how often.
    fired_at: dict[str, datetime] = field(default_factory=dict)
    fired: dict[str, int] = field(default_factory=dict)
    #: Count and sum of the fields that rules add up, by event type and field.
    tallies: dict[str, tuple[int, float]] = field(default_factory=dict)
    log_id: str | None = None

    @property
    def paragraph(self) -> Paragraph | None:
        """The paragraph it is at, even while a reply is spoken."""
        return self.program[self.at] if 0 <= self.at < len(self.program) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class AudienceEvent:
    """An event that was reported to a livestream, and what it set off (reference table 6-350)."""

    id: str
    job_id: str
    received_at: datetime
    timestamp: int
    type: int | None
    content: str | None
    rule_index: str | None = None
    command_id: str | None = None


ROOMS = Kind("live_rooms", Room)
RULE_GROUPS = Kind("live_rule_groups", RuleGroup)
AUDIENCE_EVENTS = Kind("live_audience_events", AudienceEvent)


def find_room(call: Call, room_id: str) -> Room:
    """A live room.

    Raises:
        Refusal: MSS.20010045, there is none.
    """
    room = call.world[ROOMS].get(room_id)
    if room is None:
        raise Refusal("MSS.20010045", room_id[:64])
    return room


def drop_files(moment: Moment, room_id: str) -> None:
    """Deletes the pictures of a room."""
    for file in moment.world.files_of(room_id):
        moment.world.files.put(replace(file, state=FileState.DELETED, updated_at=moment.now))


KINDS = (ROOMS, RULE_GROUPS, AUDIENCE_EVENTS, LINES, IN_LINE, SWAPS)
