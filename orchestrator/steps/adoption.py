"""What a lost request made, and how it is found: a row for each operation that makes, orders or starts something.

The API has no key for idempotence. So a creating request carries a key of ours in a field that the service keeps, and
before it is repeated what it may have made is looked up and taken over. Where no field serves, nothing is guessed: a
person has to look. The operations that may be repeated freely are listed below, each with the reason.
"""

from abc import abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel

from orchestrator.metastudio import operations
from orchestrator.metastudio.operation import AnyOperation
from orchestrator.steps import traces
from orchestrator.steps.base import CannotTellError, Found, P, StepContext, StepError, StepKind
from orchestrator.steps.traces import Search, Sent, Traces, run_mark

Leave = Callable[[Any, str, str], BaseModel | None]
Look = Callable[[Sent, Search], Awaitable[Traces]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """How what a creating operation made is found again."""

    operation: AnyOperation
    #: What the request leaves behind by which it is known, and where.
    key: str
    #: Why the look is sure, or why there is none that would be.
    why: str
    #: Where a person looks when no look can tell.
    where: str
    #: The answer's field that names what was made.
    output: str = ""
    #: Puts the key (and the run's mark) into the body; gives None where there is no room.
    leave: Leave | None = None
    #: Looks once; None: no sure look exists.
    look: Look | None = None
    look_up: tuple[AnyOperation, ...] = ()
    #: Calls of one look at most.
    cost: str = "none"
    #: Removes a double on which nobody has worked yet; None: the service allows no double, or none can be told.
    drop: AnyOperation | None = None
    #: Which requests may be repeated although others of the operation may not.
    repeatable: Callable[[Any], bool] | None = None

    def keyed(self, sent: Sent, ctx: StepContext) -> Any:
        """The body that is sent. Raises StepError, before anything is sent, when it has no room for the key."""
        if self.leave is None:
            return sent.body
        body = self.leave(sent.body, ctx.key, run_mark(ctx.run_id))
        if body is None:
            raise StepError(
                f"The request leaves no room for the orchestrator's own mark: {self.key}.",
                hint="Take one tag less, or make `priv_data` 42 characters shorter.",
                code="NO_ROOM",
            )
        return body

    async def find(self, name: str, sent: Sent, ctx: StepContext) -> str | None:
        """The id of what the lost request of the kind `name` made; None: nothing.

        Raises CannotTellError when no sure look exists, and when something was found that may be ours as well as
        somebody else's.
        """
        if self.look is None:
            raise CannotTellError(name, self.where)
        search = Search(
            ctx.around.api,
            ctx.key,
            run_mark(ctx.run_id),
            ctx.run_created_at,
            ctx.sent_at,
            {"order": ctx.order, "label": ctx.label},
        )
        found = await self.look(sent, search)
        if (oldest := found.oldest) is not None:
            return oldest.id
        if found.doubtful:
            raise CannotTellError(name, self.where)
        return None


class Adopting(StepKind[P]):
    """A kind of one creating request, which is adopted as the request's row says."""

    @abstractmethod
    def creating(self, params: P) -> tuple[Adoption, Sent] | None:
        """The request's row and what it is about; None for a request that may be repeated freely."""

    async def find(self, params: P, ctx: StepContext) -> Found | None:
        """Look once, by the row."""
        creating = self.creating(params)
        if creating is None:
            return None
        row, sent = creating
        made = await row.find(self.name, sent, ctx)
        return None if made is None else Found({**dict.fromkeys(self.outputs), row.output: made})


def _call(operation: AnyOperation, which: str = "") -> str:
    return f"with `orchestrator api call {operation.id}`{which}"


_TAG: Final = "a tag of its own, added to those of the request (49 at most)"
_PRIVATE: Final = "the last line of `priv_data`, after the request's own (42 characters)"
_READS_ONLY: Final = frozenset({"GET_CURRENT_PLAYING_SCRIPTS", "GET_LIVE_JOB_CONFIG_INFO"})
_SETS: Final = frozenset(
    {"REWRITE_PLAY_SCRIPT", "REWRITE_INTERACTION_RULES", "SHOW_LAYER", "REFRESH_OUTPUT_URL"}
)


def _speaks_nothing(body: Any) -> bool:
    return body.command in _READS_ONLY | _SETS


def _reports_nothing(body: Any) -> bool:
    return not body.events


def _of_file(operation: AnyOperation, what: str) -> Adoption:
    return Adoption(
        operation=operation,
        key=f"the file itself: asset, name, category, {what}",
        why="An asset has one file of a name, so a second one is refused, and there is none to be mistaken for it. "
        "Only a file that still waits for its bytes is taken.",
        where=_call(operations.show_asset),
        output="file_id",
        look=traces.files,
        look_up=(operations.show_asset,),
        cost="1",
    )


def _of_voice(operation: AnyOperation) -> Adoption:
    return Adoption(
        operation=operation,
        key="`batch_name`, where the request has none of its own",
        why="The list shows the batch. A job of the same name without a batch of ours, made since shortly before the "
        "request, may be anybody's: then a person has to look, as always when the request names a batch.",
        where=_call(operations.list_voice_training_job, ", for a job of that voice name"),
        output="job_id",
        leave=traces.with_batch,
        look=traces.voice_jobs,
        look_up=(operations.list_voice_training_job,),
        cost="1 for every 100 jobs with such a name",
        drop=operations.delete_voice_training_job,
    )


_ROWS: Final = (
    Adoption(
        operation=operations.create_digital_asset,
        key=_TAG,
        why="The list filters by tag and shows tags; no other step writes that one.",
        where=_call(operations.list_assets),
        output="asset_id",
        leave=traces.with_tag,
        look=traces.assets,
        look_up=(operations.list_assets,),
        cost="1",
        drop=operations.delete_asset,
    ),
    Adoption(
        operation=operations.create_asset_by_replication_info,
        key="none",
        why="All of the request is sealed by the other region, and it is answered without a body. The copy has the asset's "
        "id unless that is taken, and others may copy the same asset.",
        where=_call(
            operations.show_asset,
            " and the id of the asset that is copied, in the region that it is copied to",
        ),
    ),
    _of_file(operations.create_file, "size and MD5"),
    _of_file(operations.create_large_file, "size (this call takes no MD5)"),
    Adoption(
        operation=operations.create_video_scripts,
        key=_PRIVATE,
        why="The service gives `priv_data` back as it got it. The list lacks it, so each script of exactly that name "
        "which is not older than the run is asked for.",
        where=_call(operations.list_video_scripts),
        output="script_id",
        leave=traces.with_private_data,
        look=traces.scripts,
        look_up=(operations.list_video_scripts, operations.show_video_script),
        cost="1 for every 100 scripts with such a name, and 1 for each script of the name since the run began",
        drop=operations.delete_video_script,
    ),
    Adoption(
        operation=operations.copy_video_scripts,
        key="none",
        why="The request has no body: the copy's name is the service's, all else is the original's.",
        where=_call(operations.list_video_scripts, ", for a copy under a new name"),
    ),
    Adoption(
        operation=operations.create2_d_digital_human_video,
        key="the script, if a step of the run made it, and the video's name",
        why="The list filters by script. A script of the run (its `priv_data` has the run's mark) is for one video. With a "
        "script from elsewhere, or none, a job of that script and name made since shortly before the request may be "
        "another run's: then a person has to look. If there is no such job, nothing was made.",
        where=_call(operations.list_digital_human_video, ", for a job of that script and name"),
        output="job_id",
        look=traces.videos,
        look_up=(operations.list_digital_human_video, operations.show_video_script),
        cost="2 with a script; 1 for every 100 jobs of the name without",
        drop=operations.cancel2_d_digital_human_video,
    ),
    Adoption(
        operation=operations.create_smart_live_room,
        key=_PRIVATE,
        why="The list shows `priv_data` as it was sent. Names of rooms are unique, so a second one is refused.",
        where=_call(operations.list_smart_live_rooms),
        output="room_id",
        leave=traces.with_private_data,
        look=traces.rooms,
        look_up=(operations.list_smart_live_rooms,),
        cost="1 for every 100 rooms with such a name",
    ),
    Adoption(
        operation=operations.create_interaction_rule_group,
        key="`rule_index` of the first rule, where the request gives none",
        why="Names of libraries are unique, so a second one is refused. One of that name without our index may be anybody's: "
        "then a person has to look, as always when the request has no rules or numbers them itself.",
        where=_call(operations.list_interaction_rule_groups, ", for a library of that name"),
        output="group_id",
        leave=traces.with_rule_index,
        look=traces.rule_groups,
        look_up=(operations.list_interaction_rule_groups,),
        cost="1 for every 100 libraries with such a name",
    ),
    Adoption(
        operation=operations.start_smart_live,
        key="the room, if a step of the run made it",
        why="A room has one livestream at a time. In a room from elsewhere, one that began since shortly before the request "
        "may be another run's: then a person has to look. If there is none, nothing was started.",
        where=_call(operations.list_smart_live, " and the room's id"),
        output="job_id",
        look=traces.livestreams,
        look_up=(operations.list_smart_live, operations.show_smart_live_room),
        cost="2",
    ),
    Adoption(
        operation=operations.execute_smart_live_command,
        key="none",
        why="No call lists commands, so what was inserted would be spoken twice. Commands that only ask "
        f"({', '.join(f'`{name}`' for name in sorted(_READS_ONLY))}) or set the same again "
        f"({', '.join(f'`{name}`' for name in sorted(_SETS))}) are repeated.",
        where="at the livestream itself: no call lists commands",
        repeatable=_speaks_nothing,
    ),
    Adoption(
        operation=operations.live_event_report,
        key="none",
        why="No call lists events, and rules would reply to them twice. Without events, to get another address, it is "
        "repeated.",
        where="at the replies in the livestream itself: no call lists events",
        repeatable=_reports_nothing,
    ),
    Adoption(
        operation=operations.create_product,
        key="a tag of its own, the first 16 characters of the key (49 other tags at most)",
        why="The list filters by tag and shows tags; no other step writes that one.",
        where=_call(operations.list_products),
        output="product_id",
        leave=traces.with_product_tag,
        look=traces.products,
        look_up=(operations.list_products,),
        cost="1",
        drop=operations.delete_product,
    ),
    Adoption(
        operation=operations.create2d_model_training_job,
        key=_TAG,
        why="The list filters by tag and shows tags; no other step writes that one.",
        where=_call(operations.list2d_model_training_job),
        output="job_id",
        leave=traces.with_tag,
        look=traces.avatar_jobs,
        look_up=(operations.list2d_model_training_job,),
        cost="1",
        drop=operations.delete2d_model_training_job,
    ),
    _of_voice(operations.create_training_basic_job),
    _of_voice(operations.create_training_middle_job),
    _of_voice(operations.create_training_advance_job),
    Adoption(
        operation=operations.create_tts_audition,
        key="none",
        why="A preview has a text and a voice, no name and no note, and is in no list.",
        where="at what the account has used, in the console: previews are in no list",
    ),
)

#: By the operation's id.
ADOPTIONS: Final[Mapping[str, Adoption]] = {row.operation.id: row for row in _ROWS}

_SAME_AGAIN: Final = "It sets the same values again."
_ONCE: Final = (
    "It moves a thing from one state to the next, and is refused once the thing has left the first."
)

#: Operations that change something and may be repeated freely, and why. Deletions are in it as a matter of course.
REPEATABLE: Final[Mapping[str, str]] = {
    **{
        operation.id: "What is gone cannot go again; that it is not there any more counts as done if an attempt of ours "
        "may have deleted it."
        for operation in operations.OPERATIONS.values()
        if operation.method == "DELETE"
    },
    "update_digital_asset": _SAME_AGAIN,
    "update_video_script": _SAME_AGAIN,
    "update_smart_live_room": _SAME_AGAIN,
    "update_interaction_rule_group": _SAME_AGAIN,
    "update_product": _SAME_AGAIN,
    "update2d_model_training_job": f"{_SAME_AGAIN} The addresses that it gives are for the same files.",
    "restore_asset": _ONCE,
    "batch_execute_asset_action": "Each action sets a state or a sharing; what is in it already stays in it.",
    "confirm_file_upload": "A file that was confirmed stays confirmed.",
    "cancel2_d_digital_human_video": _ONCE,
    "stop_smart_live": _ONCE,
    "set_product_asset": "What is linked already is refused as such, and so is what is not linked any more.",
    "execute2d_model_training_command_by_user": "Each command but CONFIRM_ANSWER moves the job on, or reads, and is refused "
    "once the job has moved; a comment of CONFIRM_ANSWER may come to stand twice.",
    "commit_voice_training_job": _ONCE,
    "confirm_training_segment": "A sentence that was confirmed stays confirmed.",
}
