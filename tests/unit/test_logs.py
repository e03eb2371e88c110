"""What the log shows, and what it never shows."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from pydantic import SecretStr

from orchestrator.logs import HIDDEN, Redactor, bound, configure, redact

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Logging as it was, once the test is over."""
    root, usual = logging.getLogger(), structlog.get_config()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.configure(**usual)


@pytest.fixture
def lines() -> Lines:
    """JSON logging into memory; the lines so far."""
    stream = io.StringIO()
    configure("info", "json", secrets=["the-very-secret-key"], stream=stream)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_line(lines: Lines) -> None:
    """A line has the event, its level, a UTC time and what was bound, and inner bindings end with their block."""
    log = structlog.get_logger()
    with bound(run="r1"):
        with bound(run="r1", step="upload", attempt=2):
            log.info("step.failed", reason="no")
        log.warning("after")
    log.debug("hidden")
    first, second = lines()
    assert first["event"] == "step.failed"
    assert (first["run"], first["step"], first["attempt"]) == ("r1", "upload", 2)
    assert first["level"] == "info"
    assert first["at"].endswith("Z")
    assert (second["run"], "step" in second) == ("r1", False)


def test_standard_logging_goes_the_same_way(lines: Lines) -> None:
    """Lines of other libraries come out in the same form, redacted the same way."""
    logging.getLogger("aiohttp.access").info('"PUT %s"', "/bucket/a?AccessKeyId=AK&Signature=S HTTP/1.1")
    logging.getLogger("x").warning("extra", extra={"password": "hunter22"})
    first, second = lines()
    assert first["event"] == '"PUT /bucket/a?… HTTP/1.1"'
    assert second["password"] == HIDDEN


def test_secrets_stay_out(lines: Lines) -> None:
    """Secrets are hidden by key, by type, by value and inside nested data and exceptions."""
    log = structlog.get_logger()
    try:
        raise ValueError("https://h/x?Signature=sig the-very-secret-key")  # noqa: TRY301 - a traceback is wanted
    except ValueError:
        log.exception("failed", sk="SKSKSK", nested={"X-Auth-Token": "TOKTOK", "n": [SecretStr("PSTPST"), 1]})
    log.info("plain the-very-secret-key", url="https://h/x?Signature=sig&Expires=1", token="TOKTOK")
    text = json.dumps(lines())
    for secret in ("SKSKSK", "TOKTOK", "PSTPST", "Signature", "the-very-secret-key"):
        assert secret not in text
    assert "Traceback" in text
    assert lines()[0]["nested"]["n"] == [HIDDEN, 1]


def test_console() -> None:
    """The console form is one readable line."""
    stream = io.StringIO()
    configure("info", "console", stream=stream)
    structlog.get_logger().info("run.started", pipeline="p", url="http://h/?secret=abc&time_stamp=1")
    assert "run.started" in stream.getvalue()
    assert "secret" not in stream.getvalue()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("GET https://h/p?limit=10&offset=2 ok", "GET https://h/p?limit=10&offset=2 ok"),
        ("https://obs/b/o?AccessKeyId=A&Expires=1&Signature=x%2F end", "https://obs/b/o?… end"),
        ("'https://s3/o?X-Amz-Algorithm=a&X-Amz-Signature=b'", "'https://s3/o?…'"),
        ("POST /callbacks/video/r1?secret=ab&time_stamp=19", "POST /callbacks/video/r1?…"),
        ("/live?hwSecret=ab&hwTime=1", "/live?…"),
        ("postgresql://me:pass@db/x", "postgresql://***@db/x"),
        ("Authorization: SDK-HMAC-SHA256 Access=AK, Signature=s", "Authorization: SDK-HMAC-SHA256 ***"),
        ("X-Auth-Token: abc.def", "X-Auth-Token: ***"),
        ('{"sk": "abc", "title": "t"}', '{"sk": "***", "title": "t"}'),
        ("the task=5 asks for a token", "the task=5 asks for a token"),
    ],
)
def test_redact(text: str, expected: str) -> None:
    """Text keeps its sense and loses its secrets."""
    assert redact(text) == expected
    assert redact(expected) == expected


def test_redactor_survives_anything() -> None:
    """Cycles, bytes, odd keys and short secrets do no harm."""
    cycle: dict[Any, Any] = {1: b"bytes"}
    cycle["self"] = cycle
    shown = Redactor(["a", ""])(None, "info", {"event": "a cat", "cycle": cycle})
    assert shown["event"] == "a cat"
    assert shown["cycle"]["1"] == "b'bytes'"


def test_secrets_are_hidden_however_they_are_written() -> None:
    """As addresses and JSON write them, too."""
    hide = Redactor(['the "véry"/secret'])
    for spelling in ('the "véry"/secret', "the%20%22v%C3%A9ry%22%2Fsecret", 'the \\"v\\u00e9ry\\"/secret'):
        assert hide.text(f"<{spelling}>") == f"<{HIDDEN}>"
