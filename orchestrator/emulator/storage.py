"""The rules of emulated object storage, without a socket: what may be put and got, and what is refused and how."""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC
from email.utils import format_datetime
from xml.sax.saxutils import escape

from orchestrator.emulator.core import Emulator
from orchestrator.emulator.faults import STORAGE_GET, STORAGE_PART, STORAGE_PUT, Fault, FaultRule
from orchestrator.emulator.mishap import afterwards, proxy_page
from orchestrator.emulator.presign import ObjectRef, StorageError, object_ref
from orchestrator.emulator.records import File, FileState, Segment
from orchestrator.emulator.wire import Answer, Delivery, Request

#: Largest single PUT, and largest part.
MAX_PUT_BYTES = 5 * 1024**3

_UPLOADABLE = frozenset({FileState.CREATING, FileState.UPLOADED, FileState.CREATED})
#: What an upload may call its body although the URL was signed without a type, by file type; others are _BYTES.
_USUAL_TYPES = {
    **dict.fromkeys(("jpg", "jpeg"), "image/jpeg"),
    "gif": "image/gif",
    "png": "image/png",
    "mp3": "audio/mp3",
    "wav": "audio/wav",
    "mp4": "video/mp4",
}
#: What a download is called beyond that, so that browsers play and show it.
_SHOWN_TYPES = {"webm": "video/webm", "pdf": "application/pdf", "txt": "text/plain; charset=utf-8"}
_BYTES = "application/octet-stream"
#: Code of a storage fault without one of its own, by status.
_FAULT_CODES = {400: "BadDigest", 403: "AccessDenied", 404: "NoSuchKey", 503: "SlowDown"}


@dataclass(frozen=True, slots=True)
class Upload:
    """An admitted PUT."""

    file_id: str
    part: int
    length: int
    #: Digest of Content-MD5; None when the request has none.
    md5: bytes | None


@dataclass(frozen=True, slots=True)
class Download:
    """An admitted GET: the whole object, or the bytes from `start` to before `end`."""

    file: File
    start: int
    end: int
    partial: bool
    #: The caller has it already.
    unchanged: bool
    #: Headers that a presigned URL asks for.
    wanted: Mapping[str, str]

    @property
    def length(self) -> int:
        """How many bytes are sent."""
        return self.end - self.start

    @property
    def status(self) -> int:
        """The status of the answer."""
        if self.unchanged:
            return 304
        return 206 if self.partial else 200

    @property
    def headers(self) -> dict[str, str]:
        """The head of the answer."""
        file = self.file
        kind = file.type.lower()
        headers = {
            "Content-Type": _USUAL_TYPES.get(kind) or _SHOWN_TYPES.get(kind, _BYTES),
            "Accept-Ranges": "bytes",
            "ETag": etag(file),
            "Last-Modified": format_datetime(file.updated_at.astimezone(UTC), usegmt=True),
            **self.wanted,
        }
        if self.unchanged:
            return headers
        if self.partial:
            headers["Content-Range"] = f"bytes {self.start}-{self.end - 1}/{file.stored_size}"
        return {**headers, "Content-Length": str(self.length)}


