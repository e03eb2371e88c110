import json
import traceback
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel, model_validator

from orchestrator.errors import UsageError
from orchestrator.metastudio.errors import (
    AnswerLost,
    ApiError,
    CallError,
    Executed,
    NotFound,
    ServerError,
    Throttled,
)
from orchestrator.metastudio.models.digital_asset import CreateDigitalAssetRequestBody
from orchestrator.metastudio.operation import Operation
from orchestrator.metastudio.operations import (
    AnyOperation,
    confirm_file_upload,
    confirm_training_segment,
    create_digital_asset,
    create_file,
    delete_asset,
    list_assets,
    show_asset,
    update_digital_asset,
)
from orchestrator.metastudio.wire import (
    MAX_ANSWER_DEPTH,
    MAX_BODY_BYTES,
    MAX_RETRY_AFTER_S,
    Request,
    Response,
    build_request,
    parse_body,
    read_response,
    too_large_to_sign,
)

HOST = "https://metastudio.example"


def _answer(status: int = 200, body: Any = None, **headers: str) -> Response:
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return Response(status, headers, raw)


def test_a_request_has_path_query_and_body_in_place() -> None:
    """Values are encoded so that they can't break out of their place."""
    request = build_request(show_asset, f"{HOST}/", "p", path={"asset_id": "a/../b?c#d ü"})
    assert request.url == f"{HOST}/v1/p/digital-assets/a%2F..%2Fb%3Fc%23d%20%C3%BC"
    assert (request.method, request.operation, request.reads, request.body) == (
        "GET",
        "show_asset",
        True,
        b"",
    )

    body = CreateDigitalAssetRequestBody(asset_name="手册", asset_type="IMAGE")
    request = build_request(create_digital_asset, HOST, "p", body=body)
    assert json.loads(request.body) == {"asset_name": "手册", "asset_type": "IMAGE"}
    assert request.headers["Content-Type"] == "application/json"
    assert not request.reads


def test_query_values_are_written_as_the_service_reads_them() -> None:
    """Booleans, times, lists by pairs or commas; None is left out."""
    request = build_request(
        list_assets,
        HOST,
        "p",
        query={
            "is_movable": True,
            "start_time": datetime(2025, 8, 19, 8, tzinfo=UTC),
            "asset_type": ["IMAGE", "VIDEO"],
            "asset_id": ["a", "b"],
            "name": "a&b=c d",
            "tag": None,
        },
    )
    assert request.url.partition("?")[2] == (
        "is_movable=true&start_time=2025-08-19T08%3A00%3A00Z&asset_type=IMAGE%2CVIDEO"
        "&asset_id=a&asset_id=b&name=a%26b%3Dc%20d"
    )


@pytest.mark.parametrize(
    ("query", "written"),
    [
        ({"asset_type": {"VIDEO", "IMAGE"}}, "asset_type=IMAGE%2CVIDEO"),
        ({"asset_id": frozenset("ba")}, "asset_id=a&asset_id=b"),
        ({"asset_id": ("b", "a")}, "asset_id=b&asset_id=a"),
        ({"asset_id": "a"}, "asset_id=a"),
        ({"asset_type": "IMAGE, VIDEO"}, "asset_type=IMAGE%2CVIDEO"),
        ({"limit": "10", "is_movable": "true"}, "limit=10&is_movable=true"),
        ({"name": 5, "is_movable": 0}, "name=5&is_movable=false"),
        ({"asset_id": [], "name": "a"}, "name=a"),
    ],
)
def test_what_means_the_same_is_written_the_same(query: dict[str, object], written: str) -> None:
    """Whichever collection or text a value came in; a set in the order of its texts."""
    assert build_request(list_assets, HOST, "p", query=query).url.partition("?")[2] == written


