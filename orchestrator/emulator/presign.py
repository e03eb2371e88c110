"""Presigned URLs of the emulated object storage, in the form that the service hands out.

`http://host/<project>/<asset>/<file>.<ext>?AccessKeyId=…&Expires=…&Signature=…`, with `partNumber` and `uploadId`
for a part. The signature is object storage's own: it covers method, Content-MD5, Content-Type, expiry, the headers that
begin with x-obs- and the resource with those query parameters that mean something. The official OBS SDK, with the project
as bucket and path style, gives the same.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, unquote

from orchestrator.emulator.wire import Request

#: Query parameters, in lower case, that belong to the resource, so that adding one breaks the signature.
_SUBRESOURCES = frozenset(
    {
        *("acl", "append", "delete", "metadata", "partnumber", "policy", "position", "restore"),
        *("storageclass", "tagging", "torrent", "uploadid", "uploads", "versionid", "versions"),
        *("response-cache-control", "response-content-disposition", "response-content-encoding"),
        *("response-content-language", "response-content-type", "response-expires", "x-image-process"),
    }
)
#: The parameter that names the key, and the prefix of the vendor's headers and parameters that goes with it.
_DIALECTS = {"AccessKeyId": "x-obs-", "AWSAccessKeyId": "x-amz-"}


class StorageError(Exception):
    """Object storage refuses a request."""

    def __init__(
        self, status: int, code: str, message: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        """`code` is one of object storage's own; `headers` go into the answer's head."""
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}
        super().__init__(f"{code}: {message}")


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """Where a presigned URL points: an object, or one part of it."""

    key: str
    part: int | None = None
    upload_id: str | None = None


@dataclass(frozen=True, slots=True)
class Presigner:
    """Signs and verifies URLs with the key that the service itself holds at object storage."""

    base_url: str
    access_key: str
    secret: str

    def put_url(self, ref: ObjectRef, expires: datetime, *, md5: str = "", content_type: str = "") -> str:
        """A URL for uploading; the request has to carry `md5` as Content-MD5 and `content_type` as Content-Type.

        Without a `content_type` the request either has none or the one that is usual for the file.
        """
        return self._url("PUT", ref, expires, f"{md5}\n{content_type}")

    def get_url(self, ref: ObjectRef, expires: datetime) -> str:
        """A URL for downloading."""
        return self._url("GET", ref, expires, "\n")

    def verify(self, request: Request, now: datetime, *, usual_type: str = "") -> None:
        """Passes when the URL is signed by us for this method and these headers, and still valid.

        `usual_type` may be sent although the URL was signed without a type.

        Raises:
            StorageError: 403 with the storage's code.
        """
        query = dict(request.query)
        if len(query) != len(request.query):
            raise StorageError(400, "InvalidArgument", "A query parameter is given twice.")
        named = next((name for name in _DIALECTS if name in query), None)
        if named is None or not {"Expires", "Signature"} <= query.keys():
            raise StorageError(403, "AccessDenied", "Anonymous access is forbidden for this operation.")
        if query[named] != self.access_key:
            raise StorageError(403, "InvalidAccessKeyId", "The access key does not exist in our records.")
        if not query["Expires"].isascii() or not query["Expires"].isdigit() or len(query["Expires"]) > 12:
            raise StorageError(403, "AccessDenied", "Invalid Expires.")
        md5 = (request.header("Content-MD5") or "").strip()
        sent_type = (request.header("Content-Type") or "").strip()
        types = {sent_type, ""} if sent_type == usual_type else {sent_type}
        if not any(self._is_signed(request, f"{md5}\n{kind}", _DIALECTS[named]) for kind in types):
            raise StorageError(
                403,
                "SignatureDoesNotMatch",
                "The request signature does not match: method, path, query, Content-MD5, Content-Type and x-obs- "
                "headers have to be as presigned.",
            )
        if now.timestamp() > int(query["Expires"]):
            raise StorageError(403, "AccessDenied", "Request has expired.")

    def _is_signed(self, request: Request, headers: str, prefix: str) -> bool:
        query = dict(request.query)
        method = "GET" if request.method == "HEAD" else request.method
        resource = _resource(_key(request), query, prefix)
        vendor = sorted(
            f"{name.lower()}:{value.strip()}\n"
            for name, value in request.headers.items()
            if name.lower().startswith(prefix)
        )
        expected = self._signature(method, headers, query["Expires"], f"{''.join(vendor)}{resource}")
        return hmac.compare_digest(expected.encode(), query["Signature"].encode("utf-8", "replace"))

    def _url(self, method: str, ref: ObjectRef, expires: datetime, headers: str) -> str:
        until = str(int(expires.astimezone(UTC).timestamp()))
        part = {} if ref.part is None else {"partNumber": str(ref.part), "uploadId": ref.upload_id or ""}
        resource = _resource(ref.key, part, _DIALECTS["AccessKeyId"])
        signature = self._signature(method, headers, until, resource)
        query = {"AccessKeyId": self.access_key, "Expires": until, **part, "Signature": signature}
        shown = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
        return f"{self.base_url}/{quote(ref.key)}?{shown}"

    def _signature(self, method: str, headers: str, expires: str, resource: str) -> str:
        text = f"{method}\n{headers}\n{expires}\n{resource}"
        digest = hmac.new(self.secret.encode(), text.encode("utf-8", "replace"), hashlib.sha1).digest()
        return base64.b64encode(digest).decode()


def object_ref(request: Request) -> ObjectRef:
    """What a request to object storage is about.

    Raises:
        StorageError: 400, the part number is no number from 1 to 10000 or comes without an upload.
    """
    query = dict(request.query)
    key = _key(request)
    if "partNumber" not in query:
        return ObjectRef(key)
    number = query["partNumber"]
    if (
        not number.isascii()
        or not number.isdigit()
        or not 1 <= int(number[:6]) <= 10000
        or "uploadId" not in query
    ):
        raise StorageError(
            400, "InvalidArgument", "partNumber is a number from 1 to 10000 and comes with uploadId."
        )
    return ObjectRef(key, int(number[:6]), query["uploadId"])


def _key(request: Request) -> str:
    """The object's key; callers may escape more of it in the path than we do."""
    return unquote(request.path.lstrip("/"))


def _resource(key: str, query: Mapping[str, str], prefix: str) -> str:
    """The signed form of a resource: its sub-resources sorted, unescaped, bare when they have no value."""
    named = sorted(
        (name, value)
        for name, value in query.items()
        if name.lower() in _SUBRESOURCES or name.lower().startswith(prefix)
    )
    listed = "&".join(f"{name}={value}" if value else name for name, value in named)
    path = quote(key, safe="/")
    return f"/{path}?{listed}" if listed else f"/{path}"
