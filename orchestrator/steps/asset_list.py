"""`asset.list`: the assets that fit, all pages of them, for a `foreach`."""

import math
from collections.abc import Mapping
from datetime import UTC, timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field

from orchestrator.domain.durations import seconds
from orchestrator.metastudio import operations
from orchestrator.metastudio.models.digital_asset import DigitalAssetInfo
from orchestrator.steps.base import Done, Parameters, StepContext, StepError, StepKind

AssetType = Literal[
    "HUMAN_MODEL",
    "VOICE_MODEL",
    "SCENE",
    "ANIMATION",
    "VIDEO",
    "IMAGE",
    "PPT",
    "MATERIAL",
    "HUMAN_MODEL_2D",
    "BUSINESS_CARD_TEMPLET",
    "MUSIC",
    "AUDIO",
]
AssetState = Literal["CREATING", "FAILED", "UNACTIVED", "ACTIVED", "DELETING", "BLOCK", "WAITING_DELETE"]

#: What of an asset becomes an item: little enough for thousands of them in a journal, and nothing that opens doors.
_KEPT: Final = (
    "asset_id",
    "asset_name",
    "asset_description",
    "asset_type",
    "asset_state",
    "create_time",
    "update_time",
)
_PAGE: Final = 100


def _duration(value: object) -> object:
    return value if value is None else seconds(value, years=100)


class AssetListParams(Parameters):
    tags: list[Annotated[str, Field(min_length=1, max_length=128)]] = Field(
        default=[], description="those that have each of these tags, capitals included"
    )
    name: str | None = Field(default=None, min_length=1, description="those with this in their name")
    asset_type: list[AssetType] = Field(default=[], description="of these types; of any when left out")
    asset_state: list[AssetState] = Field(
        default=["CREATING", "FAILED", "UNACTIVED", "ACTIVED", "BLOCK", "WAITING_DELETE"],
        description="in these states; in any but DELETING (the recycle bin) when left out",
    )
    asset_source: Literal["CUSTOMIZATION", "SYSTEM", "ALL"] = Field(
        default="CUSTOMIZATION", description="one's own, those of the platform, or both"
    )
    older_than: Annotated[float | None, BeforeValidator(_duration)] = Field(
        default=None, description="created so long before the run began, or earlier, such as 30d"
    )
    max_items: int = Field(default=1000, ge=1, le=5000, description="so many at most")
    overflow: Literal["fail", "cut"] = Field(
        default="fail", description="when there are more than max_items: fail, or hand on the oldest of them"
    )


class AssetList(StepKind[AssetListParams]):
    """Reads all pages before the next step begins, so that what is deleted meanwhile moves nothing under them. The oldest
    come first. An item has `asset_id`, `asset_name`, `asset_description`, `asset_type`, `asset_state`, `tags`, `create_time`
    and `update_time`.
    """

    name = "asset.list"
    summary = "List the assets that fit, for a foreach"
    params = AssetListParams
    outputs = frozenset({"items", "total", "cut"})

    def calls(self, given: Mapping[str, Any]) -> Mapping[str, float]:
        """At least a page; as many as `max_items` takes at most, and nobody knows beforehand."""
        most = given.get("max_items", 1)
        return {"list_assets": math.ceil(most / _PAGE) if isinstance(most, int) else 1}

    async def act(self, params: AssetListParams, ctx: StepContext) -> Done:
        """Reference 4.1.2. Raises StepError when more fit than `max_items` and `overflow` is `fail`."""
        found: dict[str, dict[str, Any]] = {}
        cut = False
        pages = ctx.around.api.pages(
            operations.list_assets, query=_query(params, ctx), limit=_PAGE, order=ctx.order, label=ctx.label
        )
        async for asset in pages:
            # The service compares parts of tags unless told otherwise, and deleting by a part of a tag would be a mishap.
            if not asset.asset_id or not set(params.tags) <= set(asset.tags or ()):
                continue
            if len(found) == params.max_items and asset.asset_id not in found:
                cut = True
                break
            found[asset.asset_id] = _item(asset)
        if cut and params.overflow == "fail":
            raise StepError(
                f"More than {params.max_items:,} assets fit.",
                hint="Narrow the filters, raise max_items, or take them in turns with `overflow: cut`.",
                code="TOO_MANY",
            )
        return Done({"items": list(found.values()), "total": len(found), "cut": cut})


def _query(params: AssetListParams, ctx: StepContext) -> dict[str, object]:
    query: dict[str, object] = {
        "asset_source": params.asset_source,
        "asset_state": params.asset_state,
        "sort_key": "create_time",
        "sort_dir": "asc",
    }
    if params.tags:
        query |= {"tag": ",".join(params.tags), "tag_combination_type": "INTERSECTION"}
    if params.name is not None:
        query["name"] = params.name
    if params.asset_type:
        query["asset_type"] = params.asset_type
    if params.older_than is not None:
        # Counted from the run's begin: an attempt that is made later finds the same.
        end = ctx.run_created_at - timedelta(seconds=params.older_than)
        query["end_time"] = end.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return query


def _item(asset: DigitalAssetInfo) -> dict[str, Any]:
    return {**{name: getattr(asset, name) for name in _KEPT}, "tags": list(asset.tags or ())}
