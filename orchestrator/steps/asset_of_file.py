"""An asset and its main file made by one step: three requests, of which each is found again if its answer was lost."""

from dataclasses import replace
from pathlib import Path

from orchestrator.metastudio import operations
from orchestrator.metastudio.models.digital_asset import CreateDigitalAssetRequestBody
from orchestrator.steps.adoption import ADOPTIONS
from orchestrator.steps.base import Found, StepContext
from orchestrator.steps.file_confirm import FileConfirm, FileConfirmParams
from orchestrator.steps.file_upload import FileUpload, FileUploadParams
from orchestrator.steps.traces import Sent, about_it

#: What a step that uses this calls when all goes well.
OPERATIONS = ("create_digital_asset", "create_file", "confirm_file_upload")


async def asset_of_file(
    body: CreateDigitalAssetRequestBody, file: Path, ctx: StepContext, *, file_name: str | None = None
) -> str:
    """The id of an asset with `file` as its main file, confirmed. Reference 4.1.1, 4.2.1, 4.2.3.

    Goes on with what an earlier attempt has noted. `file` was chosen by the step, not by its user.
    """
    asset_id = ctx.facts.get("asset_id")
    if asset_id is None:
        keyed = ADOPTIONS["create_digital_asset"].keyed(Sent(body), ctx)
        asset_id = (await ctx.create(operations.create_digital_asset, body=keyed)).asset_id
        await ctx.note({"asset_id": asset_id})
    upload = FileUploadParams(asset_id=str(asset_id), path=str(file), file_name=file_name)
    sent = await FileUpload().act(upload, replace(ctx, input_files=ctx.input_files | {str(file)}))
    await FileConfirm().act(FileConfirmParams(file_id=sent.outputs["file_id"]), ctx)
    return str(asset_id)


async def find_asset_of_file(
    kind: str, body: CreateDigitalAssetRequestBody, ctx: StepContext
) -> Found | None:
    """What the lost request of a step made: its asset, or the file in it, which is then replaced. Reference 4.1.5.

    Nobody else puts files into the step's own asset, so the file needs no other mark.
    """
    asset_id = ctx.facts.get("asset_id")
    if asset_id is None:
        made = await ADOPTIONS["create_digital_asset"].find(kind, Sent(body), ctx)
        return None if made is None else Found(facts={"asset_id": made})
    asset = await ctx.call(operations.show_asset, path={"asset_id": str(asset_id)})
    about_it(asset, asset_id=str(asset_id))
    main = (file.file_id for file in asset.files or () if file.asset_file_category == "MAIN")
    file_id = next(main, None)
    return None if file_id is None else Found(facts={"file_id": file_id})
