"""The sample definitions of the repository."""

import re
from pathlib import Path
from typing import get_args

import pytest

from orchestrator.definition.grammar import PipelinePart, StepPart
from orchestrator.definition.inputs import AnyInput
from orchestrator.definition.lint import RUN_MEMBERS
from orchestrator.definition.loader import load
from orchestrator.definition.prepare import prepare
from orchestrator.domain.filters import FILTERS
from orchestrator.steps.base import kinds

SAMPLES = Path(__file__).resolve().parents[3] / "pipelines"
KINDS = kinds()


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_samples_are_valid(path: Path) -> None:
    """Every definition in `pipelines/` loads."""
    assert load(path, kinds=KINDS).steps


@pytest.mark.parametrize("region", ["cn-north-4", "cn-east-3", "ap-southeast-3"])
def test_the_product_video_sample_is_ready_to_run(region: str) -> None:
    """Three products, each with a picture of its own, in every region."""
    pipeline = load(SAMPLES / "product-video.yaml", kinds=KINDS)
    rows = prepare(pipeline, {}, region=region).rows
    assert [row.name for row in rows] == ["LAMP-01", "BOTTLE-02", "PHONES-03"]
    assert len({row.inputs["image"] for row in rows}) == 3
    assert all(Path(row.inputs["image"]).stat().st_size < 300_000 for row in rows)
    assert pipeline.triggers == {}


def test_the_page_about_the_language_is_complete() -> None:
    """Every key, input type and filter stands on the page."""
    page = (SAMPLES / "README.md").read_text("utf-8")
    types = [get_args(member)[1].tag for member in get_args(get_args(AnyInput)[0])]
    keys = [
        field.alias or name for part in (PipelinePart, StepPart) for name, field in part.model_fields.items()
    ]
    missing = [
        word for word in (*types, *keys, *FILTERS, *RUN_MEMBERS) if not re.search(rf"`{word}[`(]", page)
    ]
    assert missing == []
