"""What an operation of the API is; the operations themselves are generated into `operations`."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

#: Request and response model; None for an operation without.
Q = TypeVar("Q")
R = TypeVar("R")

_MODELS = "orchestrator.metastudio.models"


@dataclass(frozen=True, slots=True)
class Operation(Generic[Q, R]):
    """One operation of the API: the facts that a client and an emulator share.

    `Q` is the type of its body, `R` of its answer; both are found by name, so that knowing an operation doesn't
    load the models of all the others.
    """

    id: str
    method: str
    #: Template with `{project_id}` and the names in `path_names`.
    path: str
    #: Name of the API category, as in the rate table.
    category: str
    #: Section of the API reference.
    section: str
    summary: str
    #: `module:Class` below `metastudio.models`; None: no body.
    request_ref: str | None = None
    response_ref: str | None = None
    request_required: bool = False
    query: tuple[str, ...] = ()
    required_query: tuple[str, ...] = ()
    #: Those that take a list, sent as repeated pairs as the official SDK does (other lists are joined by commas).
    list_query: tuple[str, ...] = ()
    #: Field of the answer that holds a page's items; empty: the answer doesn't come in pages.
    items: str = ""
    #: Sending it twice makes, and may charge, two of something.
    creates: bool = False
    #: It changes nothing, so an unknown end doesn't matter.
    reads: bool = False

    @property
    def path_names(self) -> tuple[str, ...]:
        """Names of the path's parameters except `project_id`, in order."""
        parts = (part[1:-1] for part in self.path.split("/") if part.startswith("{"))
        return tuple(part for part in parts if part != "project_id")

    @property
    def request(self) -> type[Q] | None:
        """The class of the body, strict; None when the operation takes none."""
        return None if self.request_ref is None else _model(self.request_ref)

    @property
    def response(self) -> type[R] | None:
        """The class of the answer, lenient; None when the operation answers without a body."""
        return None if self.response_ref is None else _model(self.response_ref)


AnyOperation = Operation[Any, Any]


def _model(ref: str) -> Any:
    module, _, name = ref.partition(":")
    model = getattr(import_module(f"{_MODELS}.{module}"), name)
    assert issubclass(model, BaseModel)
    return model
