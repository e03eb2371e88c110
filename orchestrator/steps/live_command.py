"""`live.command`: a command to a running livestream."""

from typing import Any

from pydantic import Field

from orchestrator.metastudio import operations
from orchestrator.metastudio.models.base import ResponseModel
from orchestrator.metastudio.models.live_task import ControlSmartLiveReq
from orchestrator.metastudio.withheld import without_withheld
from orchestrator.steps.adoption import ADOPTIONS, Adopting, Adoption
from orchestrator.steps.base import Done, StepContext
from orchestrator.steps.parts import part_of
from orchestrator.steps.traces import Sent


class LiveCommandParams(ControlSmartLiveReq):
    room_id: str = Field(min_length=1)
    job_id: str = Field(min_length=1)


class LiveCommand(Adopting[LiveCommandParams]):
    """Its `params` are checked before it is sent. `command_id` names what INSERT_PLAY_SCRIPT and INSERT_PLAY_AUDIO have put
    in: `live.on_event` waits for the end of it. `result` is what a command that asks brought, without addresses and keys. An
    insertion whose answer was lost is never repeated without a person, for it might be spoken twice; all others are.
    """

    name = "live.command"
    summary = "Send a command to a running livestream"
    params = LiveCommandParams
    outputs = frozenset({"command_id", "result"})
    operations = ("execute_smart_live_command",)

    def creating(self, params: LiveCommandParams) -> tuple[Adoption, Sent] | None:
        """Reference 6.2.5, 11.5."""
        row, body = ADOPTIONS["execute_smart_live_command"], part_of(params, ControlSmartLiveReq)
        if row.repeatable is not None and row.repeatable(body):
            return None
        return row, Sent(body, _path(params))

    async def act(self, params: LiveCommandParams, ctx: StepContext) -> Done:
        """Reference 6.2.5, 11.5."""
        from orchestrator.metastudio import live  # noqa: PLC0415 - loads the models of live rooms, for those who use it

        body = part_of(params, ControlSmartLiveReq)
        call = ctx.call if self.creating(params) is None else ctx.create
        answer = await call(operations.execute_smart_live_command, path=_path(params), body=body)
        return Done({"command_id": answer.command_id, "result": _plain(live.read_result(answer))})


def _path(params: LiveCommandParams) -> dict[str, str]:
    return {"room_id": params.room_id, "job_id": params.job_id}


def _plain(result: Any) -> Any:
    if isinstance(result, ResponseModel):
        result = result.model_dump(mode="json", by_alias=True, exclude_none=True)
    return without_withheld(result)
