"""What opens doors: known by its name or its form, shown by no repr, handed on by no step."""

import time
from typing import Any

import pytest

from orchestrator.metastudio.models.common import BackgroundConfigInfo
from orchestrator.metastudio.models.digital_asset import DigitalAssetInfo
from orchestrator.metastudio.models.live_task import ControlSmartLiveReq
from orchestrator.metastudio.withheld import is_withheld_name, opens_doors, with_hidden, without_withheld

SIGNED = [
    "https://b.obs.example.com/k?AccessKeyId=A&Expires=1&Signature=S3CRET",
    "https://b.obs.example.com/k?X-Amz-Credential=S3CRET",
    "//b.obs.example.com/k?Signature=S3CRET",
    "b.obs.example.com/k?Signature=S3CRET",
    "rtmp://push.example.com/live/room?auth=S3CRET",
    "https://example.com/#access_token=S3CRET",
    "https://S3CRET@example.com/x",
    "rtmp://name:S3CRET@push.example.com/live",
    r'{"u":"https:\/\/b.example.com\/k?Signature=S3CRET"}',
    r'{"u":"{\"v\":\"https:\\\/\\\/b.example.com\\\/k?a=1\\u0026Signature=S3CRET\"}"}',
    r'{"u":"https://b.example.com/k\u003fSignature\u003dS3CRET"}',
    "https://player.example.com/?src=https%3A%2F%2Fb.example.com%2Fk%3FSignature%3DS3CRET",
    "地址https://b.example.com/k?a=1&signature=S3CRET。",
]
OPEN = [
    "https://example.com/picture.png",
    "https://example.com/picture.png?x-image-process=image/resize,w_100&versionId=3",
    "https://example.com/search?q=token&page=2",
    "https://example.com/search?q=a%26token%3D1",
    "https://example.com/a@b?c=d#e=f",
    "https://example.com/?url=https://example.com/x?page=1",
    r'{"u":"https:\/\/example.com\/picture.png?w=1"}',
    r"C:\new\token=1",
    "the signature=yes, a/b and ?token=no",
    "mail me: a:b@example.com",
    "ssh://git@example.com/x.git",
    "",
]


@pytest.mark.parametrize("text", SIGNED)
def test_a_signed_url_is_known_by_its_form(text: str) -> None:
    """In whatever field, list or depth: also in JSON inside a text, inside another URL, and without a scheme."""
    assert opens_doors(text)
    answer = DigitalAssetInfo.model_validate(
        {
            "asset_id": "a",
            "asset_name": text,
            "tags": ["b", text],
            "new": {"deep": [{"x": text}, [text]], text: 1},
            "link": text,
        }
    )
    for shown in (repr(answer), str(answer), str(without_withheld(answer.model_dump()))):
        assert "S3CRET" not in shown
        assert "asset_id" in shown


@pytest.mark.parametrize("text", OPEN)
def test_other_texts_are_shown(text: str) -> None:
    """Open addresses and words that only sound secret are no secrets."""
    assert not opens_doors(text)
    assert with_hidden({"text": text, "texts": [text]}) == {"text": text, "texts": [text]}


@pytest.mark.parametrize(
    "name",
    [
        *("accessKey", "access_key", "ACCESSKEY", "stream_keys", "apiKey", "api-key", "secretKey", "sk"),
        *("Authorization", "X-Auth-Token", "securitytoken", "signature", "X-Sdk-Signature", "sign", "cookie"),
        *("password", "passwd", "encryption_info", "encryptionInfo", "credential"),
        *("upload_url", "output_urls", "url_list", "coverUrl", "x" * 200 + "_url"),
    ],
)
def test_secrets_are_known_by_their_names(name: str) -> None:
    """One list for reprs and for outputs: snake, camel or header, fields that the reference doesn't know too."""
    assert is_withheld_name(name)
    answer = DigitalAssetInfo.model_validate({name: "S3CRET", "new": {"deep": [{name: ["S3CRET"]}]}})
    assert "S3CRET" not in repr(answer)
    assert "S3CRET" not in str(without_withheld(answer.model_dump()))


@pytest.mark.parametrize(
    "name",
    [
        "key",
        "monkey",
        "task",
        "tokens",
        "max_tokens",
        "auth_type",
        "design",
        "key_id",
        "asset_id",
        "signed",
        "",
    ],
)
def test_other_names_are_none(name: str) -> None:
    """Words that only end alike."""
    assert not is_withheld_name(name)


def test_a_property_is_no_secret() -> None:
    """`key` is one unless a `value` stands beside it."""
    answer = DigitalAssetInfo.model_validate(
        {"system_properties": [{"key": "STYLE_ID", "value": "v"}], "new": [{"key": "S3CRET"}]}
    )
    assert "STYLE_ID" in repr(answer)
    assert "S3CRET" not in repr(answer)


def test_requests_hide_what_they_send() -> None:
    """Plain objects inside a request, and addresses in fields of other names."""
    command = ControlSmartLiveReq(
        command="REFRESH_OUTPUT_URL",
        params={"output_urls": ["rtmp://h/S3CRET"], "stream_keys": ["S3CRET"], "room": 7},
    )
    assert "S3CRET" not in repr(command)
    assert "7" in repr(command)
    assert command.params is not None
    assert command.params["stream_keys"] == ["S3CRET"]
    picture = BackgroundConfigInfo(background_type="IMAGE", background_config=SIGNED[0])
    assert "S3CRET" not in repr(picture)


def test_a_repr_of_endless_nesting_ends() -> None:
    """What no answer of the API looks like is cut."""
    data: Any = "x"
    for _ in range(400):
        data = [data]
    assert "…" in repr(DigitalAssetInfo.model_validate({"new": data}))


@pytest.mark.parametrize(
    "part",
    [
        *(
            "://",
            "//",
            "/",
            "a",
            "x://",
            "http://h?",
            "?",
            "&",
            "@",
            ":",
            "//a:",
            "&a=",
            "#",
            "%3f",
            "%",
            "\\",
        ),
        *("\\\\/", "\\u0026", "&x-amz-", "?a", "//h/?a=&", "https://a", "=", "a=@//"),
    ],
)
def test_long_texts_cost_little(part: str) -> None:
    """Time in proportion to the length, whatever the text is made of; a text may have 131,072 characters."""
    text = (part * 131_072)[:131_072]
    before = time.process_time()
    opens_doors("://" + text)
    opens_doors(text + "=@%3f//")
    assert time.process_time() - before < 2
