"""`file.upload`: a local file into an asset, in one PUT or in parts."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from orchestrator.errors import RetryClass
from orchestrator.metastudio import operations
from orchestrator.metastudio.errors import NotFound
from orchestrator.metastudio.models.file import FilesCreateReq, LargeFilesCreateReq
from orchestrator.steps.adoption import ADOPTIONS
from orchestrator.steps.base import Done, Found, Parameters, StepContext, StepError, StepKind
from orchestrator.steps.traces import Sent
from orchestrator.transfer.digest import Digest


class FileUploadParams(Parameters):
    asset_id: str = Field(min_length=1, max_length=64)
    path: str = Field(min_length=1, description="file to send; relative paths start at the definition")
    category: Literal["MAIN", "COVER", "PAGE", "SAMPLE", "OTHER", "WHOLE_MODEL", "USER_MODIFIED_MODEL"] = (
        "MAIN"
    )
    file_name: str | None = Field(
        default=None, min_length=1, max_length=256, description="default: the path's"
    )


class FileUpload(StepKind[FileUploadParams]):
    """Creates the file, sends its bytes.

    The upload URL comes with the create call only and is never written down. So a file whose URL was lost (a crash,
    an unanswered create call) is found among the asset's files, deleted, and created anew: never two of it.
    """

    name = "file.upload"
    summary = "Create a file in an asset and send its bytes"
    params = FileUploadParams
    outputs = frozenset({"file_id", "file_md5", "file_size"})
    operations = ("create_file",)

    async def act(self, params: FileUploadParams, ctx: StepContext) -> Done:
        """Reference 4.2.1 (one PUT), 4.2.4 (parts), 4.2.2 (a file left behind)."""
        if left_behind := ctx.facts.get("file_id"):
            await _delete(str(left_behind), ctx)
        path = ctx.local_file(params.path)
        ctx.on_progress("hashing", 0, 0)
        file = await ctx.around.transfers.describe(path)
        digest = file.digest
        if digest.size == 0:
            raise StepError(f"{path.name} is empty.", hint="Give a file with content.", code="EMPTY_FILE")
        file_id, urls = await self._create(params, digest, ctx)
        await ctx.note({"file_id": file_id})
        await ctx.around.transfers.upload(file, urls, lambda done, of: ctx.on_progress("uploading", done, of))
        return Done({"file_id": file_id, "file_md5": digest.md5_base64, "file_size": digest.size})

    async def _create(
        self, params: FileUploadParams, file: Digest, ctx: StepContext
    ) -> tuple[str, list[str]]:
        body = _request(params, file, ctx)
        if isinstance(body, FilesCreateReq):
            created = await ctx.create(operations.create_file, body=body)
            file_id, urls = created.file_id, [created.upload_url] if created.upload_url else []
        else:
            created_large = await ctx.create(operations.create_large_file, body=body)
            file_id, urls = created_large.file_id, created_large.upload_urls or []
        parts = ctx.around.transfers.part_count(file.size) or 1
        if not file_id or len(urls) != parts:
            raise StepError(
                f"The API gave {len(urls)} upload addresses for {parts} parts.",
                code="BAD_ANSWER",
                retry=RetryClass.LATER,
            )
        return file_id, urls

    async def find(self, params: FileUploadParams, ctx: StepContext) -> Found | None:
        """The file that waits for its bytes, to be replaced: its address went with the answer. Reference 4.1.5."""
        digest = (await ctx.around.transfers.describe(ctx.local_file(params.path))).digest
        body = _request(params, digest, ctx)
        row = ADOPTIONS["create_file" if isinstance(body, FilesCreateReq) else "create_large_file"]
        file_id = await row.find(self.name, Sent(body), ctx)
        return None if file_id is None else Found(facts={"file_id": file_id})


def _request(
    params: FileUploadParams, file: Digest, ctx: StepContext
) -> FilesCreateReq | LargeFilesCreateReq:
    """What registers the file. Raises StepError for a category that cannot go in parts."""
    name = _name(params)
    file_type = Path(name).suffix.lstrip(".").lower() or "bin"
    parts = ctx.around.transfers.part_count(file.size)
    if parts is None:
        return FilesCreateReq(
            file_name=name,
            file_md5=file.md5_base64,
            file_size=file.size,
            file_type=file_type,
            asset_id=params.asset_id,
            asset_file_category=params.category,
        )
    if params.category not in {"MAIN", "OTHER"}:
        raise StepError(
            f"A file of {file.size} bytes goes in parts, and only MAIN and OTHER files may.",
            hint="Use a smaller file or raise transfer.single_put_max_bytes (5 GiB at most).",
            code="TOO_LARGE",
        )
    return LargeFilesCreateReq(
        file_name=name,
        file_size=file.size,
        file_type=file_type,
        asset_id=params.asset_id,
        asset_file_category="MAIN" if params.category == "MAIN" else "OTHER",
        file_multipart_count=parts,
    )


def _name(params: FileUploadParams) -> str:
    return params.file_name or Path(params.path).name


async def _delete(file_id: str, ctx: StepContext) -> None:
    ctx.on_progress("replacing", 0, 0)
    try:
        await ctx.call(operations.delete_file, path={"file_id": file_id})
    except NotFound:
        return
