"""What is run in the simulation: the sample pipeline as data."""

from dataclasses import replace
from typing import Any

from orchestrator.domain.ids import StepId
from orchestrator.domain.pipeline import GroupSpec, InputSpec, Pipeline, RetryPolicy, RowsSpec, Step
from orchestrator.engine.reception import RowInput, Submission

#: Tries of each step, more than foul weather uses up.
ATTEMPTS = 20
PIPELINE = "product-video"


def product_video(
    timeout_s: float | None = None,
    *,
    approval: bool = False,
    items: int = 0,
    nested: bool = False,
    grouped: bool = False,
) -> Pipeline:
    """The sample pipeline, as data; `timeout_s` for each of its steps.

    `approval`: somebody has to approve the script. `items`: so many more assets, made by a step with `foreach`. `nested`:
    one asset more, made by a pipeline of its own. `grouped`: only one of its runs is under way at once.
    """
    retry = RetryPolicy(attempts=ATTEMPTS, backoff_s=1.0, max_backoff_s=20.0)

    def step(name: str, uses: str, needs: tuple[str, ...] = (), **with_: Any) -> Step:
        ids = tuple(StepId(need) for need in needs)
        return Step(StepId(name), uses, with_, needs=ids, retry=retry, timeout_s=timeout_s)

    more = step(
        "more",
        "asset.create",
        asset_name="${{ inputs.title }} ${{ item }}",
        asset_type="IMAGE",
        needs=("confirm",),
    )
    below = Pipeline(
        f"{PIPELINE}-extra",
        inputs={"title": InputSpec()},
        steps=(step("extra", "asset.create", asset_name="${{ inputs.title }}", asset_type="IMAGE"),),
        outputs={"asset_id": "${{ steps.extra.asset_id }}"},
    )
    extra = step("extra", "pipeline.run", file="extra.yaml", inputs={"title": "${{ inputs.title }} extra"})
    return Pipeline(
        PIPELINE,
        group=GroupSpec("one room") if grouped else None,
        inputs={"title": InputSpec(), "image": InputSpec("file")},
        rows=RowsSpec(),
        steps=(
            step("background", "asset.create", asset_name="${{ inputs.title }}", asset_type="IMAGE"),
            step(
                "upload",
                "file.upload",
                ("background",),
                asset_id="${{ steps.background.asset_id }}",
                path="${{ inputs.image }}",
            ),
            step("confirm", "file.confirm", ("upload",), file_id="${{ steps.upload.file_id }}"),
            *([replace(more, foreach=list(range(items)), max_parallel=2)] if items else []),
            *([replace(extra, pipeline=below)] if nested else []),
            step(
                "script",
                "script.create",
                ("confirm", "background", "more") if items else ("confirm", "background"),
                **_script(),
            ),
            *([step("word", "approve", ("script",))] if approval else []),
            step(
                "video",
                "video.produce",
                ("script", "word") if approval else ("script",),
                script_id="${{ steps.script.script_id }}",
                output_asset_config={"asset_name": "${{ inputs.title }}"},
            ),
            step("finished", "video.wait", ("video",), job_id="${{ steps.video.job_id }}"),
            step(
                "save",
                "download",
                ("finished",),
                asset_id="${{ steps.finished.asset_id }}",
                to="${{ run.name }}.mp4",
            ),
        ),
        outputs={"video": "${{ steps.save.path }}"},
    )


def _script() -> dict[str, Any]:
    background = {"background_type": "IMAGE", "background_asset_id": "${{ steps.background.asset_id }}"}
    scene = {"text_config": {"text": "Hello."}, "background_config": [background]}
    return {
        "script_name": "${{ inputs.title }}",
        "model_asset_id": "0c7798664ee7178b3dba3bbef57c32e7",
        "voice_config": {"voice_asset_id": "0a4b548fd8d2d6998e1fc3fffb29f9bc"},
        "video_config": {"codec": "H264", "bitrate": 4000, "width": 1920, "height": 1080},
        "shoot_scripts": [{"shoot_script": scene}],
    }


def submission(
    rows: int,
    *,
    timeout_s: float | None = None,
    approval: bool = False,
    items: int = 0,
    nested: bool = False,
    grouped: bool = False,
) -> Submission:
    """The sample with a table of `rows` products."""
    return Submission(
        product_video(timeout_s, approval=approval, items=items, nested=nested, grouped=grouped),
        PIPELINE,
        {},
        rows=[
            RowInput(f"cup-{n}", {"title": f"Cup {n}", "image": f"/media/cup-{n}.png"}, {"sku": f"cup-{n}"})
            for n in range(rows)
        ],
    )
