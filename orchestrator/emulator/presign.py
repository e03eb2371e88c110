"""Presigned URLs of the emulated object storage, in the form that the service hands out.

`http://host/<project>/<asset>/<file>.<ext>?AccessKeyId=…&Expires=…&Signature=…`, with `partNumber` and `uploadId`
for a part. The signature covers method, Content-MD5, Content-Type, expiry and the resource, as object storage does.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from orchestrator.emulator.wire import Request

_SIGNED_PARAMETERS = ("partNumber", "uploadId")


class StorageError(Exception):
    """Object storage refuses a request."""

    def __init__(self, status: int, code: str, message: str) -> None:
        """`code` is one of object storage's own."""
        self.status = status
        self.code = code
        self.message = message
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

    def put_url(self, ref: ObjectRef, expires: datetime, *, md5: str = "") -> str:
        """A URL for uploading; with `md5` the request has to carry it as Content-MD5."""
        return self._url("PUT", ref, expires, md5)

    def get_url(self, ref: ObjectRef, expires: datetime) -> str:
        """A URL for downloading."""
        return self._url("GET", ref, expires, "")

    def verify(self, request: Request, now: datetime, *, md5: str = "") -> None:
        """Passes when the URL is signed by us for this method and still valid.

        Raises:
            StorageError: 403 with the storage's code.
        """
        query = dict(request.query)
        if len(query) != len(request.query):
            raise StorageError(400, "InvalidArgument", "A query parameter is given twice.")
        if not {"AccessKeyId", "Expires", "Signature"} <= query.keys():
            raise StorageError(403, "AccessDenied", "Anonymous access is forbidden for this operation.")
        if query["AccessKeyId"] != self.access_key:
            raise StorageError(403, "InvalidAccessKeyId", "The access key does not exist in our records.")
        if not query["Expires"].isascii() or not query["Expires"].isdigit() or len(query["Expires"]) > 12:
            raise StorageError(403, "AccessDenied", "Invalid Expires.")
        method = "GET" if request.method == "HEAD" else request.method
        ref = object_ref(request)
        expected = self._signature(method, ref, query["Expires"], md5)
        if not hmac.compare_digest(expected.encode(), query["Signature"].encode()):
            raise StorageError(
                403,
                "SignatureDoesNotMatch",
                "The request signature does not match: method, path, Content-MD5 and query have to be as presigned.",
            )
        if now.timestamp() > int(query["Expires"]):
            raise StorageError(403, "AccessDenied", "Request has expired.")

    def _url(self, method: str, ref: ObjectRef, expires: datetime, md5: str) -> str:
        until = str(int(expires.astimezone(UTC).timestamp()))
        signature = quote(self._signature(method, ref, until, md5), safe="")
        part = "" if ref.part is None else f"&partNumber={ref.part}&uploadId={ref.upload_id}"
        path = quote(ref.key)
        return f"{self.base_url}/{path}?AccessKeyId={self.access_key}&Expires={until}{part}&Signature={signature}"

    def _signature(self, method: str, ref: ObjectRef, expires: str, md5: str) -> str:
        values = (ref.part, ref.upload_id)
        signed = zip(_SIGNED_PARAMETERS, values, strict=True)
        query = "&".join(f"{name}={value}" for name, value in signed if value is not None)
        resource = f"/{ref.key}?{query}" if query else f"/{ref.key}"
        text = f"{method}\n{md5}\n\n{expires}\n{resource}"
        digest = hmac.new(self.secret.encode(), text.encode(), hashlib.sha1).digest()
        return base64.b64encode(digest).decode()


def object_ref(request: Request) -> ObjectRef:
    """What a request to object storage is about.

    Raises:
        StorageError: 400, the part number is no number from 1 to 10000 or comes without an upload.
    """
    query = dict(request.query)
    key = request.path.lstrip("/")
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
