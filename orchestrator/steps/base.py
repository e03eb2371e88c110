"""What a step kind is: parameters in, an outcome out. One file a kind beside this one, found by scanning the folder."""

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from orchestrator.domain.ids import RunId, StepId
from orchestrator.errors import OrchestratorError, RetryClass
from orchestrator.metastudio.client import MetaStudio
from orchestrator.metastudio.operations import Operation
from orchestrator.store.base import Wait
from orchestrator.transfer.files import HashedFile
from orchestrator.transfer.upload import OnProgress

Q = TypeVar("Q")
R = TypeVar("R")
P = TypeVar("P", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Done:
    """The step is over; its outputs are what expressions of other steps may read. No secret, no presigned URL."""

    outputs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Waiting:
    """The step waits for something outside that is known by `correlation`."""

    correlation: str
    #: Ask after so many seconds even if nobody hints that it is over; None: on a hint (callback, poller) only.
    check_after_s: float | None = None
    #: Whether the poller is to look for it.
    poll: bool = True


@dataclass(frozen=True, slots=True)
class Found:
    """What a lost attempt made: either the step's outputs, or facts from which it goes on."""

    outputs: Mapping[str, Any] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ended:
    """Something that is over, as a list of the API shows it."""

    correlation: str
    result: str
    #: When that last changed, by the API's clock.
    at: datetime


class StepError(OrchestratorError):
    """A step cannot be done."""

    def __init__(
        self, message: str, *, hint: str = "", code: str = "", retry: RetryClass = RetryClass.NEVER
    ) -> None:
        super().__init__(message, hint=hint)
        self.code = code
        self.retry = retry


class CannotTellError(StepError):
    """Nobody but a person can find out what a request made whose answer was lost."""

    def __init__(self, kind: str, where: str) -> None:
        """`where` says where the person is to look."""
        super().__init__(
            f"The answer to {kind} was lost, and there is no sure way to tell what it made, if anything.",
            hint=f"Wait two minutes, then look {where}. Only if it is not there, start the run again: this sends "
            "the request once more. If it is there, go on without this step, with the id that you found.",
            code="NO_ANSWER",
            retry=RetryClass.SUPPORT,
        )


class GoesOn(str):
    """Told of what could not be stopped any more: it goes on, or has come to its end."""

    __slots__ = ()


class Parameters(BaseModel):
    """Base of step parameters: unknown names are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Transfers(Protocol):
    """Moving files to and from presigned URLs; `transfer.files.Files` does."""

    def part_count(self, size: int) -> int | None:
        """How many parts a file of `size` bytes is sent in; None: one PUT."""
        ...

    async def describe(self, path: Path) -> HashedFile:
        """Size and MD5 of a file, read off the event loop."""
        ...

    async def modified_at(self, path: Path) -> datetime | None:
        """When a file was changed last; None: there is none."""
        ...

    async def upload(self, file: HashedFile, urls: Sequence[str], on_progress: OnProgress) -> None:
        """Send the file to one URL, or its parts to several."""
        ...

    async def size(self, path: Path) -> int:
        """Bytes of a file."""
        ...

    async def send(
        self, path: Path, urls: Sequence[str], on_progress: OnProgress, *, content_type: str | None = None
    ) -> None:
        """Send the file, in as many equal parts as there are URLs, to URLs that were signed without its MD5.

        `content_type` is the one that they were signed with; None: without any.
        """
        ...

    async def download(self, url: str, to: Path, *, size: int | None, on_progress: OnProgress) -> int:
        """Fetch to a temporary name, rename at the end; bytes written."""
        ...


@dataclass(frozen=True, slots=True)
class CallbackAddress:
    """Where MetaStudio reports a run's jobs, and the run's own signing key."""

    url: str
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What steps work with, the same for all of them."""

    api: MetaStudio
    transfers: Transfers
    callback_address: Callable[[RunId], CallbackAddress | None]
    #: Sends a message with further headers to an address: the status of the answer.
    post_json: Callable[[str, Mapping[str, Any], Mapping[str, str]], Awaitable[int]]
    #: Folders that steps may read; none: the definition's own folder.
    roots: Sequence[Path] = ()
    #: As `callback_address`, for the events of a run's livestreams.
    live_address: Callable[[RunId], CallbackAddress | None] = lambda _: None
    #: The client of the same account in another region. Raises UsageError when there can be none.
    api_in: Callable[[str], Awaitable[MetaStudio]] | None = None
    #: Values of secrets by name, in lower case, for the parameters of steps.
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


class SubRun(Protocol):
    """The run of the pipeline that a step is done by; `engine.sub_runs` begins it."""

    async def begin(self, inputs: Mapping[str, Any]) -> str:
        """Its id, once it is begun or gone on with. Raises StepError when the inputs do not fit."""
        ...

    async def look(self, run_id: str) -> Done | None:
        """Its outputs once it has succeeded; None before it is over. Raises StepError when it ended otherwise."""
        ...


@dataclass(slots=True)
class StepContext:
    """One attempt's view of its run."""

    run_id: RunId
    run_name: str
    step_id: StepId
    attempt: int
    #: Left in what the step creates, the same for every attempt: a lost attempt's work is found by it.
    key: str
    #: What earlier attempts noted.
    facts: Mapping[str, Any]
    #: Where the run stands in the limiter's queues: older runs first.
    order: float
    run_created_at: datetime
    #: When this action began.
    now: datetime
    #: When the request left that may have been lost (look-ups only).
    sent_at: datetime | None
    around: Surroundings
    #: Where the definition lies, and the files that were checked when the run was prepared.
    folder: Path
    #: Folder that the run's files are saved in.
    out: Path
    input_files: frozenset[str]
    #: Journals that a creating request is about to leave.
    sent: Callable[[], Awaitable[None]]
    #: Journals facts worth keeping across attempts.
    note: Callable[[Mapping[str, Any]], Awaitable[None]]
    on_progress: Callable[[str, int, int], None]
    #: What callbacks have told so far of that for which the step waits, the oldest first.
    told: Sequence[str] = ()
    #: Of a step that is done by another pipeline.
    sub_run: SubRun | None = None

    @property
    def label(self) -> str:
        """Under which the limiter shows the step's calls."""
        return call_label(self.run_id, self.step_id)

    def local_file(self, path: str) -> Path:
        """The file that a definition means. Raises StepError for one outside of what it may read."""
        if path in self.input_files:
            return Path(path)
        found = (self.folder / path).resolve()
        roots = [root.resolve() for root in self.around.roots or (self.folder,)]
        if not any(found.is_relative_to(root) for root in roots):
            raise StepError(
                f"{path!r} is outside of the folders that this definition may read.",
                hint="Move the file beside the definition, or allow its folder in files.roots.",
                code="BAD_PATH",
            )
        return found

    async def call(self, operation: Operation[Q, R], **arguments: Any) -> R:
        """A call that may be repeated freely: reads, confirmations, deletions."""
        return await self.around.api.call(operation, order=self.order, label=self.label, **arguments)

    async def create(self, operation: Operation[Q, R], **arguments: Any) -> R:
        """A call that makes something: journaled as sent right before it leaves."""
        return await self.around.api.call(
            operation, order=self.order, label=self.label, before_send=self.sent, **arguments
        )


def call_label(run_id: RunId, step_id: StepId) -> str:
    """Under which the limiter shows the calls of a run's step."""
    return f"{run_id}/{step_id}"


class StepKind(ABC, Generic[P]):
    """A kind of step. Instances hold no state: everything about an attempt is in its context."""

    name: str
    summary: str
    #: Where a person finds what a lost attempt made, if `find` cannot tell.
    where_to_look: str = "in the MetaStudio console"
    #: The output that names a file which the step left in the output folder, if it leaves one.
    leaves: ClassVar[str | None] = None
    #: Whether `cancel` can stop what the step has started or waits for.
    can_be_called_off: ClassVar[bool] = False
    #: The output that names what the step has started: it is called off even if no other step waits for it yet.
    started: ClassVar[str | None] = None
    #: Whether the API lists what ended lately: then `sweep` finds it at the same cost however many wait.
    sweeps: ClassVar[bool] = False
    #: Ids of the operations that one step calls when all goes well, one for each call, for `orchestrator plan`. What is
    #: asked again while it waits, and what is repeated after a failure, does not count. Kinds whose calls hang on their
    #: parameters override `calls` instead.
    operations: ClassVar[tuple[str, ...]] = ()

    @property
    @abstractmethod
    def params(self) -> type[BaseModel]:
        """The model of the step's parameters; worked out when somebody asks where that takes time."""

    @property
    @abstractmethod
    def outputs(self) -> frozenset[str]:
        """Names that the step's outputs always have."""

    def calls(self, given: Mapping[str, Any]) -> Mapping[str, float]:
        """Calls of one step that has these parameters, by operation id; those of `operations`, unless overridden.

        `given` are the parameters as a definition has them, not validated, without those that only a run will know
        (because they use the outputs of other steps); a part of one that only a run will know is an object that is
        neither text nor number, list or mapping. Be content with what is there, make no call, read no file whole.
        """
        del given
        return Counter(self.operations)

    def foresees(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Outputs that follow from the parameters alone, for `orchestrator plan`; `given` as for `calls`."""
        del given
        return {}

    @abstractmethod
    async def act(self, params: P, ctx: StepContext) -> Done | Waiting:
        """Make an attempt, or go on with one that a crash interrupted (see `ctx.facts`)."""

    async def find(self, params: P, ctx: StepContext) -> Found | None:
        """Look once for what a lost attempt made.

        Kinds that leave a trace in what they create override this. Raises CannotTellError in the others: such a
        request is never repeated without a person.
        """
        raise CannotTellError(self.name, self.where_to_look)

    async def check(self, params: P, ctx: StepContext, correlation: str) -> Done | None:
        """Ask the API about what the step waits for; None: not over yet. Waiting kinds override this."""
        raise StepError(f"{self.name} does not wait.")

    async def cancel(self, params: P, ctx: StepContext, correlation: str) -> str:
        """Stop what is known by `correlation`: its run was cancelled. What became of it, for people (`GoesOn`, if it does).

        Kinds with `can_be_called_off` override this; may be called again for what is stopped already.
        """
        raise StepError(f"{self.name} cannot be called off.")

    async def poll(self, around: Surroundings, waits: Sequence[Wait]) -> Mapping[str, str]:
        """Which of the waits' correlations are, or may be, over, and how: one batch, as few calls as possible."""
        return {}

    def sweep(self, around: Surroundings, since: datetime) -> AsyncIterator[Ended]:
        """All that ended at or after `since` (the API's clock), the latest first. Kinds with `sweeps` override this."""
        raise StepError(f"{self.name} has no list of what ended.")


@cache
def kinds() -> Mapping[str, StepKind[Any]]:
    """Every step kind of this folder by its name: classes with a name, and the instances that a module has in `KINDS`."""
    found: dict[str, StepKind[Any]] = {}
    package = importlib.import_module("orchestrator.steps")
    for info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"orchestrator.steps.{info.name}")
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, StepKind) and getattr(value, "name", None):
                found[value.name] = value()
        found.update((kind.name, kind) for kind in getattr(module, "KINDS", ()))
    return dict(sorted(found.items()))
