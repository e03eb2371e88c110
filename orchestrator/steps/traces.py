"""How what a request made is found again: by the key that it carried, compared whole, on all pages.

The list calls match parts of names, so nothing that they bring counts before it was compared. What bears the key is the
run's. What merely looks like it is never taken for it, but keeps the request from being repeated: a person has to look.
"""

import hashlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pydantic import BaseModel

from orchestrator.domain.ids import RunId
from orchestrator.errors import RetryClass
from orchestrator.metastudio import operations
from orchestrator.metastudio.client import MetaStudio
from orchestrator.metastudio.errors import InvalidRequest, NotFound
from orchestrator.metastudio.operation import AnyOperation
from orchestrator.steps.base import StepError

#: A product's tag has 16 bytes (reference table 6-359): `mso-` and 12 digits of the key.
PRODUCT_TAG: Final = 16
#: What begins like this is the key of a run, this one or another.
KEY_PREFIX: Final = "mso-"
#: Nothing that a run made is older than the run; the two clocks may differ.
_CLOCK_MARGIN: Final = timedelta(days=1)
#: What bears no key may be the lost request's unless it is older than the request by more than any clock is wrong.
_SKEW: Final = timedelta(minutes=15)
_GONE: Final = frozenset({"DELETING", "DELETED"})
_DEAD: Final = frozenset({"FAILED", "CANCELED"})
#: As many tags as table 4-3 and table 6-359 allow, and as long private data as table 5-3 and table 6-3.
_MOST_TAGS: Final = 50
_MOST_PRIVATE: Final = 8192


@dataclass(frozen=True, slots=True)
class Sent:
    """What a creating request is about, without the key that goes with it."""

    body: Any
    path: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Search:
    """One look, for one step of one run."""

    api: MetaStudio
    #: The step's own.
    key: str
    #: The run's: whatever bears it was made by one of its steps.
    mark: str
    run_created_at: datetime
    #: When the request left that may have been lost; None: nobody asks for what bears no key.
    sent_at: datetime | None
    #: Keywords of every call, such as the place in the queue.
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def since(self) -> str:
        """As the API writes it: nothing of the run is older."""
        return (self.run_created_at - _CLOCK_MARGIN).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    async def call(self, operation: AnyOperation, **path: str) -> Any:
        """What one thing looks like. Raises StepError for an answer that is not about it, and proves nothing."""
        shown = await self.api.call(operation, path=path, **self.options)
        about_it(shown, **path)
        return shown

    def pages(
        self, operation: AnyOperation, path: Mapping[str, str] | None = None, **query: object
    ) -> AsyncIterator[Any]:
        """The items of all pages."""
        return self.api.pages(operation, path=path, query=query, **self.options)

    def may_be_ours(self, created: str | None) -> bool:
        """Whether something without a key is young enough to come from the lost request."""
        if self.sent_at is None:
            return False
        at = _time(created)
        return at is None or at >= self.sent_at - _SKEW

    def of_this_run(self, created: str | None) -> bool:
        """Whether something is young enough to come from the run at all."""
        at = _time(created)
        return at is None or at >= self.run_created_at - _CLOCK_MARGIN


@dataclass(frozen=True, slots=True)
class Trace:
    """Something that surely comes from the step."""

    id: str
    made_at: str = ""
    #: Nobody has done anything with it yet, and it does nothing by itself: were it a double, it could go.
    idle: bool = False


@dataclass(slots=True)
class Traces:
    """What one look found."""

    #: What bears the key.
    ours: list[Trace] = field(default_factory=list)
    #: Something without a key may be the lost request's as well as somebody else's.
    doubtful: bool = False

    @property
    def oldest(self) -> Trace | None:
        """The one to be taken over."""
        return min(self.ours, key=lambda trace: trace.made_at, default=None)


def about_it(answer: object, **ids: str) -> None:
    """Raises StepError (to be asked again) when an answer bears another id than it was asked for, or none."""
    for name, value in ids.items():
        if getattr(answer, name, value) != value:
            message = f"The answer is not about the {name.removesuffix('_id')} that was asked for."
            raise StepError(message, code="BAD_ANSWER", retry=RetryClass.LATER)


def run_mark(run_id: RunId) -> str:
    """What all steps of a run leave beside their key where there is room: `msr-` and 16 hex digits."""
    return "msr-" + hashlib.sha256(run_id.encode()).hexdigest()[:16]


# Looks, one for each way in which a key is left. Each says in which section of the reference its calls stand.


