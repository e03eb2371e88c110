"""Presigned URLs, against signatures that the vendor's own object storage SDK printed."""

from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest

from orchestrator.emulator.presign import ObjectRef, Presigner, StorageError, object_ref
from orchestrator.emulator.wire import Request

END = datetime.fromtimestamp(1795352400, UTC)
KEY = "4e7d52b0d5017778827f1ce6420070e6/1f13de8b/0b9213fe943e.mp4"
LINKS = Presigner("http://127.0.0.1:9000", "TSRQPONMLKJIHGFEDCBA", "storage/secret")
MD5 = "kAFQmDzST7DWlj99KOF/cg=="
#: Method, further query, headers, signature.
Vector = tuple[str, str, dict[str, str], str]
PUT: Vector = ("PUT", "", {"Content-MD5": MD5}, "/oZaeEIlCx2QyOFTKyfqJM2QRq4=")
TYPED: Vector = ("PUT", "", {"Content-Type": "application/zip"}, "Dvpqo7bdrkOnH2Bo5lytFjJd/Ug=")
PART: Vector = ("PUT", "partNumber=2&uploadId=AB12&", {}, "SvO9o4Uc0Ws71PgUbjwAkwWdUmg=")
GET: Vector = ("GET", "", {}, "hr/UiH/HI+WXS0bmn51BoZslt+o=")
NAMED: Vector = (
    "GET",
    "response-content-disposition=attachment%3B%20filename%3Da%20b.mp4&",
    {},
    "gy2yJF5nak1KvdY+BEW8DkR8svI=",
)
OWN_HEADER: Vector = ("PUT", "", {"x-obs-acl": "private", "Content-MD5": MD5}, "fiewTIgNIMeZ7gblDkMmemqtWOo=")


def request(vector: Vector, *, key_name: str = "AccessKeyId") -> Request:
    method, query, headers, signature = vector
    signed = f"{query}Expires=1795352400&{key_name}={LINKS.access_key}&Signature={quote(signature, safe='')}"
    return Request(method, f"/{KEY}?{signed}", headers)


@pytest.mark.parametrize("vector", [PUT, TYPED, PART, GET, NAMED, OWN_HEADER])
def test_what_the_vendors_sdk_signed_is_accepted(vector: Vector) -> None:
    """Uploads, parts, downloads, with the headers and parameters that are signed."""
    LINKS.verify(request(vector), END)


def test_our_urls_are_signed_as_the_vendors() -> None:
    """The same signature for the same request."""
    urls = {
        LINKS.put_url(ObjectRef(KEY), END, md5=MD5): PUT,
        LINKS.put_url(ObjectRef(KEY), END, content_type="application/zip"): TYPED,
        LINKS.put_url(ObjectRef(KEY, 2, "AB12"), END): PART,
        LINKS.get_url(ObjectRef(KEY), END): GET,
    }
    for url, vector in urls.items():
        assert url.endswith(f"&Signature={quote(vector[3], safe='')}")


def test_both_names_of_the_access_key_serve() -> None:
    """The reference shows either; with the other one, headers of the other prefix are covered."""
    LINKS.verify(request(PUT, key_name="AWSAccessKeyId"), END)
    LINKS.verify(request((*PUT[:2], OWN_HEADER[2], PUT[3]), key_name="AWSAccessKeyId"), END)


@pytest.mark.parametrize(
    ("sent", "usual", "passes"),
    [
        ("", "video/mp4", True),
        ("video/mp4", "video/mp4", True),
        ("video/mp4", "image/png", False),
        ("application/x-www-form-urlencoded", "video/mp4", False),
    ],
)
def test_a_url_without_a_type_takes_none_or_the_usual_one(sent: str, usual: str, *, passes: bool) -> None:
    """Another Content-Type breaks the signature, as it does at the real storage."""
    headers = {"Content-MD5": MD5} | ({"Content-Type": sent} if sent else {})
    upload = request((*PUT[:2], headers, PUT[3]))
    if passes:
        LINKS.verify(upload, END, usual_type=usual)
    else:
        with pytest.raises(StorageError, match="SignatureDoesNotMatch"):
            LINKS.verify(upload, END, usual_type=usual)


@pytest.mark.parametrize("kind", ["", "application/octet-stream", "application/zip; charset=utf-8"])
def test_a_url_with_a_type_takes_that_one_only(kind: str) -> None:
    """Voice packages are signed as application/zip."""
    upload = request((*TYPED[:2], {"Content-Type": kind} if kind else {}, TYPED[3]))
    with pytest.raises(StorageError, match="SignatureDoesNotMatch"):
        LINKS.verify(upload, END, usual_type="application/octet-stream")


@pytest.mark.parametrize(
    "further", ["acl&", "uploads&", "response-content-type=text%2Fhtml&", "versionId=1&"]
)
def test_a_parameter_that_means_something_breaks_the_signature(further: str) -> None:
    """One that means nothing to the storage does not."""
    LINKS.verify(request(("GET", "utm=1&", {}, GET[3])), END)
    with pytest.raises(StorageError, match="SignatureDoesNotMatch"):
        LINKS.verify(request(("GET", further, {}, GET[3])), END)


def test_a_url_serves_until_its_end() -> None:
    """To the second."""
    LINKS.verify(request(GET), END)
    with pytest.raises(StorageError, match="Request has expired"):
        LINKS.verify(request(GET), END + timedelta(seconds=1))


def test_a_path_may_be_escaped_otherwise_than_ours() -> None:
    """It names the same object, and the signature holds."""
    sent = request(GET)
    escaped = Request("GET", sent.target.replace("/4e7d", "/%34e7d", 1).replace(".mp4", "%2Emp4", 1))
    assert object_ref(escaped) == object_ref(sent) == ObjectRef(KEY)
    LINKS.verify(escaped, END)


@pytest.mark.parametrize("query", ["partNumber=0&uploadId=a", "partNumber=x&uploadId=a", "partNumber=1"])
def test_a_part_has_a_number_and_an_upload(query: str) -> None:
    """400 InvalidArgument otherwise."""
    with pytest.raises(StorageError, match="InvalidArgument"):
        object_ref(Request("PUT", f"/{KEY}?{query}"))
