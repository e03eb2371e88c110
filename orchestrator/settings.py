"""Settings: flags > environment > config file > defaults. The one reader of the environment.

Every effective value knows where it came from; what is wrong is reported with that place, all of it at once.
"""

import ipaddress
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_origin
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ByteSize,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    model_validator,
)

from orchestrator.domain import secrets
from orchestrator.domain.durations import seconds
from orchestrator.errors import UsageError
from orchestrator.logs import HIDDEN, LogFormat, redact
from orchestrator.metastudio import regions
from orchestrator.settings_sources import Given, Shape, from_environment, from_file, from_flags, resolved

DEFAULT_CONFIG = Path("config/orchestrator.yaml")

_GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Listen:
    """Where to listen; port 0 takes any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Whether only this machine can connect."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def _listen(value: object) -> object:
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:\s\[\]]+)):(\d{1,5})", value)
    if match is None or int(match[3]) > 65535:
        raise ValueError("should be HOST:PORT, such as 127.0.0.1:8490 or [::1]:0")
    return Listen(match[1] or match[2], int(match[3]))


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    if (
        parts.scheme not in {"http", "https"}
        or not parts.hostname
        or parts.query
        or parts.fragment
        or parts.username
    ):
        raise ValueError("should be a URL such as https://host/path, without a query")
    return value.rstrip("/")


def _state_url(value: str) -> str:
    if not re.match(r"sqlite:///.|postgres(ql)?://.", value):
        raise ValueError("should be sqlite:///PATH or postgresql://USER:PASSWORD@HOST/DATABASE")
    return value


def _secrets(values: dict[str, SecretStr]) -> dict[str, SecretStr]:
    """By names in lower case: the environment has no other."""
    found: dict[str, SecretStr] = {}
    for name, value in values.items():
        if not re.fullmatch(secrets.NAME_PATTERN, name):
            raise ValueError(f"the name {name!r} should be letters, digits and _, a letter first, 64 at most")
        if name.lower() in found:
            raise ValueError(f"{name.lower()} stands twice, with other capitals")
        if len(value.get_secret_value().strip()) < secrets.LEAST_LENGTH:
            raise ValueError(
                f"{name} should have {secrets.LEAST_LENGTH} characters or more: a shorter one cannot be told from "
                "ordinary words, and so not be kept out of logs"
            )
        found[name.lower()] = value
    return found


def _age(value: object) -> object:
    return timedelta(seconds=seconds(value, years=100)) if isinstance(value, str | int | float) else value


_ListenOn = Annotated[Listen, BeforeValidator(_listen)]
_HttpUrl = Annotated[str, AfterValidator(_http_url)]
_Seconds = Annotated[float, Field(gt=0, le=86_400)]
_Age = Annotated[timedelta, BeforeValidator(_age)]


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class TokenSettings(_Group):
    """Token authentication: an IAM user to log in with, or a ready token."""

    value: SecretStr | None = None
    user: str | None = None
    password: SecretStr | None = None
    #: Account that the user belongs to.
    domain: str | None = None
    #: Project (usually named as the region); the region when not given.
    project: str | None = None
    iam_endpoint: _HttpUrl | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        login = (self.user, self.password, self.domain)
        if any(login) and not all(login):
            raise ValueError("user, password and domain belong together")
        return self


class AuthSettings(_Group):
    """How calls are authenticated: AK/SK, or a token."""

    ak: SecretStr | None = None
    sk: SecretStr | None = None
    security_token: SecretStr | None = None
    token: TokenSettings = TokenSettings()

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.ak is None) != (self.sk is None):
            raise ValueError("ak and sk belong together")
        return self


class PublicSettings(_Group):
    """The listener that MetaStudio calls."""

    listen: _ListenOn = Listen("127.0.0.1", 8491)
    #: What MetaStudio can reach it under; the listener's own address when not given.
    url: _HttpUrl | None = None
    #: Master keys of callback signatures: the first signs, all verify. None: one is made and kept with the state.
    callback_keys: tuple[SecretStr, ...] = ()


class AdminSettings(_Group):
    """The listener for people and programs on this side."""

    listen: _ListenOn = Listen("127.0.0.1", 8490)
    token: SecretStr | None = None


class RegionSettings(_Group):
    """Where the same account is in another region."""

    #: Root of the API there; follows from the region when not given.
    endpoint: _HttpUrl = ""
    #: Looked up at IAM by the region's name when not given.
    project_id: str | None = Field(None, pattern=r"^[A-Za-z0-9_-]{1,64}$")


class TransferSettings(_Group):
    """Uploads and downloads."""

    #: PUTs (and, apart from them, downloads) at once, all runs together.
    concurrency: int = Field(8, ge=1, le=256)
    #: Size of a part; files too large for 100 of them get larger parts.
    part_bytes: ByteSize = Field(ByteSize(64 * 1024**2), ge=100 * 1024, le=5 * _GIB)
    #: Files above this are sent in parts.
    single_put_max_bytes: ByteSize = Field(ByteSize(5 * _GIB), ge=1, le=5 * _GIB)


class FilesSettings(_Group):
    """Local files."""

    #: Folders that definitions may read; the definition's own folder when empty.
    roots: tuple[Path, ...] = ()


class EngineSettings(_Group):
    """The engine's pace and patience."""

    #: Attempts under way at once.
    concurrency: int = Field(100, ge=1, le=10_000)
    #: How long after a lost answer the request may still be executed by the service.
    quiet_time_s: _Seconds = 75.0
    lookup_every_s: _Seconds = 5.0
    poll_first_s: _Seconds = 15.0
    poll_max_s: _Seconds = 300.0
    #: What short steps get to end when the process is asked to stop.
    grace_s: float = Field(5.0, ge=0, le=600)


