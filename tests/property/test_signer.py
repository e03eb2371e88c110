"""Our signer beside the one of the official SDK: the same request gets the same Authorization, byte for byte."""

from datetime import UTC, datetime
from urllib.parse import quote, urlencode, urlsplit

from huaweicloudsdkcore.auth.credentials import (  # type: ignore[import-untyped]  # the SDK ships no types
    BasicCredentials,
)
from huaweicloudsdkcore.sdk_request import SdkRequest  # type: ignore[import-untyped]  # the SDK ships no types
from hypothesis import example, given, settings
from hypothesis import strategies as st

from orchestrator.metastudio.auth.aksk import DATE_FORMAT, sign
from orchestrator.metastudio.auth.credentials import AkSk
from orchestrator.metastudio.operations import list_assets, show_asset, update_digital_asset
from orchestrator.metastudio.wire import build_request

HOSTS = ["metastudio.cn-north-4.myhuaweicloud.com", "127.0.0.1:8443", "iam.ap-southeast-1.myhuaweicloud.com"]
METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"]

#: What breaks naive encoders: separators, what quoting spares, percent signs, blanks, several bytes a character.
AWKWARD = "/.~-_!*'();:@&=+$,?#[]% \t\"<>\\^`{|}aZ09üß中😀\u00a0\u0301\x00\x7f"
texts = st.text(st.one_of(st.sampled_from(AWKWARD), st.characters(codec="utf-8")), max_size=12)
segments = st.one_of(texts, st.sampled_from([".", "..", "", "%2F", "%", "a%2", "a b", "~", "a+b", "ÿ"]))
paths = st.lists(segments, max_size=6).map(
    lambda parts: "/" + "/".join(quote(part, safe="~") for part in parts)
)
queries = st.lists(
    st.tuples(st.sampled_from(["a", "A", "limit", "asset_id", "ü"]) | texts, texts), max_size=8
)
#: As HTTP lets a value be: no control characters; blanks at the ends are trimmed by both.
values = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]), max_size=20)
headers = st.dictionaries(
    st.sampled_from(
        [
            "X-App-UserId",
            "x-user-privilege",
            "X-Request-Id",
            "X-Under_Score",
            "Accept",
            "X-a",
            "X-A-b",
            "X-A1",
        ]
    ),
    values | values.map(lambda value: f"  {value} "),
    max_size=5,
)
json_types = st.sampled_from(
    [{}, {"Content-Type": "application/json"}, {"content-type": "application/json; charset=UTF-8"}]
)
bodies = st.binary(max_size=64) | texts.map(str.encode) | st.just(b"") | st.just(b"{}")
keys = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=40)
projects = st.none() | st.sampled_from(["6a6a1f8354f64dd9b9a614def7b59d83", "p"])
dates = st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  hypothesis adds the zone


def official(
    keys: AkSk,
    project_id: str | None,
    method: str,
    url: str,
    query: list[tuple[str, str]],
    headers: dict[str, str],
    body: bytes,
    now: datetime,
) -> dict[str, str]:
    """The headers with which the official SDK would send the request."""
    parts = urlsplit(url)
    request = SdkRequest(
        method=method,
        schema=parts.scheme,
        host=parts.netloc,
        resource_path=parts.path,
        query_params=list(query),
        header_params={**headers, "X-Sdk-Date": now.strftime(DATE_FORMAT)},
        body=body,
    )
    credentials = BasicCredentials(keys.ak, keys.sk, project_id)
    credentials.security_token = keys.security_token
    signed: dict[str, str] = credentials.sign_request(request).header_params
    return signed


def ours(
    keys: AkSk,
    project_id: str | None,
    method: str,
    url: str,
    query: list[tuple[str, str]],
    headers: dict[str, str],
    body: bytes,
    now: datetime,
) -> dict[str, str]:
    """The headers with which we would."""
    if query:
        url += "?" + urlencode(query, quote_via=quote, safe="~")
    project = {} if project_id is None else {"X-Project-Id": project_id}
    return sign(keys, method=method, url=url, headers={**headers, **project}, body=body, now=now)


@settings(max_examples=600, deadline=None, derandomize=True)
@given(
    st.builds(AkSk, keys, keys, st.none() | keys),
    projects,
    st.sampled_from(METHODS),
    st.sampled_from(HOSTS),
    paths,
    queries,
    headers,
    json_types,
    bodies,
    dates,
)
@example(
    AkSk("ak", "sk", "t=="),
    "p",
    "GET",
    HOSTS[0],
    "/v1/p/a%2Fb",
    [("a", ""), ("a", "+ %")],
    {},
    {},
    b"",
    datetime(2025, 8, 19, tzinfo=UTC),
)
def test_authorization_is_that_of_the_official_sdk(
    keys: AkSk,
    project_id: str | None,
    method: str,
    host: str,
    path: str,
    query: list[tuple[str, str]],
    headers: dict[str, str],
    content: dict[str, str],
    body: bytes,
    now: datetime,
) -> None:
    """Awkward paths, queries, header values and bodies, all methods, permanent and temporary keys."""
    given_headers = {**headers, **content}
    request = (keys, project_id, method, f"https://{host}{path}", query, given_headers, body, now)
    theirs, mine = official(*request), ours(*request)
    assert mine["Authorization"] == theirs["Authorization"]
    assert mine["X-Sdk-Date"] == theirs["X-Sdk-Date"]
    # The SDK has the bytes of a value in place of its characters, which is how they go over the line.
    line = {name.lower(): value.encode() for name, value in mine.items()}
    assert line == {name.lower(): value.encode("iso-8859-1") for name, value in theirs.items()}


@settings(max_examples=150, deadline=None, derandomize=True)
@given(texts.filter(lambda text: text not in {"", ".", ".."}), st.lists(texts, max_size=4), texts, dates)
def test_requests_of_the_api_are_signed_as_the_official_sdk_signs_them(
    asset_id: str, ids: list[str], name: str, now: datetime
) -> None:
    """From an operation and its parameters to the signature: the SDK is given the same parameters, not our URL."""
    keys, host = AkSk("AK", "SK"), HOSTS[0]
    listed = build_request(
        list_assets, f"https://{host}", "p", query={"asset_id": ids, "name": name, "limit": 100}
    )
    query = [*(("asset_id", one) for one in ids), ("name", name), ("limit", "100")]
    theirs = official(
        keys, "p", "GET", f"https://{host}/v1/p/digital-assets", query, dict(listed.headers), b"", now
    )
    mine = ours(keys, "p", "GET", listed.url, [], dict(listed.headers), b"", now)
    assert mine["Authorization"] == theirs["Authorization"]

    shown = build_request(show_asset, f"https://{host}", "p", path={"asset_id": asset_id})
    path = f"https://{host}/v1/p/digital-assets/{quote(asset_id, safe='')}"
    theirs = official(keys, "p", "GET", path, [], dict(shown.headers), b"", now)
    assert (
        ours(keys, "p", "GET", shown.url, [], dict(shown.headers), b"", now)["Authorization"]
        == theirs["Authorization"]
    )

    body_class = update_digital_asset.request
    assert body_class is not None
    body = body_class.model_construct(asset_name=name)
    put = build_request(update_digital_asset, f"https://{host}", "p", path={"asset_id": asset_id}, body=body)
    theirs = official(keys, "p", "PUT", path, [], dict(put.headers), put.body, now)
    assert (
        ours(keys, "p", "PUT", put.url, [], dict(put.headers), put.body, now)["Authorization"]
        == theirs["Authorization"]
    )
