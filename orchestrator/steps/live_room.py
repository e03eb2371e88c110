"""`live.room`: a live room, what is spoken in it and what it replies."""

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from orchestrator.metastudio import operations
from orchestrator.steps.adoption import ADOPTIONS, Adopting, Adoption
from orchestrator.steps.base import Done, StepContext
from orchestrator.steps.traces import Sent

if TYPE_CHECKING:
    from orchestrator.steps.bodies.live_room import LiveRoomParams


class LiveRoom(Adopting["LiveRoomParams"]):
    """With `room_id` the room of that id is replaced by what the step says, else one is made. Names of rooms are unique.
    A new room is adopted by `priv_data`, which the service gives back as it got it.
    """

    name = "live.room"
    summary = "Create a live room with its scripts and interaction rules, or change one"
    outputs = frozenset({"room_id"})

    @cached_property
    def params(self) -> type["LiveRoomParams"]:
        """As the create call takes it, and `room_id`."""
        from orchestrator.steps.bodies.live_room import LiveRoomParams  # noqa: PLC0415 - only who uses it loads it

        return LiveRoomParams

    def calls(self, given: Mapping[str, Any]) -> Mapping[str, float]:
        """One or the other."""
        return {"update_smart_live_room" if "room_id" in given else "create_smart_live_room": 1}

    def creating(self, params: "LiveRoomParams") -> tuple[Adoption, Sent] | None:
        """Reference 6.1.1; a change (6.1.4) sets the same again."""
        if params.room_id is not None:
            return None
        return ADOPTIONS["create_smart_live_room"], Sent(params.room)

    async def act(self, params: "LiveRoomParams", ctx: StepContext) -> Done:
        """Reference 6.1.1, 6.1.4."""
        creating = self.creating(params)
        if creating is None:
            room_id = str(params.room_id)
            await ctx.call(operations.update_smart_live_room, path={"room_id": room_id}, body=params.room)
            return Done({"room_id": room_id})
        row, sent = creating
        created = await ctx.create(operations.create_smart_live_room, body=row.keyed(sent, ctx))
        return Done({"room_id": created.room_id})
