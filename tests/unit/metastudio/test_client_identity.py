"""Whom the client speaks for, and to: credentials, project, region, endpoint."""

import asyncio
from datetime import timedelta

import pytest

from orchestrator.errors import UsageError
from orchestrator.metastudio.auth.credentials import AkSk, Credentials, Token, TokenLogin
from orchestrator.metastudio.client import MetaStudio
from orchestrator.metastudio.errors import (
    Unauthorized,
)
from orchestrator.metastudio.models.digital_asset import CreateDigitalAssetRequestBody
from orchestrator.metastudio.operations import (
    show_asset,
)
from orchestrator.metastudio.wire import Request, Response
from tests.unit.metastudio.scripted import (
    BODY,
    HOST,
    KEYS,
    LOGIN,
    OK,
    REFUSED,
    Clock,
    Iam,
    OpenLimiter,
    Script,
    client,
    patient,
)


async def test_a_refused_token_is_renewed_once() -> None:
    """The second sending carries another token; a second refusal is raised."""
    transport, clock = Script(OK), Clock()
    api = patient(transport, credentials=LOGIN, clock=clock)
    await api.show_asset("a")
    clock.now += timedelta(hours=1)
    transport.answers = [REFUSED, OK]
    assert (await api.show_asset("a")).asset_id == "a"
    assert [request.headers["X-Auth-Token"] for request in transport.sent] == [
        "token-1",
        "token-1",
        "token-2",
    ]

    clock.now += timedelta(hours=1)
    transport.answers = [REFUSED]
    with pytest.raises(Unauthorized):
        await api.show_asset("a")
    assert (len(transport.sent), transport.tokens) == (5, 3)


async def test_a_new_token_that_is_refused_is_not_renewed() -> None:
    """However many calls are refused with it: IAM is asked once, and the refusal is raised."""
    transport = Script(REFUSED)
    api = patient(transport, credentials=LOGIN, clock=Clock())
    outcomes = await asyncio.gather(*(api.show_asset("a") for _ in range(20)), return_exceptions=True)
    assert {type(one) for one in outcomes} == {Unauthorized}
    assert (len(transport.sent), transport.tokens) == (20, 1)


@pytest.mark.parametrize(
    ("credentials", "large_bodies"),
    [
        (Token("abc\n"), None),
        (Token(""), None),
        (AkSk("a k", "s3cret"), None),
        (AkSk("ak", "s3cret\r"), None),
        (AkSk("ak", "s3cret", "s3cret\u20ac"), None),
        (KEYS, Token("s3cret ")),
        (TokenLogin("me", "s3cret", "account", "p", "iam.example"), None),
    ],
)
def test_credentials_that_cannot_be_sent_are_refused_at_once(
    credentials: Credentials, large_bodies: Token | None
) -> None:
    """Such as a key that was read from a file with its line break; the error doesn't show it."""
    with pytest.raises(UsageError) as caught:
        patient(Script(OK), credentials=credentials, large_bodies=large_bodies)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "endpoint",
    [
        *(
            "https://metastudio..example",
            "http://h:99999",
            "http://\u2100.com",
            "ftp://x",
            "nohost",
            "http://",
        ),
        *(
            "http://a b",
            "http://user:s3cret@127.0.0.1:1",
            f"http://{'y' * 64}.com",
            "http://[::1",
            "http://[bad",
        ),
        *("http://127.0.0.1:1/\u00fc", "http://exa\0mple", "http://h?a=b", "http://h#a", "http://h\n"),
    ],
)
def test_an_endpoint_that_is_no_address_is_refused_at_once(endpoint: str) -> None:
    """Of the API or of IAM, before there is a client; what it holds isn't shown."""
    for api, iam in ((endpoint, None), (HOST, endpoint)):
        with pytest.raises(UsageError, match="endpoint") as caught:
            MetaStudio(KEYS, region="cn-north-4", limiter=OpenLimiter(), endpoint=api, iam_endpoint=iam)
        assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "endpoint", ["http://127.0.0.1:9090", "http://[::1]:80/", "https://proxy/metastudio"]
)
def test_an_endpoint_may_have_a_port_and_a_path(endpoint: str) -> None:
    """An emulator has the one, a proxy the other."""
    MetaStudio(KEYS, region="cn-north-4", endpoint=endpoint)


