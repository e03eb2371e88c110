"""`slides.upload`: a deck into the asset library, where the service makes a picture of each slide."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from orchestrator.errors import RetryClass
from orchestrator.metastudio import operations
from orchestrator.metastudio.models.digital_asset import (
    AssetExtraMeta,
    CreateDigitalAssetRequestBody,
    PPTAssetMeta,
    PPTPageInfoRead,
)
from orchestrator.steps.asset_of_file import OPERATIONS, asset_of_file, find_asset_of_file
from orchestrator.steps.asset_wait import refuse_unusable
from orchestrator.steps.base import Done, Found, Parameters, StepContext, StepError, StepKind, Waiting

#: A deck is drawn within seconds.
CHECK_EVERY_S = 2.0
_ENDED_BADLY = frozenset({"FAILED", "CANCELED"})


class Slide(Parameters):
    number: int = Field(ge=1, description="as the deck counts, hidden slides included")
    title: str = ""
    notes: str = ""
    text: str = ""
    image: str | None = Field(default=None, description="a picture of its own, on this machine")
    deck: str | None = Field(default=None, description="the .pptx")


class SlidesUploadParams(Parameters):
    slides: list[Slide] = Field(min_length=1, description='an input of the type slides: "${{ inputs.deck }}"')
    asset_name: str = Field(min_length=1, max_length=256)


class SlidesUpload(StepKind[SlidesUploadParams]):
    """A deck whose slides all have pictures of their own stays where it is. Reference 4.1.1, tables 4-11 and 4-12."""

    name = "slides.upload"
    summary = "Upload a deck and wait until its slides are pictures"
    params = SlidesUploadParams
    outputs = frozenset({"asset_id", "pages"})
    operations = (*OPERATIONS, "show_asset")

    def calls(self, given: Mapping[str, Any]) -> Mapping[str, float]:
        """None for a deck that stays where it is."""
        slides = given.get("slides")
        own = [isinstance(one, Mapping) and isinstance(one.get("image"), str) for one in slides or ()]
        return {} if own and all(own) else Counter(self.operations)

    def foresees(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """The pages are those of the deck."""
        return {"pages": given["slides"]} if "slides" in given else {}

    async def act(self, params: SlidesUploadParams, ctx: StepContext) -> Done | Waiting:
        """Goes on with what an interrupted attempt has made."""
        deck = next((slide.deck for slide in params.slides if slide.image is None), None)
        if deck is None and all(slide.image for slide in params.slides):
            return Done({"asset_id": None, "pages": [_page(slide, None, None) for slide in params.slides]})
        if deck is None:
            raise StepError(
                "The slides do not say which deck they come from.",
                hint='Give the whole input: slides: "${{ inputs.deck }}".',
                code="PARAMETERS",
            )
        path = ctx.local_file(deck)
        asset_id = await asset_of_file(_body(params), path, ctx, file_name=_file_name(path))
        done = await self.check(params, ctx, asset_id)
        return done or Waiting(asset_id, check_after_s=CHECK_EVERY_S, poll=False)

    async def find(self, params: SlidesUploadParams, ctx: StepContext) -> Found | None:
        """As `find_asset_of_file`."""
        return await find_asset_of_file(self.name, _body(params), ctx)

    async def check(self, params: SlidesUploadParams, ctx: StepContext, correlation: str) -> Done | None:
        """Reference 4.1.5; the states are those of table 4-11. Raises StepError when there will be no pages."""
        asset = await ctx.call(operations.show_asset, path={"asset_id": correlation})
        refuse_unusable(correlation, asset)
        meta = asset.asset_extra_meta.ppt_meta if asset.asset_extra_meta else None
        if meta is None or (status := meta.ppt_analysis_status) not in {"SUCCEEDED", *_ENDED_BADLY}:
            return None
        if status in _ENDED_BADLY:
            why = f": {meta.error_info.error_msg}" if meta.error_info and meta.error_info.error_msg else ""
            raise StepError(
                f"The service could not make pictures of the slides{why}.",
                hint="Save the slides as pictures into a folder of the deck's name beside it, and start again.",
                code=(meta.error_info and meta.error_info.error_code) or "NO_PAGE",
                retry=RetryClass.NEVER,
            )
        files = _files_of(params.slides, meta.pages or (), meta.page_count)
        pages = [
            _page(slide, correlation, None if slide.image else files[slide.number]) for slide in params.slides
        ]
        return Done({"asset_id": correlation, "pages": pages})


def _body(params: SlidesUploadParams) -> CreateDigitalAssetRequestBody:
    meta = AssetExtraMeta(ppt_meta=PPTAssetMeta(auto_analysis=True))
    return CreateDigitalAssetRequestBody(
        asset_name=params.asset_name, asset_type="PPT", asset_extra_meta=meta
    )


def _file_name(path: Path) -> str:
    """At most as long as a file's name may be (table 4-178)."""
    return path.name if len(path.name) <= 256 else f"slides{path.suffix}"


def _files_of(
    slides: Sequence[Slide], pages: Sequence[PPTPageInfoRead], count: int | None
) -> Mapping[int, str]:
    """The picture's file of each slide by its number. Raises StepError when they do not belong together.

    The reference does not say whether hidden slides become pages: their number tells.
    """
    by_page = {page.page_no: page.file_id for page in pages if page.page_no and page.file_id}
    if (count or len(by_page)) == len(slides):
        found = {slide.number: by_page.get(place) for place, slide in enumerate(slides, 1)}
    else:
        found = {slide.number: by_page.get(slide.number) for slide in slides}
    wanted = {slide.number for slide in slides if slide.image is None}
    files = {number: file_id for number, file_id in found.items() if file_id is not None}
    if missing := sorted(wanted - files.keys()):
        raise StepError(
            f"The service made {len(by_page)} pictures of {len(slides)} slides; there is none of slide "
            f"{', '.join(map(str, missing[:10]))}.",
            hint="Delete hidden slides, or put pictures of the slides beside the deck.",
            code="NO_PAGE",
        )
    return files


def _page(slide: Slide, deck_id: str | None, file_id: str | None) -> dict[str, Any]:
    return {**slide.model_dump(exclude={"deck"}), "deck_id": deck_id, "file_id": file_id}
