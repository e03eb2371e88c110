"""`product.assets`: what a product's portfolio has, and has no more."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import Field, model_validator

from orchestrator.metastudio import operations
from orchestrator.metastudio.models.live_product import (
    ProductAssetRelation,
    ProductMediaInfo,
    ProductTextInfo,
)
from orchestrator.steps.base import Done, Parameters, StepContext, StepKind
from orchestrator.steps.traces import about_it

#: As many materials as `order` can tell apart (table 6-362).
_MOST: Final = 300


class ProductAssetsParams(Parameters):
    product_id: str = Field(min_length=1)
    link: list[ProductMediaInfo] = Field(
        default=[], max_length=_MOST, description="assets that the portfolio has to have"
    )
    unlink: list[Annotated[str, Field(min_length=1)]] = Field(
        default=[], max_length=_MOST, description="ids of assets that it must not have"
    )
    texts: list[ProductTextInfo] = Field(
        default=[], max_length=_MOST, description="texts that it has to have"
    )

    @model_validator(mode="after")
    def _says_what(self) -> "ProductAssetsParams":
        wanted = [item.asset_id for item in self.link]
        if not (self.link or self.unlink or self.texts):
            raise ValueError("link, unlink or texts is needed")
        if not all(wanted):
            raise ValueError("each item of link needs asset_id")
        if twice := sorted(set(filter(None, wanted)) & set(self.unlink)):
            raise ValueError(f"{', '.join(twice)} stands in link and in unlink")
        return self


class ProductAssets(StepKind[ProductAssetsParams]):
    """Looks at the product first and changes only what is not so yet, an asset or a text a call: so it may be repeated."""

    name = "product.assets"
    summary = "Put assets and texts into a product's portfolio, or take assets out"
    params = ProductAssetsParams
    outputs = frozenset({"product_id", "asset_ids", "linked", "unlinked"})

    def calls(self, given: Mapping[str, Any]) -> Mapping[str, float]:
        """A look before, one after, and one call for each asset and text."""
        lists = (given.get(name) for name in ("link", "unlink", "texts"))
        return {
            "show_product": 2,
            "set_product_asset": sum(len(one) if isinstance(one, list) else 0 for one in lists),
        }

    async def act(self, params: ProductAssetsParams, ctx: StepContext) -> Done:
        """Reference 6.3.6; 6.3.4 before and after."""
        path = {"product_id": params.product_id}
        product = await ctx.call(operations.show_product, path=path)
        about_it(product, **path)
        has = {item.asset_id for item in product.asset_list or ()}
        says = {(text.title, text.text) for text in product.text_list or ()}
        unlink = [asset_id for asset_id in dict.fromkeys(params.unlink) if asset_id in has]
        link = {item.asset_id: item for item in params.link if item.asset_id not in has}
        changes = [
            # What goes makes room for what comes.
            *(
                ProductAssetRelation(action="UNLINK", asset_item=ProductMediaInfo(asset_id=asset_id))
                for asset_id in unlink
            ),
            *(ProductAssetRelation(action="LINK", asset_item=item) for item in link.values()),
            *(
                ProductAssetRelation(action="LINK", text_item=text)
                for text in params.texts
                if (text.title, text.text) not in says
            ),
        ]
        for done, change in enumerate(changes):
            ctx.on_progress("materials", done, len(changes))
            await ctx.call(operations.set_product_asset, path=path, body=change)
        product = await ctx.call(operations.show_product, path=path)
        ids = [item.asset_id for item in product.asset_list or ()]
        return Done({**path, "asset_ids": ids, "linked": len(link), "unlinked": len(unlink)})
