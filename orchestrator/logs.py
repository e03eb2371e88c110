"""Logging: structlog to stderr as JSON or for the console, bound to run, step and attempt, free of secrets.

The standard library's loggers (aiohttp, asyncio) go the same way.
"""

import logging
import re
import sys
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Literal, TextIO

import structlog
from pydantic import SecretBytes, SecretStr
from structlog.contextvars import bound_contextvars
from structlog.typing import EventDict, Processor, WrappedLogger

from orchestrator.domain.secrets import spellings

LogFormat = Literal["auto", "console", "json"]

HIDDEN = "***"

#: Keys whose values are never shown, whatever they hold.
_SECRET_KEY = re.compile(
    r"(?i)^(ak|sk|.*(password|passwd|secret|signature|credential|authorization|cookie)|"
    r"(.*[._-])?(token|api_?key|access_?key|app_?key|callback_keys?|master_keys?|private_key))$"
)
#: Parameters that make a URL a key to something.
_SIGNED_QUERY = re.compile(
    r"(?i)[?&;](secret|time_stamp|hwsecret|hwtime|signature|sign|auth_key|token|password|key|"
    r"accesskeyid|awsaccesskeyid|x-amz-[a-z0-9-]+|x-obs-[a-z0-9-]+)="
)
_QUERY = re.compile(r"\?[^\s\"'<>\\]+")
_USERINFO = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^\s/@\"'<>]+@")
#: `Authorization: Bearer …`, `X-Auth-Token: …`, `"sk": "…"`, `password=…` in running text.
_SCHEME = re.compile(r"(?i)\b(SDK-HMAC-SHA256|Bearer|Basic)\s+[^\"'\r\n]+")
_PAIR = re.compile(
    r"(?i)([\"']?\b(?:x-auth-token|x-subject-token|x-security-token|security_token|password|secret_key|sk|secret|"
    r"hwsecret|x-hw-mss-secret)[\"']?\s*[:=]\s*[\"']?)([^\s\"',;&}]+)"
)

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def redact(text: str) -> str:
    """`text` without what opens doors: signed queries become `?…`, passwords and tokens `***`."""
    text = _QUERY.sub(lambda found: "?…" if _SIGNED_QUERY.search(found[0]) else found[0], text)
    text = _USERINFO.sub(rf"\1{HIDDEN}@", text)
    text = _SCHEME.sub(rf"\1 {HIDDEN}", text)
    return _PAIR.sub(rf"\1{HIDDEN}", text)


class Redactor:
    """A structlog processor that hides secrets by key, by type, by shape and, for `secrets`, by value."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        # Short values would black out innocent words; longest first, lest one hides a part of another.
        known = sorted({way for secret in secrets for way in spellings(secret)}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {key: self._value(key, value) for key, value in event.items()}

    def text(self, text: str) -> str:
        """`text` without secrets."""
        if self._known is not None:
            text = self._known.sub(HIDDEN, text)
        return redact(text)

    def _value(self, key: str, value: Any, depth: int = 0) -> Any:
        if isinstance(value, SecretStr | SecretBytes) or (value is not None and _SECRET_KEY.match(key)):
            return HIDDEN
        if value is None or isinstance(value, bool | int | float):
            return value
        # What lies deeper is shown as text: a log line is no dump, and a cycle must end.
        if depth < 6 and isinstance(value, Mapping):
            return {str(name): self._value(str(name), item, depth + 1) for name, item in value.items()}
        if depth < 6 and isinstance(value, list | tuple | set | frozenset):
            return [self._value(key, item, depth + 1) for item in value]
        return self.text(str(value))


def configure(
    level: str = "info", fmt: LogFormat = "auto", *, secrets: Iterable[str] = (), stream: TextIO | None = None
) -> None:
    """Sets logging up for this process; calling it again replaces the set-up.

    `fmt` auto writes for the console on a terminal and JSON, one object a line, elsewhere. `secrets` are values that must
    not appear anywhere. `stream` is stderr unless given.
    """
    out = stream or sys.stderr
    console = fmt == "console" or (fmt == "auto" and out.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        # After exceptions have become text, so that none of their messages gets past.
        Redactor(secrets),
    ]
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(
            colors=out.isatty(), exception_formatter=structlog.dev.plain_traceback, timestamp_key="at"
        )
        if console
        else structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(_LEVELS[level])
    # Their own chatter is of use only to those who ask for it.
    logging.getLogger("asyncio").setLevel(logging.DEBUG if level == "debug" else logging.WARNING)
    logging.captureWarnings(capture=True)


def bound(*, run: str, step: str | None = None, attempt: int | None = None) -> AbstractContextManager[object]:
    """Binds run, step and attempt to every line logged inside the block, in this task and those it starts."""
    known = {"run": run, "step": step, "attempt": attempt}
    return bound_contextvars(**{name: value for name, value in known.items() if value is not None})
