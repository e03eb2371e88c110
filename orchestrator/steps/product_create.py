"""`product.create`: a product with its texts and assets."""

from orchestrator.metastudio import operations
from orchestrator.metastudio.models.live_product import CreateProductRequestBody
from orchestrator.steps.adoption import ADOPTIONS, Adopting, Adoption
from orchestrator.steps.base import Done, StepContext
from orchestrator.steps.traces import Sent


class ProductCreate(Adopting[CreateProductRequestBody]):
    """Adopted by a tag of its own, the first 16 characters of the key, which no other run writes. Its assets have to be active:
    let it need the steps that wait for them.
    """

    name = "product.create"
    summary = "Create a product with its portfolio"
    params = CreateProductRequestBody
    outputs = frozenset({"product_id"})
    operations = ("create_product",)

    def creating(self, params: CreateProductRequestBody) -> tuple[Adoption, Sent]:
        """Reference 6.3.1."""
        return ADOPTIONS["create_product"], Sent(params)

    async def act(self, params: CreateProductRequestBody, ctx: StepContext) -> Done:
        """One create call. Reference 6.3.1."""
        row, sent = self.creating(params)
        created = await ctx.create(operations.create_product, body=row.keyed(sent, ctx))
        return Done({"product_id": created.product_id})
