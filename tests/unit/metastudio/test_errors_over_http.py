"""Whatever comes over the line is an answer or an error with cause, hint and request id; no secret is in its words."""

import asyncio
import gzip
import json
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from orchestrator.metastudio.auth.aksk import sign
from orchestrator.metastudio.auth.credentials import AkSk, Token, TokenLogin
from orchestrator.metastudio.auth.token import TokenSource
from orchestrator.metastudio.errors import (
    AnswerLost,
    ApiError,
    CallError,
    ConnectFailed,
    Executed,
    Forbidden,
    InvalidRequest,
    NotFound,
    ServerError,
    Throttled,
)
from orchestrator.metastudio.operations import AnyOperation, create_file, delete_file, show_asset
from orchestrator.metastudio.transport import AioHttpTransport
from orchestrator.metastudio.wire import Request, read_response

SECRET = "s3ntinel0123456789"
AT = datetime(2025, 8, 19, tzinfo=UTC)
ID = b"X-Request-Id: req-1\r\n"
SIGNED = f"https://obs.example/b/o?AccessKeyId=x&Expires=1&Signature={SECRET}".encode()


@asynccontextmanager
async def server(answer: bytes) -> AsyncIterator[str]:
    """Takes one request a connection, sends `answer` and hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"


def _request(operation: AnyOperation, url: str) -> Request:
    headers = sign(
        AkSk("AK", SECRET, SECRET),
        method=operation.method,
        url=url,
        headers={"X-Auth-Token": SECRET},
        body=b"",
        now=AT,
    )
    return Request(operation.method, url, headers, SECRET.encode(), operation.id, reads=operation.reads)


async def _failure(operation: AnyOperation, answer: bytes) -> CallError:
    """The error of a call that is answered so; it has been searched for secrets."""
    async with server(answer) as host, AioHttpTransport() as transport:
        request = _request(operation, f"{host}/v1/p/x?auth_key={SECRET}")
        with pytest.raises(CallError) as caught:
            read_response(operation, await transport.send(request, timeout_s=2))
    error = caught.value
    told = [
        str(error),
        repr(error),
        error.message,
        error.hint,
        error.request_id,
        repr(request),
        repr(request.url[:0]),
    ]
    assert SECRET not in "".join([*told, *traceback.format_exception(error)])
    assert error.hint
    assert error.operation == operation.id
    return error


def _http(status: str, body: bytes = b"", *headers: bytes, length: int | None = None) -> bytes:
    lines = [
        b"HTTP/1.1 " + status.encode(),
        *headers,
        b"Content-Length: %d" % (len(body) if length is None else length),
    ]
    return b"\r\n".join(lines) + b"\r\n" + ID + b"\r\n" + body


HTML = b"<!DOCTYPE html><html><body>Bad Gateway " + SIGNED + b"</body></html>"
JSON = b"Content-Type: application/json;charset=UTF-8"
TEXT = b"Content-Type: text/plain"
PAGE = b"Content-Type: text/html"

#: Name, answer, error, words of its cause.
LOST = [
    ("html under 200", _http("200 OK", HTML, PAGE), AnswerLost, "HTML"),
    ("html that calls itself json", _http("200 OK", HTML, JSON), AnswerLost, "HTML"),
    ("html from a gateway", _http("502 Bad Gateway", HTML, PAGE), ServerError, "HTML"),
    ("html from a firewall", _http("403 Forbidden", HTML, PAGE), Forbidden, "HTML"),
    ("empty", _http("200 OK"), AnswerLost, "is empty"),
    ("empty 204", b"HTTP/1.1 204 No Content\r\n" + ID + b"\r\n", AnswerLost, "is empty"),
    ("empty 503", _http("503 Service Unavailable"), ServerError, "is empty"),
    ("empty 404", _http("404 Not Found"), NotFound, "is empty"),
    (
        "body cut",
        _http("200 OK", b'{"file_id": "f", "up', JSON, length=500),
        AnswerLost,
        "lost after HTTP 200",
    ),
    (
        "error body cut",
        _http("400 Bad Request", b'{"err', JSON, length=500),
        AnswerLost,
        "lost after HTTP 400",
    ),
    (
        "chunks cut",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" + ID + b"\r\nff\r\n" + SIGNED,
        AnswerLost,
        "lost after HTTP 200",
    ),
    (
        "json cut, length right",
        _http("200 OK", b'{"file_id": "f", "up', JSON),
        AnswerLost,
        "broken JSON (Unterminated",
    ),
    ("redirect", _http("302 Found", b"", b"Location: " + SIGNED), AnswerLost, "redirect to obs.example"),
    ("redirect to nowhere", _http("307 Temporary Redirect"), AnswerLost, "redirect"),
    ("not modified", b"HTTP/1.1 304 Not Modified\r\n" + ID + b"\r\n", AnswerLost, "redirect"),
    ("text", _http("200 OK", SIGNED, TEXT), AnswerLost, "text/plain instead of JSON"),
    ("text error", _http("400 Bad Request", SIGNED, TEXT), InvalidRequest, "text/plain instead of JSON"),
    (
        "xml",
        _http("200 OK", b"<?xml version='1.0'?><Error/>", b"Content-Type: application/xml"),
        AnswerLost,
        "XML",
    ),
    ("no utf-8", _http("200 OK", b'{"a": "\xff"}', JSON), AnswerLost, "byte 8 is not UTF-8"),
    ("no utf-8 error", _http("400 Bad Request", b"\xff", JSON), InvalidRequest, "not UTF-8"),
    ("NaN", _http("200 OK", b'{"file_id": NaN}', JSON), AnswerLost, "NaN"),
    ("a key twice", _http("200 OK", b'{"a": 1, "a": 2}', JSON), AnswerLost, "occurs twice"),
    ("nested", _http("200 OK", b"[" * 200_000, JSON), AnswerLost, "nested too deeply"),
    ("a list", _http("200 OK", b"[1]", JSON), AnswerLost, "shape"),
    ("a word", _http("200 OK", b'"ok"', JSON), AnswerLost, "shape"),
    ("huge", _http("200 OK", b"0" * 20, length=10**12), AnswerLost, "lost after HTTP 200"),
    ("another encoding", _http("200 OK", b"nope", b"Content-Encoding: gzip"), AnswerLost, "lost"),
    ("an odd status", _http("299 Whatever", b'{"a": 1', JSON), AnswerLost, "broken JSON"),
    (
        "an unknown status",
        _http("418 Teapot", b'{"error_code": "T.1", "error_msg": "short"}', JSON),
        InvalidRequest,
        "short",
    ),
]


@pytest.mark.parametrize("operation", [create_file, show_asset], ids=["write", "read"])
@pytest.mark.parametrize(
    ("answer", "kind", "why"), [case[1:] for case in LOST], ids=[case[0] for case in LOST]
)
async def test_no_answer_ends_in_a_traceback(
    operation: AnyOperation, answer: bytes, kind: type[CallError], why: str
) -> None:
    """The error says what came instead, under which request id, and whether the call may have been executed."""
    error = await _failure(operation, answer)
    assert type(error) is kind
    assert why in str(error)
    assert error.request_id == "req-1"
    refused = isinstance(error, ApiError) and error.status < 500
    assert error.executed is (Executed.NO if operation.reads or refused else Executed.UNKNOWN)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nX-Subject-Token: " + SECRET.encode(),
        b"SSH-2.0-OpenSSH " + SECRET.encode() + b"\r\n\r\n",
        b"HTTP/1.1 " + SECRET.encode() + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + SECRET.encode() + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n" + SECRET.encode() + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: \x00" + SECRET.encode() + b"\r\nContent-Length: 2\r\n\r\n[]",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 3,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + SIGNED + b"\r\n",
    ],
)
@pytest.mark.parametrize("operation", [create_file, show_asset], ids=["write", "read"])
async def test_what_is_no_http_is_an_answer_lost(operation: AnyOperation, answer: bytes) -> None:
    """Broken heads, foreign protocols and endless headers; their bytes are not repeated in the error."""
    error = await _failure(operation, answer)
    assert type(error) is AnswerLost
    assert error.executed is (Executed.NO if operation.reads else Executed.UNKNOWN)


async def test_an_operation_without_an_answer_takes_an_empty_one_only() -> None:
    """Deleting succeeds with nothing; with a login page it did not."""
    async with server(_http("204 No Content")) as host, AioHttpTransport() as transport:
        answer = await transport.send(_request(delete_file, f"{host}/x"), timeout_s=2)
        read_response(delete_file, answer)
    assert "HTML" in str(await _failure(delete_file, _http("200 OK", HTML, PAGE)))


async def test_compressed_answers_are_read() -> None:
    """As gateways send them when asked to."""
    body = gzip.compress(b'{"asset_id": "a"}')
    async with (
        server(_http("200 OK", body, b"Content-Encoding: gzip")) as host,
        AioHttpTransport() as transport,
    ):
        answer = await transport.send(_request(show_asset, f"{host}/x"), timeout_s=2)
    assert read_response(show_asset, answer).asset_id == "a"


async def test_a_throttle_says_when_to_come_back() -> None:
    """In seconds by the server's clock, whatever ours says."""
    body = b'{"error_code": "APIGW.0308", "error_msg": "The throttling threshold has been reached", "request_id": "g"}'
    headers = (JSON, b"Date: Tue, 19 Aug 2025 08:00:00 GMT", b"Retry-After: Tue, 19 Aug 2025 08:00:02 GMT")
    error = await _failure(create_file, _http("429 Too Many Requests", body, *headers))
    assert isinstance(error, Throttled)
    assert (error.retry_after_s, error.request_id, error.executed) == (2.0, "req-1", Executed.NO)


