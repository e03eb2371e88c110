"""Who we are to the API. No repr shows a secret."""

from dataclasses import dataclass, field


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
