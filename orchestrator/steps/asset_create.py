"""`asset.create`: an asset to put files into."""

from orchestrator.metastudio import operations
from orchestrator.metastudio.models.digital_asset import CreateDigitalAssetRequestBody
from orchestrator.steps.adoption import ADOPTIONS, Adopting, Adoption
from orchestrator.steps.base import Done, StepContext
from orchestrator.steps.traces import Sent


class AssetCreate(Adopting[CreateDigitalAssetRequestBody]):
    """Adopted by a tag of its own: the list call filters by tag, and no other run writes that one."""

    name = "asset.create"
    summary = "Create an asset"
    params = CreateDigitalAssetRequestBody
    outputs = frozenset({"asset_id"})
    operations = ("create_digital_asset",)

    def creating(self, params: CreateDigitalAssetRequestBody) -> tuple[Adoption, Sent]:
        """Reference 4.1.1."""
        return ADOPTIONS["create_digital_asset"], Sent(params)

    async def act(self, params: CreateDigitalAssetRequestBody, ctx: StepContext) -> Done:
        """One create call. Reference 4.1.1."""
        row, sent = self.creating(params)
        created = await ctx.create(operations.create_digital_asset, body=row.keyed(sent, ctx))
        return Done({"asset_id": created.asset_id})
