"""`file.confirm`: tell the API that a file's bytes are there."""

from pydantic import Field

from orchestrator.metastudio import operations
from orchestrator.metastudio.models.file import ConfirmFileUploadRequestBody
from orchestrator.steps.base import Done, Parameters, StepContext, StepKind


class FileConfirmParams(Parameters):
    file_id: str = Field(min_length=1)


class FileConfirm(StepKind[FileConfirmParams]):
    """Repeatable: confirming a file twice leaves it confirmed."""

    name = "file.confirm"
    summary = "Confirm that a file was uploaded"
    params = FileConfirmParams
    outputs = frozenset({"file_id"})
    operations = ("confirm_file_upload",)

    async def act(self, params: FileConfirmParams, ctx: StepContext) -> Done:
        """Reference 4.2.3."""
        await ctx.call(
            operations.confirm_file_upload,
            path={"file_id": params.file_id},
            body=ConfirmFileUploadRequestBody(state="CREATED"),
        )
        return Done({"file_id": params.file_id})
