import time

import pytest

from orchestrator.metastudio import strict_json
from orchestrator.metastudio.untrusted import refuse_depth


def test_a_key_that_occurs_twice_is_found_among_many() -> None:
    """Without comparing each with each."""
    names = [f'"k{index}": 0' for index in range(50_000)]
    began = time.perf_counter()
    with pytest.raises(ValueError, match="'k49999' occurs twice"):
        strict_json.loads("{" + ", ".join((*names, names[-1])) + "}")
    assert time.perf_counter() - began < 2


def test_depth_counts_objects_and_lists() -> None:
    """And what lies in the innermost of them as one level more."""
    refuse_depth({"a": [1, {"b": "c"}]}, 4)
    refuse_depth([[]], 3)
    too_deep: list[object] = [{"a": [1, {"b": "c"}]}, [[[[]]]]]
    for value in too_deep:
        with pytest.raises(ValueError, match="nested"):
            refuse_depth(value, 3)
