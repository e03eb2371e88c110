"""`api.<operation>`: any operation of the API as a step."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final

from pydantic import BaseModel, create_model

from orchestrator.metastudio.models.base import RequestModel
from orchestrator.metastudio.operations import OPERATIONS, AnyOperation
from orchestrator.metastudio.withheld import is_withheld_name, without_withheld
from orchestrator.steps.adoption import ADOPTIONS, Adopting, Adoption
from orchestrator.steps.base import Done, StepContext, StepKind
from orchestrator.steps.deletion import delete
from orchestrator.steps.traces import Sent

PREFIX: Final = "api."
#: Kinds of their own, which do more than the call or are easier to write, by the operation that they call.
ADOPTING: Final[Mapping[str, str]] = {
    "create_digital_asset": "asset.create",
    "create_file": "file.upload",
    "create_large_file": "file.upload",
    "create_video_scripts": "script.create",
    "create2_d_digital_human_video": "video.produce",
    "create2d_model_training_job": "avatar.train",
    "create_training_basic_job": "voice.train",
    "create_training_middle_job": "voice.train",
    "create_training_advance_job": "voice.train",
    "create_tts_audition": "speech.preview",
    "update_digital_asset": "asset.update",
    "delete_asset": "asset.delete",
    "restore_asset": "asset.restore",
    "list_assets": "asset.list",
    "show_asset_replication_info": "asset.copy",
    "create_asset_by_replication_info": "asset.copy",
    "create_smart_live_room": "live.room",
    "update_smart_live_room": "live.room",
    "create_interaction_rule_group": "live.rules",
    "update_interaction_rule_group": "live.rules",
    "start_smart_live": "live.start",
    "stop_smart_live": "live.stop",
    "execute_smart_live_command": "live.command",
    "live_event_report": "live.report",
    "create_product": "product.create",
    "set_product_asset": "product.assets",
    "delete_product": "product.delete",
}


class ApiOperation(Adopting[BaseModel]):
    """One call. Parameters are those of the path, of the query and the fields of the body, side by side; outputs are
    the answer's fields without presigned URLs and secrets.

    What is left out can't be handed to another step, such as the `encryption_info` of `show_asset_replication_info`, which
    `create_asset_by_replication_info` needs: `asset.copy` makes both calls in one step. `orchestrator api call` prints answers
    whole.

    A call that reads, changes or deletes is repeated as the step's `retry` says. One that creates leaves a mark in what it
    makes, by which that is found and taken over when the answer was lost. Where no mark serves, it is never repeated
    without a person. [Adoption](adoption.md) tells which is which.
    """

    def __init__(self, operation: AnyOperation) -> None:
        self.operation = operation
        self.name = PREFIX + operation.id
        adopting = ADOPTING.get(operation.id)
        self.summary = operation.summary + (f" (see also `{adopting}`)" if adopting else "")
        row = ADOPTIONS.get(operation.id)
        self.where_to_look = StepKind.where_to_look if row is None else row.where

    @cached_property
    def params(self) -> type[BaseModel]:
        """The body's model with the parameters beside its fields: its constraints and conditions hold."""
        from orchestrator.metastudio.parameters import PARAMETERS  # noqa: PLC0415 - only who uses it loads it

        models: list[type[BaseModel]] = [
            model
            for model in (self.operation.request, PARAMETERS.get(self.operation.id))
            if model is not None
        ]
        about = f"Reference {self.operation.section}."
        return create_model(self.name, __base__=tuple(models) or RequestModel, __doc__=about)

    @cached_property
    def outputs(self) -> frozenset[str]:
        """The answer's fields that are not withheld by their names."""
        return frozenset(name for name in _fields(self.operation.response) if not is_withheld_name(name))

    def calls(self, given: Mapping[str, Any]) -> Mapping[str, float]:
        """The one call."""
        del given
        return {self.operation.id: 1}

    def creating(self, params: BaseModel) -> tuple[Adoption, Sent] | None:
        """As the operation's row says; None for what reads, changes or deletes."""
        row = ADOPTIONS.get(self.operation.id)
        if row is None:
            return None
        arguments = self._arguments(params)
        if row.repeatable is not None and row.repeatable(arguments["body"]):
            return None
        return row, Sent(arguments["body"], arguments["path"])

    async def act(self, params: BaseModel, ctx: StepContext) -> Done:
        """One call of the operation, at its section of the reference."""
        arguments, creating = self._arguments(params), self.creating(params)
        if creating is not None:
            row, sent = creating
            answer = await ctx.create(self.operation, **{**arguments, "body": row.keyed(sent, ctx)})
        elif self.operation.method == "DELETE":
            answer = await delete(ctx, self.operation, **arguments)
        else:
            answer = await ctx.call(self.operation, **arguments)
        return Done(self._outputs(answer))

    def _arguments(self, params: BaseModel) -> dict[str, Any]:
        given = {name: getattr(params, name) for name in params.model_fields_set}
        given = {name: value for name, value in given.items() if value is not None}
        operation = self.operation
        path = {name: given.pop(name) for name in operation.path_names}
        query = {name: given.pop(name) for name in operation.query if name in given}
        body = None
        if operation.request is not None and (given or operation.request_required):
            body = operation.request.model_validate(given)
        return {"path": path, "query": query, "body": body}

    def _outputs(self, answer: BaseModel | None) -> dict[str, Any]:
        """Every known field, None where the answer has none, and those that the reference doesn't know."""
        if answer is None:
            return {}
        said = answer.model_dump(mode="json", by_alias=True, exclude_none=True)
        return {**dict.fromkeys(self.outputs), **without_withheld(said)}


def _fields(model: type[BaseModel] | None) -> list[str]:
    if model is None:
        return []
    return [field.serialization_alias or name for name, field in model.model_fields.items()]


KINDS: Final = tuple(ApiOperation(operation) for operation in OPERATIONS.values())
