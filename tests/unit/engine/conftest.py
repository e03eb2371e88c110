"""What tests of the engine share."""

from collections.abc import AsyncIterator

import pytest

from tests.unit.engine.carried import Carried


@pytest.fixture
async def carried() -> AsyncIterator[Carried]:
    """A store and an engine that carries its runs."""
    one = Carried()
    await one.boot()
    yield one
    await one.end()
