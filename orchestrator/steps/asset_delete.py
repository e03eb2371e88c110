"""`asset.delete`: an asset into the recycle bin, or away for good."""

from typing import Literal

from pydantic import Field

from orchestrator.metastudio import operations
from orchestrator.metastudio.errors import NotFound
from orchestrator.steps.base import Done, Parameters, StepContext, StepKind
from orchestrator.steps.deletion import delete


class AssetDeleteParams(Parameters):
    asset_id: str = Field(min_length=1)
    mode: Literal["recycle", "force"] = Field(
        default="recycle",
        description="recycle: into the recycle bin, from which asset.restore takes it; force: for good",
    )
    ignore_missing: bool = Field(default=False, description="true: an asset that is not there is no mistake")


class AssetDelete(StepKind[AssetDeleteParams]):
    """Goes into the recycle bin unless `mode` is `force`. May be repeated: what an earlier attempt has deleted is done."""

    name = "asset.delete"
    summary = "Delete an asset"
    params = AssetDeleteParams
    outputs = frozenset({"asset_id", "deleted"})
    operations = ("delete_asset",)

    async def act(self, params: AssetDeleteParams, ctx: StepContext) -> Done:
        """Reference 4.1.4. `deleted` is false when it was not there and that is no mistake."""
        query = {"mode": "force"} if params.mode == "force" else {}
        try:
            await delete(ctx, operations.delete_asset, path={"asset_id": params.asset_id}, query=query)
        except NotFound:
            if not params.ignore_missing:
                raise
            return Done({"asset_id": params.asset_id, "deleted": False})
        return Done({"asset_id": params.asset_id, "deleted": True})