@pytest.mark.parametrize(
    ("operation", "arguments", "message"),
    [
        (show_asset, {}, "path parameter asset_id"),
        (show_asset, {"path": {"asset_id": ""}}, "path parameter asset_id"),
        (show_asset, {"path": {"asset_id": ".."}}, "path parameter asset_id"),
        (show_asset, {"path": {"asset_id": None}}, "path parameter asset_id of show_asset has to be text"),
        (show_asset, {"path": {"asset_id": 5}}, "path parameter asset_id of show_asset has to be text"),
        (show_asset, {"path": {"asset_id": "a", "project_id": "other"}}, "no path parameter 'project_id'"),
        (list_assets, {"query": {"limit": 101}}, "limit has to be less than or equal to 100"),
        (list_assets, {"query": {"limit": "ten"}}, "limit has to be a valid integer"),
        (list_assets, {"query": {"sort_dir": "up"}}, "sort_dir has to be one of asc, desc"),
        (list_assets, {"query": {"asset_type": "IMGE"}}, "did you mean 'IMAGE'?"),
        (list_assets, {"query": {"asset_type": ["IMAGE", "IMGE"]}}, "asset_type[1] has to be one of"),
        (list_assets, {"query": {"name": ["a"]}}, "name has to be a valid string"),
        (list_assets, {"query": {"is_movable": "perhaps"}}, "is_movable"),
        (show_asset, {"path": {"asset_id": "a", "assetid": "b"}}, "Did you mean 'asset_id'?"),
        (list_assets, {"query": {"offsett": 1}}, "Did you mean 'offset'?"),
        (confirm_training_segment, {"query": {"job_id": "j"}}, "query parameter index"),
        (create_digital_asset, {}, "needs a body"),
        (
            create_file,
            {"body": CreateDigitalAssetRequestBody(asset_name="a", asset_type="IMAGE")},
            "FilesCreateReq",
        ),
        (show_asset, {"path": {"asset_id": "a"}, "body": Request("GET", HOST)}, "no body"),
    ],
)
def test_a_wrong_request_is_never_built(
    operation: AnyOperation, arguments: dict[str, Any], message: str
) -> None:
    """Missing, empty, misspelt parameters and foreign bodies are named before anything is sent."""
    with pytest.raises(UsageError) as caught:
        build_request(operation, HOST, "p", **arguments)
    assert message in str(caught.value)


def test_a_body_over_12_mib_is_too_large_to_sign() -> None:
    """It is built all the same: with a token it may be sent."""
    for size, expected in [(MAX_BODY_BYTES, False), (MAX_BODY_BYTES + 1, True)]:
        body = CreateDigitalAssetRequestBody.model_construct(asset_name="x" * (size - 38), asset_type="IMAGE")
        request = build_request(create_digital_asset, HOST, "p", body=body)
        assert len(request.body) == size
        assert too_large_to_sign(request) is expected


def test_half_a_character_is_refused_before_it_breaks_an_encoder() -> None:
    """A lone surrogate, as cut text holds it, in path, query or body."""
    with pytest.raises(UsageError, match="asset_id"):
        build_request(show_asset, HOST, "p", path={"asset_id": "a\ud800"})
    with pytest.raises(UsageError, match="name"):
        build_request(list_assets, HOST, "p", query={"name": "\udc00"})
    body = CreateDigitalAssetRequestBody.model_construct(asset_name="\ud800", asset_type="IMAGE")
    with pytest.raises(UsageError, match="JSON"):
        build_request(create_digital_asset, HOST, "p", body=body)


def test_plain_data_becomes_the_model_of_the_operation() -> None:
    """All faults are named by field; an optional body may be left out."""
    assert parse_body(create_digital_asset, {"asset_name": "a", "asset_type": "IMAGE"}) is not None
    assert parse_body(update_digital_asset, None) is None
    assert parse_body(delete_asset, None) is None
    with pytest.raises(UsageError, match=r"(?s)asset_type.*asset_nam") as caught:
        parse_body(create_digital_asset, {"asset_nam": "secret text", "asset_type": "X"})
    assert "secret text" not in str(caught.value)
    with pytest.raises(UsageError, match="takes no body"):
        parse_body(delete_asset, {"a": 1})
    with pytest.raises(UsageError, match="asset_name"):
        parse_body(create_digital_asset, None)


