"""The one error tree: every error that this package raises on purpose is an `OrchestratorError`."""

from enum import StrEnum


class RetryClass(StrEnum):
    """What repeating the same request may achieve.

    never: nothing, the request has to change. later: the cause is transient. quota: buy or get permission first.
    support: the provider has to act.
    """

    NEVER = "never"
    LATER = "later"
    QUOTA = "quota"
    SUPPORT = "support"


class OrchestratorError(Exception):
    """Something went wrong in the orchestrator."""

    #: Process exit code of a command that ends with this error.
    exit_code: int = 1

    def __init__(self, message: str = "", *, hint: str = "") -> None:
        """`message` says what and why (the class docstring when empty), `hint` what to do next."""
        self.message = message or (type(self).__doc__ or "").strip().splitlines()[0]
        self.hint = hint
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class UsageError(OrchestratorError):
    """A command, a setting or an input value is wrong."""

    exit_code = 2


class UnreachableError(OrchestratorError):
    """Something that the command needs (daemon, API, database) cannot be reached."""

    exit_code = 3
