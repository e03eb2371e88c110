"""Who we are to the API. No repr shows a secret."""

import re
from dataclasses import dataclass, field
from typing import assert_never

from orchestrator.errors import UsageError
from orchestrator.metastudio.regions import checked_address

_SENDABLE = re.compile("[!-~]+")


@dataclass(frozen=True, slots=True)
class AkSk:
    """Access key pair, the recommended way: each request is signed."""

    ak: str
    sk: str = field(repr=False)
    #: Only with a temporary key pair.
    security_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class TokenLogin:
    """User and password, exchanged for a token at IAM (valid 24 hours, reference 3.1)."""

    user: str
    password: str = field(repr=False)
    #: Name of the account.
    domain: str
    #: Name of the project, usually the region.
    project: str
    #: `https://` and host of IAM.
    iam_endpoint: str


@dataclass(frozen=True, slots=True)
class Token:
    """A token that someone else obtained and renews."""

    value: str = field(repr=False)


Credentials = AkSk | TokenLogin | Token


def is_sendable(text: str) -> bool:
    """Whether a header can carry `text` as a key or a token: something, in ASCII without blanks and line breaks."""
    return _SENDABLE.fullmatch(text) is not None


def refuse_unsendable(credentials: Credentials) -> None:
    """Raises UsageError, without their values, for credentials that no request could carry."""
    match credentials:
        case AkSk(ak, sk, security_token):
            parts = {"access key": ak, "secret key": sk}
            if security_token is not None:
                parts["security token"] = security_token
        case Token(value):
            parts = {"token": value}
        case TokenLogin():
            checked_address(credentials.iam_endpoint, "The endpoint of IAM")
            return
        case _:
            assert_never(credentials)
    for name, text in parts.items():
        if not is_sendable(text):
            wrong = "has a blank, a line break or other characters that can't be sent" if text else "is empty"
            raise UsageError(f"The {name} {wrong}.", hint="Copy it again, without what stands around it.")
