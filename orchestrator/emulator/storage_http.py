"""Object storage over HTTP: streams bodies to and from disk, and carries out faults."""

import asyncio
from collections.abc import Callable

from aiohttp import web

from orchestrator.emulator.adapter import Departure, as_request, depart, hang_up
from orchestrator.emulator.faults import Fault, FaultRule
from orchestrator.emulator.objects import CHUNK_BYTES, Objects
from orchestrator.emulator.presign import StorageError
from orchestrator.emulator.storage import Download, StorageRules, error_answer
from orchestrator.emulator.wire import Answer, Delivery, Request

#: A refused upload is read on up to here, so that the caller gets to see the refusal; beyond, the line is cut.
_DRAIN_BYTES = 64 * 1024 * 1024
_DELIVERIES = {Fault.HANG: Delivery.NEVER, Fault.RESET_AFTER: Delivery.CUT, Fault.TRUNCATE: Delivery.HALF}
_CONTENT_TYPES = {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "gif": "image/gif"} | {
    "mp4": "video/mp4",
    "webm": "video/webm",
    "mp3": "audio/mp3",
    "wav": "audio/wav",
}


class StorageHandler:
    """The one handler of the storage listener."""

    def __init__(
        self,
        rules: StorageRules,
        objects: Objects,
        new_id: Callable[[], str],
        departure: Departure,
    ) -> None:
        """`departure` tells hanging requests that the server stops."""
        self._rules = rules
        self._objects = objects
        self._new_id = new_id
        self._departure = departure

    async def handle(self, http: web.Request) -> web.StreamResponse:
        """Answers a PUT, GET or HEAD of an object."""
        request = as_request(http, b"")
        operation = self._rules.operation(request)
        request_id = self._new_id()
        rule = self._rules.fault(operation) if http.method in {"PUT", "GET"} else None
        fault = "" if rule is None else rule.do.value
        code = ""
        try:
            if http.method in {"GET", "HEAD"}:
                return await self._get(http, request, rule)
            answer = await self._put(http, request, rule)
        except StorageError as error:
            code = error.code
            answer = error_answer(error, request, request_id)
            if not await self._drained(http):
                answer = Answer(answer.status, answer.body, {**answer.headers, "Connection": "close"})
        self._rules.note(request, operation, answer, code=code, fault=fault)
        return await depart(http, answer, self._departure)

    async def _put(self, http: web.Request, request: Request, rule: FaultRule | None) -> Answer:
        if rule is not None and rule.do is Fault.SLOW:
            await self._departure.sleep(rule.seconds)
        if http.method != "PUT":
            raise StorageError(405, "MethodNotAllowed", "The method is not allowed against this resource.")
        broken = None if rule is None else self._rules.broken(rule)
        if broken is not None:
            if broken.delivery is Delivery.WHOLE:
                await self._drained(http)
            return broken
        upload = self._rules.admit_put(request)
        async with self._objects.receive() as receipt:
            async for chunk in http.content.iter_chunked(CHUNK_BYTES):
                await receipt.write(chunk)
            md5 = receipt.close()
            segment = self._rules.received(upload, receipt.size, md5)
            self._objects.place(receipt.path, upload.file_id, segment)
        file = self._rules.stored(upload, segment)
        self._objects.keep_only(file.id, file.segments)
        delivery = Delivery.WHOLE if rule is None else _DELIVERIES.get(rule.do, Delivery.WHOLE)
        return Answer(200, b"", {"ETag": f'"{segment.md5_hex}"'}, delivery)

    async def _get(self, http: web.Request, request: Request, rule: FaultRule | None) -> web.StreamResponse:
        if rule is not None and rule.do is Fault.SLOW:
            await self._departure.sleep(rule.seconds)
        broken = None if rule is None else self._rules.broken(rule)
        if broken is not None:
            self._rules.note(request, "storage.get", broken, fault=rule.do.value if rule else "")
            return await depart(http, broken, self._departure)
        download = self._rules.admit_get(request)
        if not self._objects.holds(download.file.id, download.file.segments):
            raise StorageError(404, "NoSuchKey", "The specified key does not exist.")
        status = 206 if download.partial else 200
        delivery = Delivery.WHOLE if rule is None else _DELIVERIES.get(rule.do, Delivery.WHOLE)
        fault = "" if rule is None else rule.do.value
        self._rules.note(request, "storage.get", Answer(status, delivery=delivery), fault=fault)
        if delivery in {Delivery.NEVER, Delivery.CUT}:
            return await depart(http, Answer(status, delivery=delivery), self._departure)
        response = web.StreamResponse(status=status, headers=_download_headers(download))
        await response.prepare(http)
        if http.method == "HEAD":
            return response
        length = download.length // 2 if delivery is Delivery.HALF else download.length
        file = download.file
        async for chunk in self._objects.read(file.id, file.segments, download.start, length):
            await response.write(chunk)
        if delivery is Delivery.HALF:
            hang_up(http)
            return response
        await response.write_eof()
        return response

    @staticmethod
    async def _drained(http: web.Request) -> bool:
        """Whether the rest of the body was read; too much of it isn't."""
        read = 0
        async for chunk in http.content.iter_chunked(CHUNK_BYTES):
            read += len(chunk)
            if read > _DRAIN_BYTES:
                return False
            await asyncio.sleep(0)
        return True


def _download_headers(download: Download) -> dict[str, str]:
    file = download.file
    headers = {
        "Content-Length": str(download.length),
        "Content-Type": _CONTENT_TYPES.get(file.type.lower(), "application/octet-stream"),
        "Accept-Ranges": "bytes",
        "ETag": f'"{"-".join(segment.md5_hex for segment in file.segments)[:64]}"',
    }
    if download.partial:
        headers["Content-Range"] = f"bytes {download.start}-{download.end - 1}/{file.stored_size}"
    return headers