def test_no_repr_of_a_request_shows_what_is_secret() -> None:
    """A report URL holds a key, headers a signature, a body presigned URLs."""
    request = Request("POST", f"{HOST}?auth_key=s3cret", {"Authorization": "s3cret"}, b"s3cret")
    assert "s3cret" not in repr(request)
    assert "s3cret" not in repr(Response(200, {"X-Subject-Token": "s3cret"}, b"s3cret"))


def test_an_answer_becomes_its_model() -> None:
    """201 and 202 are as good as 200; operations without an answer return None."""
    assert read_response(show_asset, _answer(body={"asset_id": "a"})).asset_id == "a"
    assert read_response(create_digital_asset, _answer(201, {"asset_id": "a"})).asset_id == "a"
    read_response(delete_asset, _answer(204))
    read_response(confirm_file_upload, _answer(200, {}))


@pytest.mark.parametrize(
    ("operation", "expected"),
    [(create_file, Executed.UNKNOWN), (show_asset, Executed.NO)],
    ids=["write", "read"],
)
@pytest.mark.parametrize(
    "answer",
    [
        _answer(200),
        _answer(200, b"   "),
        _answer(200, b'{"file_id": "f", "uplo'),
        _answer(200, b"<html>Login</html>", **{"Content-Type": "text/html"}),
        _answer(200, b"[" * 100_000),
        _answer(200, []),
        _answer(200, "text"),
        _answer(200, b"\xff\xfe\xfa"),
        _answer(200, b'{"file_id": NaN}'),
        _answer(200, b'{"file_id": "f", "x": 1e999}'),
        _answer(200, b'{"file_id": "f", "x": ' + b"9" * 5000 + b"}"),
        _answer(200, b'{"file_id": "f", "file_id": "g"}'),
        _answer(200, b"all is well", **{"Content-Type": "text/plain"}),
        _answer(302, b"", Location="https://elsewhere/?Signature=s3cret"),
        _answer(307),
        _answer(502, b"<html>Bad Gateway</html>"),
    ],
    ids=range(16),
)
def test_what_is_no_answer_of_the_api_is_an_answer_lost(
    operation: AnyOperation, expected: Executed, answer: Response
) -> None:
    """Empty, truncated, HTML, absurd or redirected: a writing call may have been executed."""
    with pytest.raises(AnswerLost) as caught:
        read_response(operation, answer)
    assert caught.value.executed is expected
    assert "s3cret" not in str(caught.value)


def test_a_creation_that_names_nothing_is_an_answer_lost() -> None:
    """Without an id it isn't known what was made."""
    with pytest.raises(AnswerLost):
        read_response(create_file, _answer(200, {"something": "else"}))


def test_a_login_page_is_no_confirmation() -> None:
    """An operation that answers nothing must not take a proxy's page for success."""
    with pytest.raises(AnswerLost, match="HTML"):
        read_response(confirm_file_upload, _answer(200, b"<html>", **{"Content-Type": "text/html"}))


def test_a_refusal_carries_code_message_and_request_id() -> None:
    """From the body and the header, whatever its case."""
    body = {"error_code": "MSS.10001003", "error_msg": "Asset\n name  too long"}
    with pytest.raises(ApiError) as caught:
        read_response(create_digital_asset, _answer(400, body, **{"x-request-id": "r1"}))
    error = caught.value
    assert (error.code, error.api_message, error.request_id) == ("MSS.10001003", "Asset name too long", "r1")
    assert (error.status, error.executed) == (400, Executed.NO)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (404, b"<html>nginx</html>", NotFound),
        (404, [1], NotFound),
        (500, {"error_code": "MSS.00000004", "error_msg": "Internal Error"}, ServerError),
        (429, {"error_code": "APIGW.0308", "error_msg": "throttled", "request_id": "g1"}, Throttled),
        (401, {"error": {"code": 401, "message": "Wrong password", "title": "Unauthorized"}}, ApiError),
    ],
)
def test_refusals_of_gateway_and_iam_are_understood(status: int, body: Any, kind: type[ApiError]) -> None:
    """Each has its own shape of error."""
    with pytest.raises(kind) as caught:
        read_response(show_asset, _answer(status, body))
    assert str(status) in str(caught.value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("7", 7.0),
        ("0", 0.0),
        (" 12 ", 12.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("9" * 400, MAX_RETRY_AFTER_S),
        ("Tue, 19 Aug 2025 08:00:30 GMT", 30.0),
        ("Tue, 19 Aug 2025 10:00:30 +0200", 30.0),
        ("Tue, 19 Aug 2025 07:59:00 GMT", 0.0),
        ("Tue, 19 Aug 2099 08:00:30 GMT", MAX_RETRY_AFTER_S),
        ("Tue, 99 Aug 2025 08:00:30 GMT", None),
    ],
)
def test_retry_after_is_read_in_both_forms(value: str, expected: float | None) -> None:
    """Seconds, or a date by the server's own clock, which its answer shows; never longer than an hour."""
    headers = {"Retry-After": value, "date": "Tue, 19 Aug 2025 08:00:00 GMT"}
    with pytest.raises(Throttled) as caught:
        read_response(show_asset, _answer(429, **headers))
    assert caught.value.retry_after_s == expected


