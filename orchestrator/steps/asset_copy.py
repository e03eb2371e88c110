"""`asset.copy`: an asset from one region to another."""

from collections.abc import Mapping
from typing import Any, Final, Literal

import structlog
from pydantic import Field, model_validator

from orchestrator.errors import RetryClass, UsageError
from orchestrator.metastudio import operations
from orchestrator.metastudio.client import MetaStudio
from orchestrator.metastudio.errors import NotFound
from orchestrator.metastudio.models.digital_asset import DigitalAssetInfo, ReplicationAssetInfo
from orchestrator.steps.base import Done, Found, Parameters, StepContext, StepError, StepKind, Waiting

_CHECK_EVERY_S: Final = 2.0
_DEAD: Final = frozenset({"FAILED", "BLOCK", "DELETING", "DELETED"})

Region = Literal["cn-north-4", "cn-east-3", "ap-southeast-3"]

log = structlog.get_logger(__name__)


class AssetCopyParams(Parameters):
    asset_id: str = Field(min_length=1)
    to_region: Region | None = Field(default=None, description="the pipeline's own when left out")
    from_region: Region | None = Field(default=None, description="the pipeline's own when left out")

    @model_validator(mode="after")
    def _from_here_to_there(self) -> "AssetCopyParams":
        if self.to_region is None and self.from_region is None:
            raise ValueError("to_region or from_region is needed: the other one is the pipeline's own region")
        if self.to_region == self.from_region:
            raise ValueError("to_region and from_region are the same")
        return self


class AssetCopy(StepKind[AssetCopyParams]):
    """Asks the one region for the ticket, hands it to the other, and waits until the copy can be used. The ticket is a secret
    that no other step sees.

    The copy has the asset's id. An asset that the other region has already is not copied again, and `copied` is false: so a
    lost answer, or a run that is repeated, makes no second copy. Each region has an address and a project of its own, see
    `regions` among the settings.
    """

    name = "asset.copy"
    summary = "Copy an asset to another region"
    params = AssetCopyParams
    outputs = frozenset({"asset_id", "asset_name", "asset_type", "region", "state", "copied"})
    operations = (
        "show_asset",
        "show_asset_replication_info",
        "create_asset_by_replication_info",
        "show_asset",
    )

    async def act(self, params: AssetCopyParams, ctx: StepContext) -> Done | Waiting:
        """Reference 4.1.9, 4.1.10. What is there already needs no ticket."""
        source, target = await _client(params.from_region, ctx), await _client(params.to_region, ctx)
        if source.region == target.region:
            raise StepError(
                f"The asset would be copied from {source.region} to itself.",
                hint="Name another region in to_region.",
                code="SAME_REGION",
            )
        copy = await _shown(target, params.asset_id, ctx)
        if copy is not None:
            return _done(copy, params, target, ctx) or _waits(params)
        path = {"asset_id": params.asset_id}
        ticket = await source.call(
            operations.show_asset_replication_info, path=path, order=ctx.order, label=ctx.label
        )
        await ctx.note({"copied": True})
        body = ReplicationAssetInfo.model_validate(
            ticket.model_dump(include=set(ReplicationAssetInfo.model_fields), exclude_none=True)
        )
        await target.call(
            operations.create_asset_by_replication_info,
            body=body,
            order=ctx.order,
            label=ctx.label,
            before_send=ctx.sent,
        )
        log.info("asset is being copied", asset_id=params.asset_id, to_region=target.region)
        return _waits(params)

    async def find(self, params: AssetCopyParams, ctx: StepContext) -> Found | None:
        """The copy has the asset's id, which nothing else has: looked up by it in the other region. Reference 4.1.5."""
        target = await _client(params.to_region, ctx)
        copy = await _shown(target, params.asset_id, ctx)
        # Without outputs: the next attempt goes on with the copy, which may still be on its way.
        return None if copy is None else Found(facts={"copied": True})

    async def check(self, params: AssetCopyParams, ctx: StepContext, correlation: str) -> Done | None:
        """Reference 4.1.5, in the other region."""
        target = await _client(params.to_region, ctx)
        copy = await _shown(target, correlation, ctx)
        return None if copy is None else _done(copy, params, target, ctx)


def _waits(params: AssetCopyParams) -> Waiting:
    return Waiting(params.asset_id, check_after_s=_CHECK_EVERY_S, poll=False)


async def _client(region: str | None, ctx: StepContext) -> MetaStudio:
    own = ctx.around.api
    if region is None or region == own.region:
        return own
    if ctx.around.api_in is None:
        raise StepError(f"There is no way to call the region {region}.", code="NO_REGION")
    try:
        return await ctx.around.api_in(region)
    except UsageError as error:
        raise StepError(error.message, hint=error.hint, code="NO_REGION") from error


async def _shown(target: MetaStudio, asset_id: str, ctx: StepContext) -> DigitalAssetInfo | None:
    path: Mapping[str, Any] = {"asset_id": asset_id}
    try:
        asset = await target.call(operations.show_asset, path=path, order=ctx.order, label=ctx.label)
    except NotFound:
        return None
    if asset.asset_id != asset_id:
        message = f"The answer of {target.region} is not about the asset that was asked for."
        raise StepError(message, code="BAD_ANSWER", retry=RetryClass.LATER)
    return asset


def _done(
    copy: DigitalAssetInfo, params: AssetCopyParams, target: MetaStudio, ctx: StepContext
) -> Done | None:
    if copy.asset_state in _DEAD:
        raise StepError(
            f"In {target.region} the asset {params.asset_id} is {copy.asset_state}"
            f"{f': {copy.reason}' if copy.reason else ''}.",
            hint="An asset in the recycle bin can be restored there; one that failed has to be deleted there first.",
            code=str(copy.asset_state),
        )
    if copy.asset_state == "CREATING":
        return None
    return Done(
        {
            "asset_id": params.asset_id,
            "asset_name": copy.asset_name,
            "asset_type": copy.asset_type,
            "region": target.region,
            "state": copy.asset_state,
            "copied": bool(ctx.facts.get("copied")),
        }
    )