async def assets(sent: Sent, search: Search) -> Traces:
    """Own assets with the tag. Reference 4.1.2."""
    del sent
    found = Traces()
    async for asset in search.pages(operations.list_assets, tag=search.key, asset_source="CUSTOMIZATION"):
        if search.key in (asset.tags or ()) and asset.asset_state not in _GONE:
            idle = asset.asset_state == "CREATING" and not asset.files
            found.ours.append(Trace(asset.asset_id, asset.create_time or "", idle))
    return found


async def files(sent: Sent, search: Search) -> Traces:
    """The asset's file of that name and content which waits for its bytes. Reference 4.1.5.

    An asset has one file of a name (table 4-178), so there is no second one to be mistaken for it.
    """
    wanted = sent.body
    asset = await search.call(operations.show_asset, asset_id=wanted.asset_id)
    found = Traces()
    for file in asset.files or ():
        same = (file.file_name or "").casefold() == wanted.file_name.casefold()
        same &= file.file_size in {None, wanted.file_size} and file.state == "CREATING"
        same &= file.file_md5 in {None, "", getattr(wanted, "file_md5", file.file_md5)}
        if same and file.asset_file_category == wanted.asset_file_category:
            found.ours.append(Trace(file.file_id))
    return found


async def scripts(sent: Sent, search: Search) -> Traces:
    """Scripts of that name, then each one's `priv_data`: the list lacks it. Reference 5.1.2, 5.1.3."""
    body, found = sent.body, Traces()
    named = [
        script
        # The list shows one view only, the landscape ones unless told otherwise.
        async for script in search.pages(
            operations.list_video_scripts, name=body.script_name, view_mode=body.view_mode or "LANDSCAPE"
        )
        if script.script_name == body.script_name and script.script_id
    ]
    for script in sorted(filter(lambda one: search.of_this_run(one.create_time), named), key=_created):
        shown = await search.call(operations.show_video_script, script_id=script.script_id)
        if (shown.priv_data or "").endswith(search.key):
            found.ours.append(Trace(script.script_id, _created(script), idle=True))
    return found


async def videos(sent: Sent, search: Search) -> Traces:
    """Jobs of that script and name. They are the run's if the script is, which is for one video. Reference 5.2.1."""
    body, found = sent.body, Traces()
    name = body.output_asset_config.asset_name if body.output_asset_config else None
    asked = {"script_id": body.script_id} if body.script_id else {"asset_name": name} if name else {}
    jobs = [
        job
        async for job in search.pages(operations.list_digital_human_video, create_since=search.since, **asked)
        # One that is dead makes no video, and a resumed run wants another.
        if job.job_id and job.state not in _DEAD and _named(job.output_asset_config, name)
    ]
    if jobs and body.script_id and await _is_own_script(body.script_id, search):
        found.ours += [Trace(job.job_id, _created(job), job.state == "WAITING") for job in jobs]
    else:
        found.doubtful = any(search.may_be_ours(job.create_time) for job in jobs)
    return found


def _named(output: Any, name: str | None) -> bool:
    return name is None or output is None or output.asset_name in {None, name}


async def _is_own_script(script_id: str, search: Search) -> bool:
    try:
        script = await search.call(operations.show_video_script, script_id=script_id)
    except (NotFound, InvalidRequest):  # deleted meanwhile: nobody can say any more whose it was
        return False
    return search.mark in (script.priv_data or "")


async def rooms(sent: Sent, search: Search) -> Traces:
    """Rooms whose `priv_data` ends in the key. Reference 6.1.2."""
    body, found = sent.body, Traces()
    async for room in search.pages(
        operations.list_smart_live_rooms, room_name=body.room_name, room_type=body.room_type or "NORMAL"
    ):
        if room.room_id and (room.priv_data or "").endswith(search.key):
            found.ours.append(Trace(room.room_id, _created(room), idle=not room.last_job_status))
    return found


async def rule_groups(sent: Sent, search: Search) -> Traces:
    """Libraries of that name, by the index of their first rule. Reference 6.1.7."""
    found = Traces()
    async for group in search.pages(
        operations.list_interaction_rule_groups, group_name=sent.body.group_name, create_since=search.since
    ):
        if group.group_name == sent.body.group_name and group.group_id:
            keys = [rule.rule_index for rule in group.interaction_rules or () if rule.rule_index]
            _sort(found, search, Trace(group.group_id, _created(group), idle=True), keys)
    return found


