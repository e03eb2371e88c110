"""The columns that results add to a table, and those that an earlier run has added to it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

STATUS: Final = "run_status"
ERROR: Final = "run_error"
RUN_ID: Final = "run_id"
_ALWAYS: Final = (STATUS, ERROR, RUN_ID)


@dataclass(frozen=True, slots=True)
class ResultColumns:
    """How the columns of results are called: status, error and id of a row's run, and each output by its name."""

    status: str
    error: str
    run_id: str
    outputs: tuple[tuple[str, str], ...]

    @classmethod
    def beside(cls, columns: Collection[str], outputs: Sequence[str]) -> "ResultColumns":
        """For results beside `columns`, which keep their names."""
        taken = set(columns)

        def free(name: str, other: str) -> str:
            found, number = name, 2
            while found in taken:
                found, other, number = other, f"{name}_{number}", number + 1
            taken.add(found)
            return found

        status, error, run_id = (free(name, f"{name}_2") for name in _ALWAYS)
        return cls(
            status, error, run_id, tuple((output, free(output, f"output_{output}")) for output in outputs)
        )

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, in their order."""
        return (self.status, self.error, self.run_id, *(column for _, column in self.outputs))


def written_before(columns: Sequence[str], outputs: Collection[str]) -> frozenset[str]:
    """Columns that an earlier run of a pipeline with these outputs has added to the table."""
    for start in range(len(columns) - len(_ALWAYS) + 1):
        if tuple(columns[start : start + len(_ALWAYS)]) == _ALWAYS:
            named = {*outputs, *(f"output_{output}" for output in outputs)}
            end = start + len(_ALWAYS)
            while end < len(columns) and columns[end] in named:
                end += 1
            return frozenset(columns[start:end])
    return frozenset()