class StorageRules:
    """Judges requests to object storage against the emulated world."""

    def __init__(self, emulator: Emulator) -> None:
        """Shares the world, the clock and the faults of `emulator`."""
        self._emulator = emulator

    @staticmethod
    def operation(request: Request) -> str:
        """The name under which a request is counted and faults are planned."""
        if request.method in {"GET", "HEAD"}:
            return STORAGE_GET
        return STORAGE_PART if any(name == "partNumber" for name, _ in request.query) else STORAGE_PUT

    def fault(self, operation: str) -> FaultRule | None:
        """What the plan does to this request."""
        return self._emulator.next_fault(operation)

    def admit_put(self, request: Request) -> Upload:
        """Checks everything that can be known before the body comes.

        Raises:
            StorageError: with object storage's status and code.
        """
        self._emulator.settle()
        ref = object_ref(request)
        file = self._find(ref)
        digest = _content_md5(request)
        usual = _USUAL_TYPES.get(file.type.lower(), _BYTES)
        self._emulator.links.verify(request, self._emulator.now, usual_type=usual)
        _check_open(file)
        if file.parts is not None and (ref.part is None or ref.upload_id != file.upload_id):
            raise StorageError(404, "NoSuchUpload", "The specified multipart upload does not exist.")
        length = _content_length(request)
        _check_length(file, length)
        return Upload(file.id, ref.part or 1, length, digest)

    def received(self, upload: Upload, size: int, md5: bytes) -> Segment:
        """The part that has come, once it is checked.

        Raises:
            StorageError: it is shorter than announced, or not what Content-MD5 says, or it comes too late.
        """
        file = self._emulator.world.files.get(upload.file_id)
        if file is None or file.state is FileState.DELETED:
            raise StorageError(404, "NoSuchKey", "The specified key does not exist.")
        # While the body came, the upload may have been ended, or another request may have used up the URL.
        _check_open(file)
        if size != upload.length:
            raise StorageError(400, "IncompleteBody", "The body is not as long as Content-Length says.")
        if upload.md5 is not None and upload.md5 != md5:
            raise StorageError(400, "BadDigest", "The Content-MD5 does not match the body.")
        return Segment(upload.part, size, md5.hex())

    def stored(self, upload: Upload, segment: Segment) -> File:
        """Takes note of a stored part, in place of an older one; the file as it is now."""
        world = self._emulator.world
        file = world.files.get(upload.file_id)
        assert file is not None
        others = [kept for kept in file.segments if kept.part != segment.part]
        segments = tuple(sorted([*others, segment], key=lambda kept: kept.part))
        file = world.files.put(replace(file, segments=segments))
        world.count("uploads/puts")
        world.count("uploads/bytes", segment.size)
        self._emulator.keep()
        return file

    def put(self, request: Request) -> Answer:
        """The answer to a PUT whose body is at hand, faults included: for simulations, which keep no bytes."""
        operation, request_id = self.operation(request), self._emulator.world.new_id()
        rule = self.fault(operation)
        fault, code = "" if rule is None else rule.do.value, ""
        try:
            answer = None if rule is None else self.broken(rule)
            if answer is None:
                upload = self.admit_put(request)
                digest = hashlib.md5(request.body, usedforsecurity=False).digest()
                segment = self.received(upload, len(request.body), digest)
                self.stored(upload, segment)
                answer = Answer(200, b"", {"ETag": f'"{segment.md5_hex}"'})
                answer = answer if rule is None else afterwards(answer, rule)
        except StorageError as error:
            code = error.code
            answer = error_answer(error, request, request_id)
        self.note(request, operation, answer, code=code, fault=fault, request_id=request_id)
        return answer

    def admit_get(self, request: Request) -> Download:
        """Checks a download.

        Raises:
            StorageError: with object storage's status and code.
        """
        self._emulator.settle()
        ref = object_ref(request)
        file = self._find(ref)
        self._emulator.links.verify(request, self._emulator.now)
        if not file.segments or file.state not in _UPLOADABLE:
            raise StorageError(404, "NoSuchKey", "The specified key does not exist.")
        tag = etag(file)
        known = {
            item.strip().removeprefix("W/") for item in (request.header("If-None-Match") or "").split(",")
        }
        unchanged = bool({tag, "*"} & known)
        ranged = (
            request.header("Range") if request.header("If-Range") in {None, tag} and not unchanged else None
        )
        start, end, partial = _range(ranged, file.stored_size)
        return Download(file, start, end, partial, unchanged, _wanted_headers(request))

    def broken(self, rule: FaultRule) -> Answer | None:
        """What a fault answers in place of the work; None: the work is done.

        Raises:
            StorageError: the fault is a refusal.
        """
        if rule.do in {Fault.ERROR, Fault.THROTTLE}:
            status = rule.status or (503 if rule.do is Fault.THROTTLE else 500)
            code = rule.code or _FAULT_CODES.get(status, "InternalError")
            raise StorageError(status, code, "A fault that was asked for.")
        if rule.do is Fault.EXPIRED_URL:
            raise StorageError(403, "AccessDenied", "Request has expired.")
        if rule.do is Fault.HTML:
            return proxy_page(rule)
        if rule.do is Fault.RESET_BEFORE:
            return Answer(0, delivery=Delivery.CUT)
        return None

    def note(
        self,
        request: Request,
        operation: str,
        answer: Answer,
        *,
        code: str = "",
        fault: str = "",
        request_id: str = "",
    ) -> None:
        """Counts a request and writes it into the journal, without its query."""
        self._emulator.world.count(f"calls/{operation}")
        if code:
            self._emulator.world.count(f"refused/{operation}")
        self._emulator.note(request, operation, answer, code=code, fault=fault, request_id=request_id)
        self._emulator.keep()

    def _find(self, ref: ObjectRef) -> File:
        project, _, rest = ref.key.partition("/")
        asset_id, _, name = rest.partition("/")
        file = self._emulator.world.files.get(name.partition(".")[0])
        known = file is not None and file.asset_id == asset_id and file.state is not FileState.DELETED
        if not known or project != self._emulator.config.project_id:
            raise StorageError(404, "NoSuchKey", "The specified key does not exist.")
        assert file is not None
        return file