async def livestreams(sent: Sent, search: Search) -> Traces:
    """Livestreams of the room. They are the run's if the room is: it has one at a time. Reference 6.2.2, 6.1.3."""
    room_id, found = sent.path["room_id"], Traces()
    jobs = [
        job
        async for job in search.pages(
            operations.list_smart_live, path={"room_id": room_id}, create_since=search.since
        )
        if job.job_id and search.may_be_ours(job.create_time)
    ]
    if jobs:
        room = await search.call(operations.show_smart_live_room, room_id=room_id)
        running = [job for job in jobs if job.state in {"WAITING", "PROCESSING"}]
        if running and search.mark in (room.priv_data or ""):
            found.ours += [Trace(job.job_id, _created(job)) for job in running]
        else:
            found.doubtful = True
    return found


async def products(sent: Sent, search: Search) -> Traces:
    """Products with the tag. Reference 6.3.2."""
    del sent
    tag, found = search.key[:PRODUCT_TAG], Traces()
    async for product in search.pages(operations.list_products, tag=tag):
        if product.product_id and tag in (product.tags or ()) and product.state != "DELETED":
            found.ours.append(Trace(product.product_id, _created(product), idle=True))
    return found


async def avatar_jobs(sent: Sent, search: Search) -> Traces:
    """Avatar training jobs with the tag. Reference 8.2."""
    del sent
    found = Traces()
    async for job in search.pages(operations.list2d_model_training_job, tag=search.key):
        if job.job_id and search.key in (job.tags or ()):
            found.ours.append(Trace(job.job_id, _created(job), job.state == "WAIT_FILE_UPLOAD"))
    return found


async def voice_jobs(sent: Sent, search: Search) -> Traces:
    """Voice training jobs of that name, by their batch. Reference 9.4."""
    body, found = sent.body, Traces()
    async for job in search.pages(
        operations.list_voice_training_job, voice_name=body.voice_name, create_since=search.since
    ):
        # A batch of the user's own is no key, and jobs of other batches are not ours.
        if job.job_id and job.voice_name == body.voice_name and _in_batch(job.batch_name, body.batch_name):
            _sort(found, search, Trace(job.job_id, _created(job), job.state == "CREATING"), [job.batch_name])
    return found


def _in_batch(found: str | None, asked: str | None) -> bool:
    return not asked or found in {None, asked}


def _sort(found: Traces, search: Search, trace: Trace, keys: list[str | None]) -> None:
    """Ours by the key; another run's by its own; what bears none may be anybody's."""
    if search.key in keys:
        found.ours.append(trace)
    elif not any((key or "").startswith(KEY_PREFIX) for key in keys):
        found.doubtful |= search.may_be_ours(trace.made_at)


def _created(item: Any) -> str:
    return str(item.create_time or "")


def _time(text: str | None) -> datetime | None:
    """None for what is no time: it may have been any."""
    try:
        at = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at


# Leaving the key.


def with_tag(body: Any, key: str, mark: str) -> BaseModel | None:
    """One tag more; None where there is no room for it."""
    del mark
    return _tagged(body, key)


def with_product_tag(body: Any, key: str, mark: str) -> BaseModel | None:
    """As `with_tag`, cut to what a product's tag holds."""
    del mark
    return _tagged(body, key[:PRODUCT_TAG])


def _tagged(body: Any, tag: str) -> BaseModel | None:
    tags = [*(body.tags or ()), tag]
    changed: BaseModel = body.model_copy(update={"tags": tags})
    return changed if len(tags) <= _MOST_TAGS else None


def with_private_data(body: Any, key: str, mark: str) -> BaseModel | None:
    """One line more at the end of `priv_data`: the run's mark and the key; None where there is no room for it."""
    line = f"{mark} {key}"
    private = f"{body.priv_data}\n{line}" if body.priv_data else line
    changed: BaseModel = body.model_copy(update={"priv_data": private})
    return changed if len(private) <= _MOST_PRIVATE else None


def with_rule_index(body: Any, key: str, mark: str) -> BaseModel | None:
    """The index of the first rule, which the service gives otherwise; as it is where the rule has one, or none is there."""
    del mark
    rules = list(body.interaction_rules or ())
    if not rules or rules[0].rule_index:
        same: BaseModel = body
        return same
    rules[0] = rules[0].model_copy(update={"rule_index": key})
    changed: BaseModel = body.model_copy(update={"interaction_rules": rules})
    return changed


def with_batch(body: Any, key: str, mark: str) -> BaseModel | None:
    """A batch of its own; as it is where the user has named one."""
    del mark
    changed: BaseModel = body if body.batch_name else body.model_copy(update={"batch_name": key})
    return changed
