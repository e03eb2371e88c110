"""`asset.restore`: an asset out of the recycle bin."""

from pydantic import Field

from orchestrator.metastudio import operations
from orchestrator.steps.base import Done, Parameters, StepContext, StepKind


class AssetRestoreParams(Parameters):
    asset_id: str = Field(min_length=1)


class AssetRestore(StepKind[AssetRestoreParams]):
    """An asset that is not in the recycle bin is left as it is, so this may be repeated."""

    name = "asset.restore"
    summary = "Take an asset out of the recycle bin"
    params = AssetRestoreParams
    outputs = frozenset({"asset_id", "asset_state"})
    operations = ("show_asset", "restore_asset", "show_asset")

    async def act(self, params: AssetRestoreParams, ctx: StepContext) -> Done:
        """Reference 4.1.6; 4.1.5 before and after."""
        path = {"asset_id": params.asset_id}
        asset = await ctx.call(operations.show_asset, path=path)
        if asset.asset_state == "DELETING":
            await ctx.call(operations.restore_asset, path=path)
            asset = await ctx.call(operations.show_asset, path=path)
        return Done({"asset_id": params.asset_id, "asset_state": asset.asset_state})
