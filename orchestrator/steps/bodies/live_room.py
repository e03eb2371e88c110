"""What `live.room` and `live.rules` take."""

from pydantic import Field

from orchestrator.metastudio.models.live_room import CreateSmartLiveRoomReq, InteractionRuleGroup


class LiveRoomParams(CreateSmartLiveRoomReq):
    room_id: str | None = Field(
        default=None,
        min_length=1,
        description="changes this room instead of making one; what is left out here the room then has not",
    )

    @property
    def room(self) -> CreateSmartLiveRoomReq:
        """What the API takes."""
        return CreateSmartLiveRoomReq.model_validate(self.model_dump(exclude={"room_id"}, exclude_none=True))


class LiveRulesParams(InteractionRuleGroup):
    group_id: str | None = Field(
        default=None, min_length=1, description="changes this library instead of making one"
    )

    @property
    def group(self) -> InteractionRuleGroup:
        """What the API takes."""
        return InteractionRuleGroup.model_validate(self.model_dump(exclude={"group_id"}, exclude_none=True))