def test_a_date_to_come_back_at_needs_the_servers_clock() -> None:
    """Without the date of the answer, ours might be an hour off."""
    with pytest.raises(Throttled) as caught:
        read_response(show_asset, _answer(429, **{"Retry-After": "Tue, 19 Aug 2025 08:00:30 GMT"}))
    assert caught.value.retry_after_s is None


@pytest.mark.parametrize("operation", [create_file, delete_asset], ids=["with a model", "without"])
def test_an_error_inside_a_success_is_an_error(operation: AnyOperation) -> None:
    """Some codes of the reference come with status 200."""
    with pytest.raises(ApiError, match=r"MSS\.50001009") as caught:
        read_response(operation, _answer(200, {"error_code": "MSS.50001009", "error_msg": "no URL"}))
    assert caught.value.executed is Executed.UNKNOWN


@pytest.mark.parametrize("location", ["http://[bad", "http://user:s3cret@\u2100.com/", "//[", "\udcff", ""])
@pytest.mark.parametrize("operation", [show_asset, create_digital_asset])
def test_a_redirect_to_nowhere_is_an_answer_lost(operation: AnyOperation, location: str) -> None:
    """Whatever its Location says; a write may have been executed."""
    with pytest.raises(AnswerLost, match="redirect") as caught:
        read_response(operation, _answer(302, b"", Location=location))
    assert caught.value.executed is (Executed.NO if operation.reads else Executed.UNKNOWN)
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("leaf", [b"1", b'"\\u00e9"'])
@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("levels", [MAX_ANSWER_DEPTH, 400, 900, 100_000])
def test_a_deeply_nested_answer_is_no_answer(levels: int, status: int, leaf: bytes) -> None:
    """Who walks through it would come to the end of the stack."""
    body = b'{"assets": [], "x": ' + b"[" * levels + leaf + b"]" * levels + b"}"
    with pytest.raises(CallError, match="nested too deeply"):
        read_response(list_assets, _answer(status, body))


def test_a_nested_answer_is_kept_whole() -> None:
    """Fields that the reference doesn't know may nest as deeply as any service would."""
    levels = MAX_ANSWER_DEPTH - 1
    body = b'{"assets": [], "x": ' + b"[" * levels + b"]" * levels + b"}"
    answer = read_response(list_assets, _answer(200, body))
    assert json.loads(answer.model_dump_json())["x"]


def test_whatever_breaks_while_an_answer_is_read_is_an_answer_lost() -> None:
    """The request has left: no other error may make it look as if it hadn't."""

    class Broken(BaseModel):
        @model_validator(mode="before")
        @classmethod
        def _fail(cls, _data: object) -> object:
            raise RecursionError

    class BrokenOperation(Operation[None, Broken]):
        response = Broken

    operation = BrokenOperation("x", "POST", "/", "x", "1", "x", response_ref="x:X")
    with pytest.raises(AnswerLost, match=r"can't be read \(RecursionError\)") as caught:
        read_response(operation, _answer(200, {}))
    assert caught.value.executed is Executed.UNKNOWN
