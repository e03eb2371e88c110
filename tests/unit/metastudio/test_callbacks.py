from collections.abc import Callable

import pytest

from orchestrator.metastudio.callbacks import (
    LIVE_QUERY,
    MAX_BODY_BYTES,
    AuthType,
    MalformedCallback,
    Verdict,
    VideoCallback,
    derive_key,
    derive_live_key,
    parse,
    sign,
    sign_headers,
    verify,
    verify_headers,
    verify_live,
)
from orchestrator.metastudio.models.common import LiveEventCallBackConfig

#: The worked example of reference 7.1.1, and the same with the time signed as it is sent.
URL = "https://metastudio-llm/digital-human/chat"
KEY = "huawei_metaStudio"
MS = 1744612873350
DECIMAL = "secret=a02fc32111795dc6f760e6bd15bb0cbc9a35921dc5dc86e57eea56ae644d793e&time_stamp=1963307d486"
AS_SENT = "secret=88772a655b583bbeb50a346baa66262d96ada9145d0e60a22494d1ea767e78de&time_stamp=1963307d486"


def test_signing_gives_the_worked_example_of_the_reference() -> None:
    """Both readings of the signed time."""
    assert sign(URL, KEY, MS) == f"{URL}?{DECIMAL}"
    assert sign(URL, KEY, MS, decimal=False) == f"{URL}?{AS_SENT}"


def test_a_url_with_its_own_query_is_signed_with_it() -> None:
    """The parameters are appended, the signature covers what was there."""
    signed = sign(f"{URL}?tenant=1", KEY, MS)
    assert signed.startswith(f"{URL}?tenant=1&secret=")
    assert verify(f"{URL}?tenant=1", signed.partition("?")[2], [KEY], MS) is Verdict.VALID
    assert verify(URL, signed.partition("?")[2], [KEY], MS) is Verdict.FORGED


@pytest.mark.parametrize("query", [DECIMAL, AS_SENT, DECIMAL.replace("d486", "D486")])
def test_both_readings_are_accepted(query: str) -> None:
    """The reference leaves open whether the time is signed in decimal or as sent."""
    assert verify(URL, query, [KEY], MS) is Verdict.VALID


def test_any_of_several_keys_may_sign() -> None:
    """During a rotation old and new key hold, as text or bytes."""
    assert verify(URL, DECIMAL, ["new", KEY.encode()], MS) is Verdict.VALID
    assert verify(URL, DECIMAL, ["new"], MS) is Verdict.FORGED
    assert verify(URL, DECIMAL, [], MS) is Verdict.FORGED


def test_pairs_serve_as_well_as_a_raw_query() -> None:
    """A server hands over what it has parsed."""
    pairs = [tuple(part.split("=")) for part in DECIMAL.split("&")]
    assert verify(URL, [(name, value) for name, value in pairs], [KEY], MS) is Verdict.VALID


@pytest.mark.parametrize(
    ("shift_s", "expected"),
    [(0, "valid"), (299, "valid"), (-299, "valid"), (301, "stale"), (-301, "stale"), (10**6, "stale")],
)
def test_an_old_or_early_signature_is_stale(shift_s: int, expected: str) -> None:
    """Outside the window a true signature is worth a poll, not more."""
    assert verify(URL, DECIMAL, [KEY], MS + shift_s * 1000) == expected


