"""Step kinds and files for definitions under test."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from orchestrator.definition.kinds import StepKinds
from orchestrator.definition.loader import check_text
from orchestrator.definition.problems import Problem
from orchestrator.domain.pipeline import Pipeline


class _Params(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Picture(_Params):
    width: int = Field(ge=1, le=3840)
    codec: Literal["H264", "VP8"] = "H264"


class _Make(_Params):
    name: str = Field(min_length=1, max_length=10)
    picture: _Picture | None = None
    pictures: list[_Picture] = []


class _Use(_Params):
    id: str
    count: int = 1


@dataclass(frozen=True)
class _Kind:
    params: type[BaseModel]
    outputs: frozenset[str] | None


@pytest.fixture
def kinds() -> StepKinds:
    return {
        "thing.make": _Kind(_Make, frozenset({"thing_id"})),
        "thing.use": _Kind(_Use, frozenset({"path"})),
        "any": _Kind(_Any, None),
    }


class _Any(BaseModel):
    model_config = ConfigDict(extra="allow")


Check = Callable[[str | bytes], tuple[Pipeline | None, list[Problem]]]


@pytest.fixture
def check(kinds: StepKinds, tmp_path: Path) -> Check:
    """Checks a definition's text as if it stood in `p.yaml` in the temporary folder."""

    def checked(text: str | bytes) -> tuple[Pipeline | None, list[Problem]]:
        content = text.encode() if isinstance(text, str) else text
        return check_text(content, kinds, file="p.yaml", folder=tmp_path)

    return checked
