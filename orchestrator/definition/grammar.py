"""The keys of a definition: the one description that the loader, the lint and the JSON Schema come from."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from orchestrator.definition import schedule
from orchestrator.definition.inputs import ENDING_PATTERN, AnyInput
from orchestrator.domain.durations import seconds
from orchestrator.errors import RetryClass

#: Names that expressions use, so without `-` and `.`.
NAME_PATTERN: Final = r"^[A-Za-z][A-Za-z0-9_]{0,63}$"
NAME_RULE: Final = "a name has letters, digits and _, a letter first, 64 at most"
PIPELINE_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
WEBHOOK_PATTERN: Final = r"^[A-Za-z0-9_-]{1,100}$"
#: What patterns mean: parameters' too, as far as they are usual.
RULES: Final[Mapping[str, str]] = {
    NAME_PATTERN: "has to be letters, digits and _, a letter first, 64 at most",
    PIPELINE_PATTERN: "has to be letters, digits, `.`, `_` and `-`, a letter or digit first, 100 at most",
    WEBHOOK_PATTERN: "has to be letters, digits, `_` and `-`, 100 at most",
    ENDING_PATTERN: "has to be a file name ending such as png",
    r"^https?://": "has to begin with http:// or https://",
}
#: Sections of steps, in the order in which they run: a step may use what earlier sections did.
SECTIONS: Final = ("steps", "on_failure", "finally")


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _items(value: Any) -> Any:
    if not isinstance(value, list) and not (isinstance(value, str) and "${{" in value):
        raise ValueError("has to be a list, or an expression whose value is one")
    return value


def _condition(value: Any) -> Any:
    return ("true" if value else "false") if isinstance(value, bool) else value


Name = Annotated[str, Field(pattern=NAME_PATTERN)]
Duration = Annotated[
    float,
    BeforeValidator(seconds),
    WithJsonSchema(
        {
            "description": "45s, 30m, 1h30m, 500ms, or a number of seconds",
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0},
                {"type": "string", "pattern": r"^([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+$"},
            ],
        }
    ),
]
Needs = Annotated[
    list[str],
    BeforeValidator(_listed),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
Fragments = Annotated[
    list[str] | None,
    BeforeValidator(_listed),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
Items = Annotated[Any, BeforeValidator(_items), WithJsonSchema({"type": ["string", "array"]})]
Condition = Annotated[str, BeforeValidator(_condition), WithJsonSchema({"type": ["string", "boolean"]})]


class Part(BaseModel):
    """A mapping of the definition: unknown keys are mistakes, values have the right type already."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class RetryPart(Part):
    """How often and how patiently a step is tried again."""

    attempts: int | None = Field(None, ge=1, le=100, description="Attempts in all, the first included.")
    backoff: Duration | None = Field(None, description="Before the second attempt; doubles each time.")
    on: list[Annotated[RetryClass, Field(strict=False)]] | None = Field(
        None, description="Retry classes of errors that are worth another attempt."
    )


class DefaultsPart(Part):
    """What holds for every step that does not say otherwise."""

    retry: RetryPart = Field(default_factory=RetryPart, description="As in a step.")
    timeout: Duration | None = Field(None, description="As in a step.")


class StepPart(Part):
    """One step."""

    extends: Fragments = Field(None, description="Fragments that are put under what stands here.")
    uses: str = Field(description="The step kind, such as asset.create.")
    with_: dict[str, Any] = Field(default_factory=dict, alias="with", description="The kind's parameters.")
    needs: Needs = Field(
        default_factory=list,
        description="Steps that have to be done before, besides those whose outputs are used.",
    )
    if_: Condition | None = Field(None, alias="if", description="The step is skipped unless this holds.")
    foreach: Items = Field(
        None,
        description="A list: the step is done once for each item, known as `item` (and its `index`) in `with`.",
    )
    max_parallel: int | None = Field(None, ge=1, description="Items of `foreach` under way at once.")
    retry: RetryPart = Field(
        default_factory=RetryPart, description="How often and how patiently to try again."
    )
    timeout: Duration | None = Field(
        None, description="For the whole step, waiting included; with `foreach`, for each item."
    )
    continue_on_error: bool = Field(False, description="Whether the run goes on when the step fails.")


class RowsPart(Part):
    """A table whose rows become child runs."""

    from_: str | None = Field(
        None,
        alias="from",
        min_length=1,
        description="The table, relative to the definition: .csv, .tsv, .txt (any usual delimiter and encoding), .xlsx or .jsonl.",
    )
    sheet: str | None = Field(
        None,
        min_length=1,
        description="Of a workbook: the sheet with the rows; the first one that is not hidden.",
    )
    name: str | None = Field(None, min_length=1, description="Name of a row's run, such as ${{ row.sku }}.")


class ConcurrencyPart(Part):
    """How much runs side by side."""

    group: str | None = Field(
        None,
        min_length=1,
        description="Runs of one group share its places, whatever file or table they are of; may use inputs and row.",
    )
    limit: int | None = Field(
        None, ge=1, description="Rows under way at once; with `group`: runs of the group (1 if left out)."
    )


class FilesTrigger(Part):
    """A run for each new file of a folder."""

    path: str = Field(min_length=1, description="The watched folder, relative to the definition.")
    pattern: str = Field("*", min_length=1, description="File names that count, such as *.csv.")


class ScheduleTrigger(Part):
    """A run at certain times."""

    cron: Annotated[str, BeforeValidator(schedule.cron)] = Field(
        min_length=1, description="Minute, hour, day, month, weekday: 0 9 * * 1-5."
    )
    timezone: Annotated[str, BeforeValidator(schedule.timezone)] = Field(
        "UTC", min_length=1, description="The time zone that `cron` speaks of, such as Europe/Berlin."
    )


class WebhookTrigger(Part):
    """A run for each call of a webhook."""

    path: str = Field(pattern=WEBHOOK_PATTERN, description="Last part of the address: /hooks/PATH.")


class TriggersPart(Part):
    """What starts runs."""

    files: FilesTrigger | None = None
    schedule: ScheduleTrigger | None = None
    webhook: WebhookTrigger | None = None


Steps = dict[Name, StepPart]


class PipelinePart(Part):
    """A MetaStudio pipeline definition."""

    pipeline: str = Field(pattern=PIPELINE_PATTERN, description="Name of the pipeline.")
    description: str = Field("", description="What it makes.")
    inputs: dict[Name, AnyInput] = Field(default_factory=dict, description="What a run has to be given.")
    rows: RowsPart | None = Field(None, description="A table: one child run for each row.")
    on: TriggersPart = Field(default_factory=TriggersPart, description="What starts runs.")
    concurrency: ConcurrencyPart = Field(
        default_factory=ConcurrencyPart, description="How much runs side by side."
    )
    defaults: DefaultsPart = Field(default_factory=DefaultsPart, description="What holds for every step.")
    fragments: dict[str, Any] = Field(
        default_factory=dict,
        description="Mappings that steps take in with `extends: NAME`; `from`: a file with more of them, or a list.",
    )
    steps: Steps = Field(
        min_length=1, description="The work. Steps run side by side unless one uses another."
    )
    on_failure: Steps = Field(default_factory=dict, description="Steps for a run that failed.")
    outputs: dict[Name, Any] = Field(default_factory=dict, description="What the run hands back.")
    finally_: Steps = Field(
        default_factory=dict, alias="finally", description="Steps at the end of every run."
    )
