"""The MetaStudio API for Python: what a program needs to call it, loaded when used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.metastudio.auth.credentials import AkSk, Credentials, Token, TokenLogin
    from orchestrator.metastudio.calling import CallOptions, DeadlineEndedError
    from orchestrator.metastudio.client import MetaStudio
    from orchestrator.metastudio.errors import (
        AnswerLost,
        ApiError,
        CallError,
        ConnectFailed,
        Executed,
        Forbidden,
        NotFound,
        ServerError,
        Throttled,
        Unauthorized,
    )

__all__ = [
    "AkSk",
    "AnswerLost",
    "ApiError",
    "CallError",
    "CallOptions",
    "ConnectFailed",
    "Credentials",
    "DeadlineEndedError",
    "Executed",
    "Forbidden",
    "MetaStudio",
    "NotFound",
    "ServerError",
    "Throttled",
    "Token",
    "TokenLogin",
    "Unauthorized",
]

_HOMES = {
    "client": ("MetaStudio",),
    "calling": ("CallOptions", "DeadlineEndedError"),
    "auth.credentials": ("AkSk", "Credentials", "Token", "TokenLogin"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    # Who wants one module of this package, such as the emulator, doesn't pay for the client.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF.get(name, 'errors')}"), name)
