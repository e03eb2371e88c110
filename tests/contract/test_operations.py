"""Every operation called over HTTP by its typed method, judged by the OpenAPI document alone.

What is expected of a request is derived here from the document, not from the generated table that the client works with.
"""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qsl, quote

import pytest
from aiohttp import web
from pydantic import BaseModel
from ruamel.yaml import YAML

from orchestrator.limits.local import LocalLimiter
from orchestrator.metastudio import AkSk, MetaStudio, Token
from orchestrator.metastudio.operations import OPERATIONS

DOCUMENT: Mapping[str, Any] = YAML(typ="safe", pure=False).load(
    files("orchestrator.metastudio").joinpath("spec/metastudio.openapi.yaml").read_text(encoding="utf-8")
)
COMPONENTS = DOCUMENT["components"]
PROJECT = "0f1e2d3c4b5a"
#: Headers of the document that the client makes itself; every other one is for the caller to give.
OWN = {"X-Auth-Token", "X-Sdk-Date", "X-Project-Id", "Authorization"}
MOMENT = datetime(2025, 8, 19, 8, 5, tzinfo=UTC)


@dataclass(frozen=True)
class Documented:
    """An operation as the document has it."""

    id: str
    method: str
    path: str
    facts: Mapping[str, Any] = field(repr=False)

    def parameters(self, where: str) -> Iterator[Mapping[str, Any]]:
        for one in self.facts["parameters"]:
            found = _resolved(one)
            if found["in"] == where:
                yield found

    @property
    def answer(self) -> tuple[int, Any]:
        """Status and body of success: the document's example, else one made from its schema; None: no body."""
        for status, answer in self.facts["responses"].items():
            if status.startswith("2"):
                return int(status), _sample_body(answer.get("content"))
        raise AssertionError(self.id)

    @property
    def answer_schema(self) -> str:
        """Name of the schema of success; empty: no body."""
        status = str(self.answer[0])
        content = self.facts["responses"][status].get("content")
        return _name(content["application/json"]["schema"]) if content else ""


def _documented() -> Iterator[Documented]:
    for path, item in DOCUMENT["paths"].items():
        for method, facts in item.items():
            yield Documented(facts["operationId"], method.upper(), path, facts)