class RetentionSettings(_Group):
    """How long what is done is kept."""

    #: Finished runs are forgotten so long after their end (90d); for ever when not given.
    finished: _Age | None = None


class LogSettings(_Group):
    """What is logged, and how."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: LogFormat = "auto"


class Settings(_Group):
    """All settings. `Settings.load` is how a process gets them."""

    region: Literal["cn-north-4", "cn-east-3", "ap-southeast-3"] = "cn-north-4"
    #: Root of the API; follows from the region when not given.
    endpoint: _HttpUrl = ""
    project_id: str | None = Field(None, pattern=r"^[A-Za-z0-9_-]{1,64}$")
    auth: AuthSettings = AuthSettings()
    #: Other regions that assets are copied from and to, by name.
    regions: dict[Literal["cn-north-4", "cn-east-3", "ap-southeast-3"], RegionSettings] = {}
    #: May hold a password: not shown in reprs.
    state: Annotated[str, AfterValidator(_state_url)] = Field("sqlite:///.orchestrator/state.db", repr=False)
    public: PublicSettings = PublicSettings()
    admin: AdminSettings = AdminSettings()
    #: Calls per second by operation, over the region's rate table.
    limits: dict[str, Annotated[float, Field(gt=0, le=10_000)]] = {}
    transfer: TransferSettings = TransferSettings()
    files: FilesSettings = FilesSettings()
    #: Passwords and tokens for inputs of the type `secret`, by name; 8 characters at least.
    secrets: Annotated[dict[str, SecretStr], AfterValidator(_secrets)] = Field({}, repr=False)
    engine: EngineSettings = EngineSettings()
    retention: RetentionSettings = RetentionSettings()
    #: Folder that finished files are saved in.
    out: Path = Path("out")
    #: Price file of `orchestrator plan` and of `--budget`.
    prices: Path | None = None
    log: LogSettings = LogSettings()

    _origins: dict[str, str] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _derive(self) -> Self:
        if not self.admin.listen.loopback and self.admin.token is None:
            raise ValueError("admin.listen is open to other machines: admin.token is needed")
        if not self.endpoint:
            # The one value that follows from another; frozen only after this.
            object.__setattr__(self, "endpoint", regions.api_endpoint(self.region))
        return self

    @property
    def iam_endpoint(self) -> str:
        """Root of IAM, which issues tokens and knows the projects."""
        return self.auth.token.iam_endpoint or regions.iam_endpoint(self.region, self.endpoint)

    @property
    def origins(self) -> dict[str, str]:
        """Where each effective value came from, by dotted name: "default", a variable, FILE:LINE, "command line"."""
        return {name: self._origins.get(name, "default") for name, _ in _values(self)}

    def shown(self) -> dict[str, str]:
        """Each effective value as text by dotted name, secrets hidden."""
        return {name: _shown(value) for name, value in _values(self)}

    def secret_values(self) -> list[str]:
        """The secret values themselves, for the log's redaction."""
        found: list[str] = []
        for _, value in _values(self):
            items = value if isinstance(value, tuple) else (value,)
            found.extend(item.get_secret_value() for item in items if isinstance(item, SecretStr))
        return found

    @classmethod
    def load(
        cls,
        flags: Mapping[str, Any] | None = None,
        config: Path | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> "Settings":
        """The effective settings.

        `flags` are values by dotted name (None: not given); `config` is the file asked for, else `config/orchestrator.yaml`
        is read if it exists; `environ` is the process's environment unless given. Raises `UsageError` that lists
        everything that is wrong, each with its place.
        """
        variables = os.environ if environ is None else environ
        path = config or DEFAULT_CONFIG
        problems: list[str] = []
        chosen: dict[str, Given] = {}
        layers = (
            from_file(path, _SHAPE) if config is not None or path.is_file() else [],
            from_environment(variables, _SHAPE, problems),
            from_flags(flags or {}, _SHAPE),
        )
        for layer in layers:
            for item in layer:
                if found := resolved(item, _SHAPE, problems):
                    chosen[found.name] = found
        _fall_back_to_sdk_names(variables, chosen)
        settings = _validated(chosen, problems)
        if settings is None:
            raise UsageError(
                "\n".join(problems), hint="`orchestrator config show --origin` lists all settings."
            )
        return settings


def _leaves(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, info in model.model_fields.items():
        kind = info.annotation
        if isinstance(kind, type) and issubclass(kind, _Group):
            yield from _leaves(kind, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", kind


def _values(group: _Group, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name in type(group).model_fields:
        value = getattr(group, name)
        if isinstance(value, _Group):
            yield from _values(value, f"{prefix}{name}.")
        elif isinstance(value, dict):
            yield from ((f"{prefix}{name}.{key}", item) for key, item in value.items())
        else:
            yield f"{prefix}{name}", value


def _shown(value: object) -> str:
    if isinstance(value, SecretStr):
        return HIDDEN
    if isinstance(value, tuple):
        return ", ".join(map(_shown, value))
    if isinstance(value, timedelta):
        return f"{value / timedelta(days=1):g}d"
    return "" if value is None else redact(str(value))


_FIELDS = dict(_leaves(Settings))
_SHAPE = Shape(
    fields=frozenset(_FIELDS),
    groups=frozenset(name.rpartition(".")[0] for name in _FIELDS) - {""},
    lists=frozenset(name for name, kind in _FIELDS.items() if get_origin(kind) is tuple),
    mappings=frozenset(name for name, kind in _FIELDS.items() if get_origin(kind) is dict),
    secrets=frozenset(name for name, kind in _FIELDS.items() if "SecretStr" in str(kind)),
)
#: The SDK's names, of use where nothing else speaks.
_SDK_CREDENTIALS = {
    "auth.ak": "HUAWEICLOUD_SDK_AK",
    "auth.sk": "HUAWEICLOUD_SDK_SK",
    "auth.security_token": "HUAWEICLOUD_SDK_SECURITY_TOKEN",
}


def _fall_back_to_sdk_names(environ: Mapping[str, str], chosen: dict[str, Given]) -> None:
    names = {"project_id": "HUAWEICLOUD_SDK_PROJECT_ID"}
    # As one: a key of ours with a security token of theirs would be neither's credentials.
    if not any(name.startswith("auth.") for name in chosen):
        names |= _SDK_CREDENTIALS
    for name, variable in names.items():
        if environ.get(variable) and name not in chosen:
            chosen[name] = Given(name, environ[variable], variable)


def _validated(chosen: Mapping[str, Given], problems: list[str]) -> Settings | None:
    """The settings, or None after adding what is wrong to `problems`."""
    tree: dict[str, Any] = {}
    for name, item in chosen.items():
        *groups, leaf = name.split(".")
        node = tree
        for group in groups:
            node = node.setdefault(group, {})
        node[leaf] = item.value
    try:
        settings = Settings.model_validate(tree)
    except ValidationError as error:
        problems.extend(
            _problem(found["loc"], found["msg"], chosen) for found in error.errors(include_input=False)
        )
        return None
    origins = {name: item.origin for name, item in chosen.items()}
    settings._origins.update(origins)  # noqa: SLF001 - this module's own class, still being made
    return None if problems else settings


def _problem(location: Iterable[int | str], message: str, chosen: Mapping[str, Given]) -> str:
    message = message.removeprefix("Value error, ")
    names = [str(part) for part in location]
    for end in range(len(names), 0, -1):
        name = ".".join(names[:end])
        if name in chosen:
            return f"{chosen[name].origin}: {name}: {message}."
    return f"{'.'.join(names)}: {message}." if names else f"{message}."
