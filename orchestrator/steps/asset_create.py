"""`asset.create`: an asset to put files into."""

from orchestrator.metastudio import operations
from orchestrator.metastudio.models.digital_asset import CreateDigitalAssetRequestBody
from orchestrator.steps.base import Done, Found, StepContext, StepKind

_GONE = frozenset({"DELETING", "DELETED"})


class AssetCreate(StepKind[CreateDigitalAssetRequestBody]):
    """Adopted by a tag of its own: the list call filters by tag, and no other run writes that one."""

    name = "asset.create"
    summary = "Create an asset"
    params = CreateDigitalAssetRequestBody
    outputs = frozenset({"asset_id"})

    async def act(self, params: CreateDigitalAssetRequestBody, ctx: StepContext) -> Done:
        """One create call. Reference 4.1.1."""
        body = params.model_copy(update={"tags": [*(params.tags or ()), ctx.key]})
        created = await ctx.create(operations.create_digital_asset, body=body)
        return Done({"asset_id": created.asset_id})

    async def find(self, params: CreateDigitalAssetRequestBody, ctx: StepContext) -> Found | None:
        """The oldest asset with the run's tag; the list matches substrings, so compare whole. Reference 4.1.2."""
        del params
        found = [
            asset
            async for asset in ctx.around.api.pages(
                operations.list_assets,
                query={"tag": ctx.key, "asset_source": "CUSTOMIZATION"},
                order=ctx.order,
            )
            if ctx.key in (asset.tags or ()) and asset.asset_state not in _GONE
        ]
        if not found:
            return None
        return Found({"asset_id": min(found, key=lambda asset: asset.create_time or "").asset_id})
