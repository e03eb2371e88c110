"""`download`: an asset's file onto this machine."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from orchestrator.errors import RetryClass
from orchestrator.metastudio import operations
from orchestrator.steps.base import Done, Parameters, StepContext, StepError, StepKind


class DownloadParams(Parameters):
    asset_id: str = Field(min_length=1)
    to: str = Field(min_length=1, description="file name, inside the output folder")
    category: Literal["MAIN", "COVER"] = "MAIN"


class Download(StepKind[DownloadParams]):
    """Repeatable: the file appears under its name whole or not at all."""

    name = "download"
    summary = "Download an asset's file"
    params = DownloadParams
    outputs = frozenset({"path", "size"})
    operations = ("show_asset",)
    leaves = "path"

    async def act(self, params: DownloadParams, ctx: StepContext) -> Done:
        """The download address is asked for now and used at once. Reference 4.1.5."""
        target = await saving_place(params.to, ctx)
        asset = await ctx.call(operations.show_asset, path={"asset_id": params.asset_id})
        for file in asset.files or ():
            if file.asset_file_category == params.category and file.download_url:
                size = await ctx.around.transfers.download(
                    file.download_url,
                    target,
                    size=file.file_size,
                    on_progress=lambda done, of: ctx.on_progress("downloading", done, of),
                )
                return Done({"path": str(target), "size": size})
        raise StepError(
            f"Asset {params.asset_id} has no {params.category} file to download yet.",
            hint="Wait for the asset (video.wait, asset.wait) before this step.",
            code="NO_FILE",
            retry=RetryClass.LATER,
        )


async def saving_place(name: str, ctx: StepContext) -> Path:
    """Where in the output folder a step's file goes, the same for every attempt. Raises StepError if it leads out."""
    target = _inside(ctx.out, name)
    if ctx.facts.get("saving") != str(target):
        target = await _beside_newer(target, ctx)
        await ctx.note({"saving": str(target)})
    return target


async def _beside_newer(target: Path, ctx: StepContext) -> Path:
    """A file of that name which came after the run began belongs to a newer run: it is not written over."""
    modified_at = await ctx.around.transfers.modified_at(target)
    newer = modified_at is not None and modified_at > ctx.run_created_at
    return target.with_stem(f"{target.stem}.{ctx.run_id[-6:]}") if newer else target


def _inside(folder: Path, name: str) -> Path:
    root = folder.resolve()
    target = (root / name).resolve()
    if not target.is_relative_to(root) or target == root:
        raise StepError(
            f"{name!r} leads out of the output folder.",
            hint="Use a name without `..` and absolute parts; choose the folder with --out.",
            code="BAD_PATH",
        )
    return target
