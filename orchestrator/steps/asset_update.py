"""`asset.update`: name, description, tags, state of an asset."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field, model_validator

from orchestrator.metastudio import operations
from orchestrator.metastudio.models.digital_asset import UpdateDigitalAssetRequestBody
from orchestrator.steps.base import Done, StepContext, StepKind
from orchestrator.steps.parts import part_of

Tags = list[Annotated[str, Field(min_length=1, max_length=128)]]


class AssetUpdateParams(UpdateDigitalAssetRequestBody):
    asset_id: str = Field(min_length=1)
    add_tags: Tags = Field(
        default=[], description="put beside the tags that the asset has; not together with tags"
    )
    remove_tags: Tags = Field(default=[], description="taken off, if it has them; not together with tags")

    @model_validator(mode="after")
    def _one_way_to_change_tags(self) -> "AssetUpdateParams":
        if self.tags is not None and (self.add_tags or self.remove_tags):
            raise ValueError("tags replaces all tags: leave it out, or add_tags and remove_tags")
        return self


class AssetUpdate(StepKind[AssetUpdateParams]):
    """What is not given stays as it is. `tags` replaces all tags; `add_tags` and `remove_tags` change them, for which the
    asset is looked at first. May be repeated: it sets the same again.
    """

    name = "asset.update"
    summary = "Change an asset's name, description, tags or state"
    params = AssetUpdateParams
    outputs = frozenset({"asset_id", "asset_name", "asset_state", "tags"})

    def calls(self, given: Mapping[str, Any]) -> Mapping[str, float]:
        """One more when tags are added or removed."""
        looks = bool(given.get("add_tags") or given.get("remove_tags"))
        return {"update_digital_asset": 1, **({"show_asset": 1} if looks else {})}

    async def act(self, params: AssetUpdateParams, ctx: StepContext) -> Done:
        """Reference 4.1.3; 4.1.5 for the tags that the asset has."""
        body, path = part_of(params, UpdateDigitalAssetRequestBody), {"asset_id": params.asset_id}
        if params.add_tags or params.remove_tags:
            shown = await ctx.call(operations.show_asset, path=path)
            tags = changed(shown.tags or (), params.add_tags, params.remove_tags)
            # Validated again: the sum of the tags may be too many.
            body = UpdateDigitalAssetRequestBody.model_validate({**dict(body), "tags": tags})
        asset = await ctx.call(operations.update_digital_asset, path=path, body=body)
        return Done(
            {
                "asset_id": params.asset_id,
                "asset_name": asset.asset_name,
                "asset_state": asset.asset_state,
                "tags": list(asset.tags or ()),
            }
        )


def changed(tags: Sequence[str], added: Sequence[str], removed: Sequence[str]) -> list[str]:
    """The tags in their order, those removed left out, new ones behind, none twice."""
    gone = set(removed)
    return [tag for tag in dict.fromkeys([*tags, *added]) if tag not in gone]