@pytest.mark.parametrize("credentials", [KEYS, Token("given")])
async def test_without_a_login_a_refusal_is_final(credentials: Credentials) -> None:
    """Neither a key pair nor a given token gets better by trying again."""
    transport = Script(REFUSED)
    with pytest.raises(Unauthorized):
        await client(transport, credentials=credentials).call(show_asset, path={"asset_id": "a"})
    assert len(transport.sent) == 1


async def test_a_login_that_iam_refuses_is_raised_unsent() -> None:
    """A wrong password is no refused token: nothing is announced, sent or tried again."""

    class Refusing(Script):
        async def send(self, request: Request, *, timeout_s: float) -> Response:
            self.tokens += 1
            return Response(401, {}, b'{"error": {"message": "wrong password", "code": 401}}')

    transport, limiter = Refusing(OK), OpenLimiter()
    with pytest.raises(Unauthorized, match="wrong password"):
        await client(transport, limiter, LOGIN).call(show_asset, path={"asset_id": "a"})
    assert (transport.tokens, limiter.unused, transport.sent) == (1, 1, [])


def _large() -> CreateDigitalAssetRequestBody:
    return BODY.model_copy(update={"asset_description": "x" * (12 * 1024 * 1024)})


async def test_a_body_too_large_to_sign_goes_with_a_token() -> None:
    """And a smaller one of the same client is signed; a refused token is renewed here too."""
    transport, clock = Script(OK), Clock()
    api = patient(transport, large_bodies=LOGIN, clock=clock)
    await api.create_digital_asset(_large())
    clock.now += timedelta(hours=1)
    transport.answers, transport.sent = [REFUSED, OK], []
    await api.create_digital_asset(_large())
    await api.create_digital_asset(BODY)
    first, second, small = transport.sent
    assert [one.headers["X-Auth-Token"] for one in (first, second)] == ["token-1", "token-2"]
    assert "Authorization" not in first.headers
    assert "Authorization" in small.headers


async def test_without_a_token_a_body_too_large_to_sign_is_refused() -> None:
    """The message says what to set; nothing is sent and no permit is used up."""
    limiter, transport = OpenLimiter(), Script(OK)
    with pytest.raises(UsageError, match=r"auth\.token"):
        await patient(transport, limiter=limiter).create_digital_asset(_large())
    assert (limiter.unused, transport.sent) == (1, [])


@pytest.mark.parametrize("credentials", [KEYS, LOGIN])
async def test_a_project_is_looked_up_once(credentials: Credentials) -> None:
    """By the region's name, at the region's IAM, for all callers."""
    transport = Iam(OK)
    api = patient(transport, credentials=credentials, project_id=None)
    await asyncio.gather(*(api.show_asset("a") for _ in range(5)))
    (asked,) = transport.asked
    assert asked.url == "https://iam.cn-north-4.myhuaweicloud.com/v3/projects?name=cn-north-4"
    assert ("Authorization" in asked.headers) == (credentials is KEYS)
    assert {request.url for request in transport.sent} == {f"{HOST}/v1/looked-up/digital-assets/a"}
    assert await api.project_id() == "looked-up"


async def test_a_wrong_call_looks_up_no_project() -> None:
    """What doesn't fit is said before anything is sent."""
    transport = Iam(OK)
    with pytest.raises(UsageError, match="limit"):
        await patient(transport, project_id=None).list_assets(limit=1000)
    assert transport.asked == []


async def test_an_endpoint_tells_its_region() -> None:
    """And a region its endpoint; with neither there is no client."""
    from_endpoint = MetaStudio(KEYS, endpoint="https://metastudio.cn-east-3.myhuaweicloud.com")
    assert from_endpoint.region == "cn-east-3"
    transport = Script(OK)
    await MetaStudio(KEYS, region="ap-southeast-3", project_id="p", transport=transport).show_asset("a")
    assert transport.sent[0].url.startswith("https://metastudio.ap-southeast-3.myhuaweicloud.com/v1/p/")
    for region, endpoint in (("", ""), ("", "http://127.0.0.1:9090"), ("cn-north-1", "")):
        with pytest.raises(UsageError, match="region"):
            MetaStudio(KEYS, region=region, endpoint=endpoint)
