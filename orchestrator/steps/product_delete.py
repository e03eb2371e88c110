"""`product.delete`: a product, not its assets."""

from pydantic import Field

from orchestrator.metastudio import operations
from orchestrator.steps.base import Done, Parameters, StepContext, StepKind
from orchestrator.steps.deletion import delete


class ProductDeleteParams(Parameters):
    product_id: str = Field(min_length=1)


class ProductDelete(StepKind[ProductDeleteParams]):
    """The assets of its portfolio stay. May be repeated: what an earlier attempt has deleted is done."""

    name = "product.delete"
    summary = "Delete a product"
    params = ProductDeleteParams
    outputs = frozenset({"product_id"})
    operations = ("delete_product",)

    async def act(self, params: ProductDeleteParams, ctx: StepContext) -> Done:
        """Reference 6.3.5."""
        await delete(ctx, operations.delete_product, path={"product_id": params.product_id})
        return Done({"product_id": params.product_id})