def test_a_time_in_seconds_is_understood() -> None:
    """The unit of callback times isn't documented."""
    query = sign(URL, KEY, MS // 1000).partition("?")[2]
    assert verify(URL, query, [KEY], MS) is Verdict.VALID


@pytest.mark.parametrize(
    "query",
    [
        "",
        "secret=&time_stamp=",
        DECIMAL.replace("a02f", "b02f"),
        DECIMAL.replace("d486", "d487"),
        DECIMAL + "&time_stamp=1963307d486",
        DECIMAL + "&secret=" + "0" * 64,
        DECIMAL.partition("&")[0],
        DECIMAL.partition("&")[2],
        DECIMAL.replace("1963307d486", "0x1963307d486"),
        DECIMAL.replace("1963307d486", "-1963307d486"),
        DECIMAL.replace("1963307d486", "1963307d486" * 500),
        DECIMAL.replace("1963307d486", "\uff11\uff19\uff16\uff13"),
        DECIMAL.replace("a02f", "\uff4102f"),
        DECIMAL.replace("793e", "793e0"),
        DECIMAL.replace("793e", "79%ff"),
        DECIMAL.replace("793e", "79\udc80"),
        "&".join(f"x{n}=1" for n in range(1000)) + "&" + DECIMAL,
    ],
)
def test_anything_else_is_forged_without_an_exception(query: str) -> None:
    """Missing, doubled, wrong, non-hexadecimal, oversized and non-ASCII parameters."""
    assert verify(URL, query, [KEY], MS) is Verdict.FORGED


def test_an_empty_key_signs_nothing() -> None:
    """Anybody could have made such a signature."""
    query = sign(URL, "", MS).partition("?")[2]
    assert verify(URL, query, ["", b""], MS) is Verdict.FORGED


@pytest.mark.parametrize("decimal", [True, False])
def test_a_live_callback_has_its_own_parameters(decimal: bool) -> None:
    """The same signature under other names; each kind takes its own names only."""
    query = sign(URL, KEY, MS, decimal=decimal, fields=LIVE_QUERY).partition("?")[2]
    signed = (DECIMAL if decimal else AS_SENT).replace("secret", "hwSecret").replace("time_stamp", "hwTime")
    assert query == signed
    assert verify(URL, query, [KEY], MS, fields=LIVE_QUERY) is Verdict.VALID
    assert verify(URL, query, [KEY], MS) is Verdict.FORGED
    assert verify(URL, DECIMAL, [KEY], MS, fields=LIVE_QUERY) is Verdict.FORGED


@pytest.mark.parametrize("decimal", [True, False])
def test_a_live_callback_may_be_signed_in_its_headers(decimal: bool) -> None:
    """Whatever the case of their names."""
    headers = sign_headers(URL, KEY, MS, decimal=decimal)
    assert set(headers) == {"x-hw-mss-secret", "x-hw-mss-time"}
    for pairs in (headers.items(), [(name.title(), f" {value} ") for name, value in headers.items()]):
        assert verify_headers(URL, pairs, [KEY], MS) is Verdict.VALID
    assert verify_headers(URL, headers.items(), [KEY], MS + 10**6) is Verdict.STALE
    assert verify_headers(URL, headers.items(), ["other"], MS) is Verdict.FORGED


@pytest.mark.parametrize(
    "change",
    [
        lambda pairs: pairs[:0],
        lambda pairs: pairs[:1],
        lambda pairs: pairs[1:],
        lambda pairs: [*pairs, pairs[0]],
        lambda pairs: [*pairs, (pairs[1][0].upper(), "0")],
        lambda pairs: [(pairs[0][0], "\udcff" + pairs[0][1][1:]), pairs[1]],
        lambda pairs: [(pairs[0][0], "\xb2" * 64), pairs[1]],
        lambda pairs: [pairs[0], (pairs[1][0], "9" * 5000)],
        lambda pairs: [pairs[0], (pairs[1][0], "0x1963307d486")],
        lambda pairs: [pairs[0], (pairs[1][0], "")],
    ],
    ids=range(10),
)
def test_hostile_headers_are_forged_without_an_exception(
    change: Callable[[list[tuple[str, str]]], list[tuple[str, str]]],
) -> None:
    """Missing, doubled, oversized and non-ASCII ones."""
    pairs = list(sign_headers(URL, KEY, MS).items())
    assert verify_headers(URL, change(pairs), [KEY], MS) is Verdict.FORGED


def test_a_live_callback_is_checked_as_it_was_agreed_on() -> None:
    """A proof by other means doesn't count, and what can't be checked is a forgery."""
    query = sign(URL, KEY, MS, fields=LIVE_QUERY).partition("?")[2]
    headers = list(sign_headers(URL, KEY, MS).items())
    worth = {
        auth_type: [
            verify_live(auth_type, URL, some_query, some_headers, [KEY], MS)
            for some_query, some_headers in ((query, []), ("", headers), ("", []), (query, headers))
        ]
        for auth_type in AuthType
    }
    forged, valid = Verdict.FORGED, Verdict.VALID
    assert worth == {
        AuthType.NONE: [Verdict.UNSIGNED] * 4,
        AuthType.MSS_A: [valid, forged, forged, valid],
        AuthType.MSS_A_HEAD: [forged, valid, forged, valid],
        AuthType.MEITUAN_DEFAULT: [forged] * 4,
    }


def test_a_live_key_is_as_long_as_the_api_takes() -> None:
    """32 characters, and each URL has its own, apart from those of runs."""
    key = derive_live_key("master", "room-1")
    assert key not in (derive_live_key("master", "room-2"), derive_key("master", "room-1")[:32])
    for auth_type in AuthType:
        LiveEventCallBackConfig.model_validate({"auth_type": auth_type, "key": key})


def test_each_run_has_its_own_key() -> None:
    """A signature for one run says nothing for another."""
    one, other = derive_key("master", "run-1"), derive_key("master", "run-2")
    assert one != other
    assert one == derive_key("master", "run-1")
    assert bytes.fromhex(one) != bytes.fromhex(derive_key("master 2", "run-1"))
    query = sign(URL, one, MS).partition("?")[2]
    assert verify(URL, query, [other], MS) is Verdict.FORGED


def test_the_documented_body_is_parsed() -> None:
    """Job, result and the video's asset; unknown fields don't matter."""
    body = b'{"job_id": "j", "result": "SUCCEED", "asset_id": "a", "more": {"x": 1.5}}'
    assert parse(body) == VideoCallback("j", "SUCCEED", "a")
    assert parse(b'{"job_id": "j", "result": "FAILED", "asset_id": null}') == VideoCallback("j", "FAILED")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"\xff\xfe",
        b"{",
        b"job_id=j",
        b'{"job_id": "j"}',
        b'{"result": "SUCCEED"}',
        b'{"job_id": "", "result": "SUCCEED"}',
        b'{"job_id": 5, "result": "SUCCEED"}',
        b'{"job_id": ["j"], "result": "SUCCEED"}',
        b'{"job_id": "j", "job_id": "k", "result": "SUCCEED"}',
        b'{"job_id": "j", "result": "SUCCEED", "x": NaN}',
        b'{"job_id": "j", "result": "SUCCEED", "x": -Infinity}',
        b'{"job_id": "j", "result": "SUCCEED", "x": 1e999}',
        b'{"job_id": "j", "result": "SUCCEED", "x": ' + b"9" * 5000 + b"}",
        b'{"job_id": "j", "result": "SUCCEED", "x": ' + b"[" * 30000 + b"}",
        b'{"job_id": "j", "result": "SUCCEED", "x": ' + b"[" * 20000 + b"]" * 20000 + b"}",
        b'{"job_id": "\\ud800", "result": "SUCCEED"}',
        b'{"job_id": "' + b"j" * 300 + b'", "result": "SUCCEED"}',
        b'{"job_id": "j", "result": "SUCCEED", "pad": "' + b"x" * MAX_BODY_BYTES + b'"}',
    ],
    ids=range(21),
)
def test_a_malformed_body_is_one_kind_of_error(body: bytes) -> None:
    """Whatever is wrong with it, the caller has one exception to answer with 400."""
    with pytest.raises(MalformedCallback):
        parse(body)