def etag(file: File) -> str:
    """The quoted ETag: the digest of an object sent in one PUT; of the parts' digests, with their number, for others."""
    if file.parts is None and file.segments:
        return f'"{file.segments[0].md5_hex}"'
    digests = bytes.fromhex("".join(segment.md5_hex for segment in file.segments))
    return f'"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(file.segments)}"'


def error_answer(error: StorageError, request: Request, request_id: str) -> Answer:
    """A refusal in object storage's XML."""
    fields = {
        "Code": error.code,
        "Message": error.message,
        "RequestId": request_id,
        "Resource": request.path,
    }
    inner = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in fields.items())
    body = f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<Error>{inner}</Error>'
    headers = {"Content-Type": "application/xml", "x-obs-request-id": request_id, **error.headers}
    return Answer(error.status, body.encode("utf-8", "replace"), headers)


def _check_open(file: File) -> None:
    """Passes while the file may be uploaded."""
    if file.single_use and file.complete:
        raise StorageError(403, "AccessDenied", "The URL has been used: the file is uploaded.")
    if file.state not in _UPLOADABLE or (file.parts is not None and file.state is not FileState.CREATING):
        raise StorageError(404, "NoSuchUpload", f"The upload is over: the file is {file.state}.")


def _wanted_headers(request: Request) -> dict[str, str]:
    """What the query says about the answer's head; it is signed, so the URL's maker wants it."""
    wanted = {
        name.removeprefix("response-").title(): value
        for name, value in request.query
        if name in {"response-content-type", "response-content-disposition", "response-cache-control"}
    }
    return {name: value for name, value in wanted.items() if value.isprintable()}


def _content_length(request: Request) -> int:
    value = request.header("Content-Length")
    if value is None:
        raise StorageError(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
    if not (value.isascii() and value.isdigit() and len(value) <= 15):
        raise StorageError(400, "InvalidArgument", "Content-Length is no number.")
    return int(value)


def _content_md5(request: Request) -> bytes | None:
    value = request.header("Content-MD5")
    if not value:
        return None
    try:
        digest = base64.b64decode(value.strip(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise StorageError(400, "InvalidDigest", "The Content-MD5 you specified is not valid.") from error
    if len(digest) != 16:
        raise StorageError(400, "InvalidDigest", "The Content-MD5 you specified is not valid.")
    return digest


def _check_length(file: File, length: int) -> None:
    if length > MAX_PUT_BYTES:
        raise StorageError(400, "EntityTooLarge", "The body exceeds 5 GB.")
    if file.size is None:
        return
    if length > file.size:
        raise StorageError(400, "EntityTooLarge", f"The file was announced with {file.size} bytes.")
    if file.parts is None and length < file.size:
        raise StorageError(400, "EntityTooSmall", f"The file was announced with {file.size} bytes.")


def _range(header: str | None, size: int) -> tuple[int, int, bool]:
    """Start, end and whether it is a part; a header that isn't one plain range is ignored, as HTTP wants it."""
    unit, _, spec = (header or "").partition("=")
    first, dash, last = spec.strip().partition("-")
    digits = all(part.isascii() and (part.isdigit() or not part) and len(part) < 20 for part in (first, last))
    if unit.strip().lower() != "bytes" or not dash or not digits or not (first or last):
        return 0, size, False
    if not first:
        start, end = max(0, size - int(last)), size
        satisfiable = int(last) > 0
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < int(first):
            return 0, size, False
        satisfiable = start < size
    if not satisfiable:
        raise StorageError(
            416,
            "InvalidRange",
            "The requested range cannot be satisfied.",
            headers={"Content-Range": f"bytes */{size}"},
        )
    return start, end, True
