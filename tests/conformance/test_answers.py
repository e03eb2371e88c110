"""Whatever is sent, sound or not: the emulator never fails, and every answer fits the API document."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from orchestrator.emulator.refusals import error_facts
from orchestrator.metastudio.operations import OPERATIONS
from tests.conformance.document import body_schema, complaints, parameters
from tests.conformance.generated import JUNK, spoiled, values
from tests.conformance.inhabited import Inhabited

#: The same requests in every run.
REPEATABLE = settings(
    derandomize=True,
    max_examples=25,
    deadline=None,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
#: What the ids are in a world that was made the same way.
IDS = Inhabited().ids


def bodies(operation: str) -> st.SearchStrategy[Any]:
    schema = body_schema(operation)
    if schema is None:
        return st.none()
    sound = values(schema, IDS)
    return sound | spoiled(sound)


@st.composite
def queries(draw: st.DrawFn, operation: str) -> dict[str, Any]:
    """A few of the parameters, with values that fit or not."""
    known = {one["name"]: one["schema"] for one in parameters(operation, "query")}
    names = draw(st.lists(st.sampled_from(sorted(known)), unique=True, max_size=4)) if known else []
    found = {name: draw(values(known[name], IDS, name) | JUNK) for name in names}
    return {name: _written(value) for name, value in found.items()}


def _written(value: Any) -> Any:
    match value:
        case bool():
            return str(value).lower()
        case list():
            return [str(one) for one in value]
        case _:
            return str(value)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_answer_fits(operation: str) -> None:
    """A success fits its schema; a refusal has a code of the table, and its status."""

    @REPEATABLE
    @given(bodies(operation), queries(operation), st.sampled_from(IDS) | st.text(min_size=1, max_size=9))
    def check(body: Any, query: Mapping[str, Any], other: str) -> None:
        tenant = Inhabited()
        own = tenant.path(operation)
        for path in (own, {**own, **dict.fromkeys(list(own)[-1:], other)}):
            answer = tenant.send(operation, body, path=path, query=query)
            value: Any = answer.json() if answer.body else None
            assert complaints(operation, answer.status, value) == [], value
            if answer.status >= 400:
                assert answer.status == max(400, error_facts()[value["error_code"]].status), value
                assert value["error_code"] != "MSS.00000004"

    check()


def test_the_ids_stay_the_same() -> None:
    """Worlds that are made the same way are the same."""
    assert Inhabited().ids == IDS
