"""Deletions that may be repeated: what is not there any more counts as deleted only if an attempt of ours may have done it."""

from collections.abc import Mapping
from typing import Any, Final

from orchestrator.metastudio.errors import ApiError, CallError, Executed, NotFound
from orchestrator.metastudio.operation import AnyOperation
from orchestrator.steps.base import StepContext

#: Refusals that say so without being a 404: of training jobs, products, live rooms, rule libraries (reference 11.2).
_GONE: Final = frozenset({"MSS.20020002", "MSS.10001041", "MSS.20010045", "MSS.20010083"})
#: The fact that a deletion left: the path that it was sent to.
_DELETING: Final = "deleting"


async def delete(
    ctx: StepContext, operation: AnyOperation, *, path: Mapping[str, str], **arguments: Any
) -> Any:
    """One deletion; None when an earlier attempt of the step may have done it. Raises what `MetaStudio.call` does."""
    maybe_deleted = ctx.facts.get(_DELETING) == path

    async def leaves() -> None:
        if ctx.facts.get(_DELETING) != path:
            await ctx.note({_DELETING: dict(path)})

    try:
        return await ctx.around.api.call(
            operation, path=path, order=ctx.order, label=ctx.label, before_send=leaves, **arguments
        )
    except CallError as error:
        if maybe_deleted and _is_gone(error):
            return None
        refused = error.executed is Executed.NO and not maybe_deleted
        if refused and ctx.facts.get(_DELETING) == path:
            await ctx.note({_DELETING: None})
        raise


def _is_gone(error: CallError) -> bool:
    return isinstance(error, NotFound) or (isinstance(error, ApiError) and error.code in _GONE)