@pytest.mark.parametrize(
    "message",
    [
        f"Download failed: {SIGNED.decode()}",
        f"see https://user:{SECRET}@proxy.example/x",
        f"Incorrect signature: SDK-HMAC-SHA256 Access=AK, SignedHeaders=host, Signature={SECRET}",
        f"Signature: {SECRET}",
        f"bad header X-Auth-Token: {SECRET}",
        f'{{"security_token":"{SECRET}"}}',
        f"Authorization Bearer {SECRET} refused",
        f"password={SECRET}",
    ],
)
async def test_what_the_service_quotes_is_not_passed_on(message: str) -> None:
    """Its messages may hold presigned URLs (MSS.45000007) or what it was sent."""
    body = json.dumps({"error_code": "MSS.45000007", "error_msg": message}).encode()
    error = await _failure(create_file, _http("400 Bad Request", body, JSON))
    assert isinstance(error, InvalidRequest)
    assert SECRET not in error.api_message
    assert "***" in error.api_message or "://" in error.api_message


async def test_an_error_message_is_one_short_line() -> None:
    """Line breaks could forge log lines, terminal codes could rewrite the screen, half characters break encoders."""
    body = json.dumps({"error_code": "M\n1", "error_msg": "a\n\x1b[2Jb\ud800" + "x" * 10_000}).encode()
    error = await _failure(create_file, _http("400 Bad Request", body, JSON))
    assert isinstance(error, ApiError)
    assert error.api_message.startswith("a [2Jb\ufffdx")
    assert (len(error.api_message), error.code) == (500, "")
    str(error).encode()


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        (f"http://[::1/{SECRET}", {}),
        (f"nowhere/{SECRET}", {}),
        (f"ftp://host/{SECRET}", {}),
        (f"http:///{SECRET}", {}),
        (f"http://h:port/{SECRET}", {}),
        (f"http://\u2603..x/{SECRET}", {}),
        (f"http://a..example/{SECRET}", {}),
        (f"http://{'y' * 64}.example/{SECRET}", {}),
        (f"http://user:{SECRET}@127.0.0.1/", {"Authorization": SECRET}),
        ("http://127.0.0.1/", {"X-App-UserId": f"a\r\nX-Evil: {SECRET}"}),
        ("http://127.0.0.1/", {"X-App-UserId": f"\ud800{SECRET}"}),
    ],
)
async def test_a_request_that_cannot_be_written_never_left(url: str, headers: dict[str, str]) -> None:
    """A broken endpoint or header is no outage: trying again won't help."""
    async with AioHttpTransport() as transport:
        with pytest.raises(ConnectFailed) as caught:
            await transport.send(Request("POST", url, headers, b"", "create_file"), timeout_s=2)
    assert (caught.value.executed, caught.value.retry.value) == (Executed.NO, "never")
    assert SECRET not in "".join(traceback.format_exception(caught.value))


async def test_credentials_are_in_no_repr_and_no_log() -> None:
    """Login, key pair, token, and the source that holds one; a failed renewal is logged without them."""
    now = [AT]
    login = TokenLogin("u", SECRET, "d", "p", "")
    body = b'{"token": {}}'
    async with AioHttpTransport() as transport:
        async with server(_http("201 Created", body, b"X-Subject-Token: " + SECRET.encode())) as host:
            source = TokenSource(TokenLogin("u", SECRET, "d", "p", host), transport, lambda: now[0])
            assert await source.get() == SECRET
        now[0] = datetime(2025, 8, 19, 23, 45, tzinfo=UTC)
        with capture_logs() as logged:
            assert await source.get() == SECRET
    shown = repr([login, AkSk("ak", SECRET, SECRET), Token(SECRET), source, vars(source)])
    (line,) = logged
    assert line["event"] == "token not renewed"
    assert SECRET not in shown + repr(line)
