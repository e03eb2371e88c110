"""`live.rules`: a library of interaction rules."""

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from orchestrator.metastudio import operations
from orchestrator.steps.adoption import ADOPTIONS, Adopting, Adoption
from orchestrator.steps.base import Done, StepContext
from orchestrator.steps.traces import Sent

if TYPE_CHECKING:
    from orchestrator.steps.bodies.live_room import LiveRulesParams


class LiveRules(Adopting["LiveRulesParams"]):
    """A library holds rules for many rooms: a rule of a room names it in `group_id`. With `group_id` here, that library gets
    these rules. A new one is adopted by the index of its first rule.
    """

    name = "live.rules"
    summary = "Create a library of interaction rules, or change one"
    outputs = frozenset({"group_id"})

    @cached_property
    def params(self) -> type["LiveRulesParams"]:
        """As the create call takes it, and `group_id`."""
        from orchestrator.steps.bodies.live_room import LiveRulesParams  # noqa: PLC0415 - only who uses it loads it

        return LiveRulesParams

    def calls(self, given: Mapping[str, Any]) -> Mapping[str, float]:
        """One or the other."""
        changes = "group_id" in given
        return {"update_interaction_rule_group" if changes else "create_interaction_rule_group": 1}

    def creating(self, params: "LiveRulesParams") -> tuple[Adoption, Sent] | None:
        """Reference 6.1.6; a change (6.1.8) sets the same again."""
        if params.group_id is not None:
            return None
        return ADOPTIONS["create_interaction_rule_group"], Sent(params.group)

    async def act(self, params: "LiveRulesParams", ctx: StepContext) -> Done:
        """Reference 6.1.6, 6.1.8."""
        creating = self.creating(params)
        if creating is None:
            group_id, body = str(params.group_id), params.group
            await ctx.call(operations.update_interaction_rule_group, path={"group_id": group_id}, body=body)
            return Done({"group_id": group_id})
        row, sent = creating
        created = await ctx.create(operations.create_interaction_rule_group, body=row.keyed(sent, ctx))
        return Done({"group_id": created.group_id})
