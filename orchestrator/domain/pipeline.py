"""A pipeline: the definition that runs are made from, as frozen data.

`definition/` makes it from YAML; the journal keeps its JSON form under the hash of its content, so that a run stays
pinned to what it started with.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter

from orchestrator.domain.ids import DefinitionHash, StepId, content_hash
from orchestrator.errors import RetryClass

#: What a step with `foreach` hands on: its items' outputs in their order, and how many there were.
FOREACH_OUTPUTS = frozenset({"results", "total"})


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One declared input: its type's name and its constraints."""

    type: str = "string"
    required: bool = True
    default: Any = None
    description: str = ""
    #: Everything else that the type understands (max_length, accept, choices, …).
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how patiently a step is tried again."""

    #: Attempts in all, the first one included.
    attempts: int = 5
    #: Seconds before the second attempt; doubles each time, with jitter.
    backoff_s: float = 2.0
    max_backoff_s: float = 120.0
    on: frozenset[RetryClass] = frozenset({RetryClass.LATER})


@dataclass(frozen=True, slots=True)
class Step:
    """One node of the pipeline's graph."""

    id: StepId
    uses: str
    #: Parameters as written: literals and `${{ … }}` templates, nested.
    with_: Mapping[str, Any] = field(default_factory=dict)
    #: Every step that has to be done first: those named by `needs` and those whose outputs are used.
    needs: tuple[StepId, ...] = ()
    #: A `${{ … }}` template; the step is skipped when it is not true.
    if_: str | None = None
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    #: Seconds for the whole step, waiting included; None: no limit.
    timeout_s: float | None = None
    continue_on_error: bool = False
    #: A list, or a `${{ … }}` template of one: the step is done once for each item, as child runs.
    foreach: str | Sequence[Any] | None = None
    #: Items under way at once; None: as many as there are.
    max_parallel: int | None = None
    #: What `pipeline.run` runs: the whole of it, so that a run is pinned to that, too.
    pipeline: "Pipeline | None" = None

    @property
    def has_child_run(self) -> bool:
        """Whether it waits for a run of its own, which knows itself what to do: that of its items, or of a pipeline."""
        return self.foreach is not None or self.pipeline is not None


@dataclass(frozen=True, slots=True)
class RowsSpec:
    """A table whose rows become child runs."""

    #: Path of the table, relative to the definition; None when it is given at the start (`--rows`).
    from_: str | None = None
    #: Template of a child run's name.
    name: str | None = None
    #: Sheet of a workbook; None: the first one that is not hidden.
    sheet: str | None = None


@dataclass(frozen=True, slots=True)
class GroupSpec:
    """Runs of one group share places: no more of them are under way at once, whatever pipeline or table they are of."""

    #: Template of the group's name.
    name: str
    limit: int = 1


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A whole definition."""

    name: str
    description: str = ""
    inputs: Mapping[str, InputSpec] = field(default_factory=dict)
    rows: RowsSpec | None = None
    steps: tuple[Step, ...] = ()
    on_failure: tuple[Step, ...] = ()
    finally_: tuple[Step, ...] = ()
    outputs: Mapping[str, Any] = field(default_factory=dict)
    #: Child runs under way at once; None: as many as there are rows.
    concurrency_limit: int | None = None
    #: What its runs (with rows: each row's) queue for before they begin.
    group: GroupSpec | None = None
    #: Triggers as written (`on`).
    triggers: Mapping[str, Any] = field(default_factory=dict)
    #: Folder that relative paths are read from.
    folder: str = "."

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data; `from_json` reads it back unchanged."""
        data: dict[str, Any] = _ADAPTER.dump_python(self, mode="json")
        _sort_sets(data)
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Pipeline":
        """The pipeline that `to_json` wrote."""
        return _ADAPTER.validate_python(data)

    @property
    def all_steps(self) -> tuple[Step, ...]:
        """Those of every section."""
        return (*self.steps, *self.on_failure, *self.finally_)

    @property
    def hash(self) -> DefinitionHash:
        """Content hash: equal for equal definitions in the same folder."""
        return DefinitionHash(content_hash(self.to_json()))


def _sort_sets(data: dict[str, Any]) -> None:
    """A set has no order: sort it, so that equal definitions have equal hashes."""
    for step in (*data["steps"], *data["on_failure"], *data["finally_"]):
        step["retry"]["on"].sort()
        if step["pipeline"] is not None:
            _sort_sets(step["pipeline"])


_ADAPTER = TypeAdapter(Pipeline)
