"""`asset.wait`: until an asset is usable (reviewed, transcoded, parsed)."""

from orchestrator.errors import RetryClass
from orchestrator.metastudio import operations
from orchestrator.metastudio.models.digital_asset import DigitalAssetInfo
from orchestrator.steps.base import Done, Parameters, StepContext, StepError, StepKind, Waiting

_CHECK_EVERY_S = 5.0


class AssetWaitParams(Parameters):
    asset_id: str


class AssetWait(StepKind[AssetWaitParams]):
    """Asks every few seconds: the API reports no event for assets."""

    name = "asset.wait"
    summary = "Wait until an asset is active"
    params = AssetWaitParams
    outputs = frozenset({"asset_id", "state"})
    operations = ("show_asset",)

    async def act(self, params: AssetWaitParams, ctx: StepContext) -> Done | Waiting:
        """Done at once when the asset is active already."""
        done = await self.check(params, ctx, params.asset_id)
        return done or Waiting(params.asset_id, check_after_s=_CHECK_EVERY_S, poll=False)

    async def check(self, params: AssetWaitParams, ctx: StepContext, correlation: str) -> Done | None:
        """Reference 4.1.5; the states are those of table 4-118."""
        asset = await ctx.call(operations.show_asset, path={"asset_id": correlation})
        refuse_unusable(correlation, asset)
        if asset.asset_state != "ACTIVED":
            return None
        return Done({"asset_id": params.asset_id, "state": "ACTIVED"})


def refuse_unusable(asset_id: str, asset: DigitalAssetInfo) -> None:
    """Raises StepError for an asset that will not become usable any more. Reference 4.1.5, table 4-118."""
    if asset.asset_state in {"FAILED", "BLOCK", "DELETED", "DELETING"}:
        raise StepError(
            f"Asset {asset_id} is {asset.asset_state}{f': {asset.reason}' if asset.reason else ''}.",
            hint="See the asset in the MetaStudio console; a rejected file has to be replaced.",
            code=asset.fail_type or str(asset.asset_state),
            retry=RetryClass.NEVER,
        )
