"""Pipelines under test, with the real step kinds."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from orchestrator.app import kind_infos
from orchestrator.definition.loader import check_text
from orchestrator.domain.pipeline import Pipeline
from orchestrator.planning.survey import Assumptions, Load, Survey
from orchestrator.steps.base import kinds

Read = Callable[[str], Pipeline]
Weigh = Callable[..., Load]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """The pipeline of a text that holds no mistakes."""

    def read(text: str) -> Pipeline:
        pipeline, problems = check_text(
            text.encode(), kind_infos(), file=str(tmp_path / "test.yaml"), folder=tmp_path
        )
        assert pipeline is not None, problems
        return pipeline

    return read


@pytest.fixture
def weigh(read: Read) -> Weigh:
    """What one run of a text would do."""

    def weigh(
        text: str,
        inputs: Mapping[str, Any] | None = None,
        *,
        done: frozenset[str] = frozenset(),
        render_factor: float = 1.0,
        **assumed: float,
    ) -> Load:
        survey = Survey(read(text), kinds(), Assumptions(render_factor, assumed))
        return survey.load(survey.weights(inputs or {}), done)

    return weigh
