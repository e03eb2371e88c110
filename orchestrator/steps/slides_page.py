"""`slides.page`: the picture of one slide as an asset that can stand behind an avatar."""

import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pydantic import Field

from orchestrator.errors import RetryClass
from orchestrator.metastudio import operations
from orchestrator.metastudio.models.digital_asset import CreateDigitalAssetRequestBody
from orchestrator.steps.asset_of_file import OPERATIONS, asset_of_file, find_asset_of_file
from orchestrator.steps.base import Done, Found, Parameters, StepContext, StepError, StepKind
from orchestrator.steps.traces import about_it

_NAME_LENGTH = 256


class Page(Parameters):
    number: int = Field(ge=1)
    title: str = ""
    notes: str = ""
    text: str = ""
    image: str | None = Field(default=None, description="a picture of its own, on this machine")
    deck_id: str | None = Field(default=None, description="the deck's asset, where the service has made one")
    file_id: str | None = Field(default=None, description="the picture among the deck's files")


class SlidesPageParams(Parameters):
    page: Page = Field(description='one of the pages of slides.upload: "${{ item }}"')
    asset_name: str | None = Field(
        default=None, min_length=1, max_length=_NAME_LENGTH, description="default: Slide 3: its title"
    )


class SlidesPage(StepKind[SlidesPageParams]):
    """A scene's background is an asset of the type IMAGE (table 5-13), so the page becomes one."""

    name = "slides.page"
    summary = "Make the picture of one slide a background"
    params = SlidesPageParams
    outputs = frozenset({"asset_id", "number", "title", "notes", "text"})
    operations = ("show_asset", *OPERATIONS)

    def calls(self, given: Mapping[str, Any]) -> Mapping[str, float]:
        """The deck is looked at for the address of a picture that the service has made."""
        page = given.get("page")
        own = isinstance(page, Mapping) and isinstance(page.get("image"), str)
        return Counter(OPERATIONS if own else self.operations)

    def foresees(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """What is handed on of the page."""
        page = given.get("page")
        told = ("number", "title", "notes", "text")
        return {name: page[name] for name in told if name in page} if isinstance(page, Mapping) else {}

    async def act(self, params: SlidesPageParams, ctx: StepContext) -> Done:
        """The page's own picture, or the service's, which passes through this machine. Reference 4.1.5, 4.1.1, 4.2.1."""
        page = params.page
        async with _picture(page, ctx) as path:
            asset_id = await asset_of_file(
                _body(params), path, ctx, file_name=f"slide-{page.number}{path.suffix}"
            )
        told = page.model_dump(include={"number", "title", "notes", "text"})
        return Done({"asset_id": asset_id, **told})

    async def find(self, params: SlidesPageParams, ctx: StepContext) -> Found | None:
        """As `find_asset_of_file`."""
        return await find_asset_of_file(self.name, _body(params), ctx)


def _body(params: SlidesPageParams) -> CreateDigitalAssetRequestBody:
    page = params.page
    title = " ".join(page.title.split())
    usual = f"Slide {page.number}: {title}" if title else f"Slide {page.number}"
    return CreateDigitalAssetRequestBody(
        asset_name=params.asset_name or usual[:_NAME_LENGTH], asset_type="IMAGE"
    )


@asynccontextmanager
async def _picture(page: Page, ctx: StepContext) -> AsyncIterator[Path]:
    """Where the picture lies for the time being. Raises StepError when there is none."""
    if page.image is not None:
        yield ctx.local_file(page.image)
        return
    if page.deck_id is None or page.file_id is None:
        raise StepError(
            f"Slide {page.number} has no picture.",
            hint='Give a page of slides.upload: foreach: "${{ steps.deck.pages }}", page: "${{ item }}".',
            code="PARAMETERS",
        )
    asset = await ctx.call(operations.show_asset, path={"asset_id": page.deck_id})
    about_it(asset, asset_id=page.deck_id)
    file = next((file for file in asset.files or () if file.file_id == page.file_id), None)
    if file is None or not file.download_url:
        raise StepError(
            f"The picture of slide {page.number} is not there to be fetched.",
            hint="Was the deck's asset deleted? Start the run anew.",
            code="NO_FILE",
            retry=RetryClass.LATER,
        )
    suffix = Path(file.file_name or "").suffix.lower() or ".png"
    with tempfile.TemporaryDirectory(prefix="orchestrator-slides-") as folder:
        path = Path(folder) / f"slide{suffix}"
        await ctx.around.transfers.download(
            file.download_url,
            path,
            size=file.file_size,
            on_progress=lambda done, of: ctx.on_progress("fetching", done, of),
        )
        yield path