def _resolved(node: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in node:
        found: Any = DOCUMENT
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


ALL = {one.id: one for one in _documented()}
PAGED = {
    name: one
    for name, one in ALL.items()
    if {"limit", "offset"} <= {x["name"] for x in one.parameters("query")}
}


def _name(schema: Mapping[str, Any]) -> str:
    """The schema's name, that of what it stands for if it is a second name."""
    while "$ref" in COMPONENTS["schemas"][name := str(schema["$ref"]).rpartition("/")[2]]:
        schema = COMPONENTS["schemas"][name]
    return name


def _sample_body(content: Mapping[str, Any] | None) -> Any:
    if not content:
        return None
    media = content["application/json"]
    for example in media.get("examples", {}).values():
        if "x-doc-bug" not in example:
            return example["value"]
    return _sample(media["schema"])


#: Bodies where the document has no sound example and what the schema requires isn't enough.
BODIES: Mapping[str, Any] = {
    "create_video_scripts": {
        "script_name": "Kettle",
        "shoot_scripts": [{"shoot_script": {"text_config": {"text": "Hello."}}}],
    }
}


def _sample(schema: Mapping[str, Any]) -> Any:
    """A value of the schema, with no more than it requires (one field if it requires none)."""
    schema = _resolved(schema)
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type", "object"):
        case "object":
            names = schema.get("required") or list(schema.get("properties", {}))[:1]
            return {name: _sample(schema["properties"][name]) for name in names}
        case "array":
            return [_sample(schema["items"])] * max(1, schema.get("minItems", 1))
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case _:
            return "x" * max(1, schema.get("minLength", 1))


def _query_sample(parameter: Mapping[str, Any]) -> tuple[Any, list[str]]:
    """A parameter as Python gives it, and the values that have to arrive."""
    schema = parameter["schema"]
    if schema.get("type") == "array":
        values = ["one & more", "zw\u00f6lf"]
        # As repeated pairs: the document infers commas from the official SDK, whose core repeats the pair all the same.
        return values, values
    if schema.get("x-comma-separated"):
        values = schema.get("x-item-enum", ["first", "second"])[:2]
        return values, [",".join(values)]
    if schema.get("format") == "date-time":
        return MOMENT, ["2025-08-19T08:05:00Z"]
    if schema.get("type") == "boolean":
        return False, ["false"]
    if schema.get("type") == "integer":
        return schema["maximum"], [str(schema["maximum"])]
    value = schema["enum"][-1] if "enum" in schema else "\u6c34 & \u58f6+=%2F"
    return value, [value]


def _same(sent: Any, expected: Any) -> bool:
    """Equal but for nulls, and for numbers written as text."""
    if isinstance(sent, dict) and isinstance(expected, dict):
        ours, theirs = ({k: v for k, v in one.items() if v is not None} for one in (sent, expected))
        return ours.keys() == theirs.keys() and all(_same(ours[key], theirs[key]) for key in ours)
    if isinstance(sent, list) and isinstance(expected, list):
        return len(sent) == len(expected) and all(map(_same, sent, expected))
    if isinstance(sent, int | float) and isinstance(expected, int | float):
        return sent == expected
    return str(sent) == str(expected)


class Recorder:
    """A server that answers what it is told to and keeps what it was sent."""

    def __init__(self) -> None:
        self.requests: list[tuple[web.BaseRequest, bytes]] = []
        self.respond: Any = None
        self.endpoint = ""

    async def __call__(self, request: web.BaseRequest) -> web.Response:
        self.requests.append((request, await request.read()))
        status, body = self.respond(request)
        headers = {"X-Request-Id": "request-1"}
        return (
            web.Response(status=status, headers=headers)
            if body is None
            else web.json_response(body, status=status)
        )


@pytest.fixture
async def recorder() -> AsyncIterator[Recorder]:
    recorder = Recorder()
    runner = web.ServerRunner(web.Server(recorder))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    recorder.endpoint = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield recorder
    await runner.cleanup()


def _client(recorder: Recorder, credentials: AkSk | Token) -> MetaStudio:
    return MetaStudio(
        credentials,
        region="cn-north-4",
        endpoint=recorder.endpoint,
        project_id=PROJECT,
        limiter=LocalLimiter(dict.fromkeys(ALL, 1000.0)),
        clock=lambda: MOMENT,
    )


def test_the_document_has_66_operations() -> None:
    """And the client a method for each."""
    assert len(ALL) == 66
    assert set(ALL) == set(OPERATIONS)
    assert all(callable(getattr(MetaStudio, name)) for name in ALL)


@pytest.mark.parametrize("credentials", [AkSk("AK", "SK"), Token("the-token")], ids=["key pair", "token"])
@pytest.mark.parametrize("operation", ALL.values(), ids=ALL)
async def test_an_operation_over_http(
    operation: Documented, credentials: AkSk | Token, recorder: Recorder
) -> None:
    """Method, path, query, headers and body are the document's, and its answer becomes the typed result."""
    status, answer = operation.answer
    recorder.respond = lambda _: (status, answer)
    path = {one["name"]: f"{one['name']} 1/\u00e4~" for one in operation.parameters("path")} | {
        "project_id": PROJECT
    }
    query = {one["name"]: _query_sample(one) for one in operation.parameters("query")}
    headers = {
        one["name"]: f"value of {one['name']}"
        for one in operation.parameters("header")
        if one["name"] not in OWN
    }
    content = operation.facts.get("requestBody", {}).get("content")
    body = BODIES.get(operation.id) or _sample_body(content)
    arguments: dict[str, Any] = {name: value for name, (value, _) in query.items()}
    if content:
        model = OPERATIONS[operation.id].request
        assert model is not None
        assert model.__name__ == _name(content["application/json"]["schema"])
        arguments["body"] = model.model_validate(body)
    async with _client(recorder, credentials) as api:
        places = [value for name, value in path.items() if name != "project_id"]
        result = await getattr(api, operation.id)(*places, **arguments, headers=headers)

    ((request, sent),) = recorder.requests
    raw_path, _, raw_query = request.raw_path.partition("?")
    assert request.method == operation.method
    assert raw_path == operation.path.format_map(
        {name: quote(value, safe="") for name, value in path.items()}
    )
    got: dict[str, list[str]] = {}
    for name, value in parse_qsl(raw_query, keep_blank_values=True, strict_parsing=bool(raw_query)):
        got.setdefault(name, []).append(value)
    assert got == {name: wire for name, (_, wire) in query.items()}
    assert {name: request.headers.get(name) for name in headers} == headers
    assert request.headers["Content-Type"] == "application/json"
    _check_credentials(request, credentials)
    if content:
        assert _same(json.loads(sent), body), sent
    else:
        assert sent == b""
    _check_result(operation, result, answer)


def _check_credentials(request: web.BaseRequest, credentials: AkSk | Token) -> None:
    if isinstance(credentials, Token):
        assert request.headers["X-Auth-Token"] == credentials.value
        assert not {"Authorization", "X-Sdk-Date"} & set(request.headers)
        return
    assert request.headers["X-Project-Id"] == PROJECT
    assert request.headers["X-Sdk-Date"] == "20250819T080500Z"
    scheme, _, fields = request.headers["Authorization"].partition(" ")
    parts = dict(part.split("=", 1) for part in fields.split(", "))
    assert scheme == "SDK-HMAC-SHA256"
    assert parts["Access"] == "AK"
    assert len(bytes.fromhex(parts["Signature"])) == 32
    assert {"host", "x-sdk-date", "x-project-id", "content-type"} <= set(parts["SignedHeaders"].split(";"))


def _check_result(operation: Documented, result: Any, answer: Any) -> None:
    if not operation.answer_schema:
        assert result is None
        return
    assert isinstance(result, BaseModel)
    assert type(result).__name__.removesuffix("Read") == operation.answer_schema
    assert result.model_fields_set
    assert _same(result.model_dump(mode="json", by_alias=True, exclude_none=True), answer)


def test_the_lists_that_come_in_pages_have_iterators() -> None:
    """Those with limit and offset, and no other."""
    iterators = {name for name in dir(MetaStudio) if name.startswith("iter")}
    assert iterators == {name.replace("list", "iter", 1) for name in PAGED}
    assert len(PAGED) == 11


@pytest.mark.parametrize("operation", PAGED.values(), ids=PAGED)
async def test_a_list_page_by_page(operation: Documented, recorder: Recorder) -> None:
    """Offsets follow the pages until the count is reached, the other parameters stay, each item is typed."""
    fields = COMPONENTS["schemas"][operation.answer_schema]["properties"]
    ((key, items),) = [(name, one["items"]) for name, one in fields.items() if one.get("type") == "array"]
    attribute = next(iter(_resolved(items)["properties"]))
    everything = [{attribute: str(number)} for number in range(5)]

    def page(request: web.BaseRequest) -> tuple[int, Any]:
        start, size = int(request.query["offset"]), int(request.query["limit"])
        return 200, {"count": len(everything), key: everything[start : start + size]}

    recorder.respond = page
    path = [f"{one['name']}-1" for one in operation.parameters("path") if one["name"] != "project_id"]
    query = {
        one["name"]: _query_sample(one)
        for one in operation.parameters("query")
        if one["name"] not in {"limit", "offset"}
    }
    arguments: dict[str, Any] = {name: value for name, (value, _) in query.items()}
    async with _client(recorder, AkSk("AK", "SK")) as api:
        iterate = getattr(api, operation.id.replace("list", "iter", 1))
        found = [item async for item in iterate(*path, **arguments, page_size=2)]
    assert [str(item.model_dump(by_alias=True)[attribute]) for item in found] == ["0", "1", "2", "3", "4"]
    assert {type(item).__name__.removesuffix("Read") for item in found} == {_name(items)}
    assert [request.query["offset"] for request, _ in recorder.requests] == ["0", "2", "4"]
    for request, _ in recorder.requests:
        assert {name: request.query.getall(name) for name in query} == {
            name: wire for name, (_, wire) in query.items()
        }
