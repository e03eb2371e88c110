"""Object storage over HTTP: streams bodies to and from disk, and carries out faults."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from aiohttp import web

from orchestrator.emulator.adapter import Departure, as_request, depart, hang_up
from orchestrator.emulator.deck import slides_in
from orchestrator.emulator.faults import Fault, FaultRule
from orchestrator.emulator.mishap import DELIVERIES
from orchestrator.emulator.objects import CHUNK_BYTES, Objects
from orchestrator.emulator.presign import StorageError
from orchestrator.emulator.storage import StorageRules, error_answer
from orchestrator.emulator.wire import Answer, Delivery, Request

#: A refused upload is read on up to here, so that the caller gets to see the refusal; beyond, the line is cut.
_DRAIN_BYTES = 64 * 1024 * 1024
#: Presigned URLs are the only key, so any page may use them: a dashboard plays videos, a form uploads.
_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Accept-Ranges, Content-Length, Content-Range, ETag, x-obs-request-id",
}
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, HEAD, PUT",
    "Access-Control-Allow-Headers": "*",
    "Access-Control-Max-Age": "600",
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
        """Answers a PUT, GET or HEAD of an object, and a browser that asks whether it may."""
        if http.method == "OPTIONS":
            return web.Response(status=204, headers={**_CORS, **_PREFLIGHT})
        exchange = self._begin(http)
        try:
            if http.method in {"GET", "HEAD"}:
                return await self._get(exchange)
            answer, code = await self._put(exchange), ""
        except StorageError as error:
            code = error.code
            answer = error_answer(error, exchange.request, exchange.id)
            if not await self._drained(http):
                answer = answer.with_header("Connection", "close")
        return await self._end(exchange, answer, code)

    def _begin(self, http: web.Request) -> "_Exchange":
        request = as_request(http, b"")
        operation = self._rules.operation(request)
        rule = self._rules.fault(operation) if http.method in {"PUT", "GET"} else None
        return _Exchange(http, request, operation, self._new_id(), rule)

    async def _end(self, exchange: "_Exchange", answer: Answer, code: str = "") -> web.StreamResponse:
        self._note(exchange, answer, code)
        headers = {**answer.headers, **_CORS, "x-obs-request-id": exchange.id}
        return await depart(exchange.http, replace(answer, headers=headers), self._departure)

    def _note(self, exchange: "_Exchange", answer: Answer, code: str = "") -> None:
        self._rules.note(
            exchange.request,
            exchange.operation,
            answer,
            code=code,
            fault="" if exchange.rule is None else exchange.rule.do.value,
            request_id=exchange.id,
        )

    async def _broken(self, exchange: "_Exchange") -> Answer | None:
        """What a fault makes of the request before any work; None: the work is done."""
        if exchange.rule is None:
            return None
        if exchange.rule.do is Fault.SLOW:
            await self._departure.sleep(exchange.rule.seconds)
        return self._rules.broken(exchange.rule)

    async def _put(self, exchange: "_Exchange") -> Answer:
        http = exchange.http
        if http.method != "PUT":
            raise StorageError(405, "MethodNotAllowed", "The method is not allowed against this resource.")
        broken = await self._broken(exchange)
        if broken is not None:
            if broken.delivery is Delivery.WHOLE:
                await self._drained(http)
            return broken
        upload = self._rules.admit_put(exchange.request)
        async with self._objects.receive() as receipt:
            async for chunk in http.content.iter_chunked(CHUNK_BYTES):
                await receipt.write(chunk)
            md5 = receipt.close()
            segment = self._rules.received(upload, receipt.size, md5)
            segment = replace(segment, slides=await asyncio.to_thread(slides_in, receipt.path))
            self._objects.place(receipt.path, upload.file_id, segment)
        file = self._rules.stored(upload, segment)
        self._objects.keep_only(file.id, file.segments)
        return Answer(200, b"", {"ETag": f'"{segment.md5_hex}"'}, exchange.delivery)

    async def _get(self, exchange: "_Exchange") -> web.StreamResponse:
        broken = await self._broken(exchange)
        if broken is not None:
            return await self._end(exchange, broken)
        download = self._rules.admit_get(exchange.request)
        file = download.file
        if not self._objects.holds(file.id, file.segments):
            raise StorageError(404, "NoSuchKey", "The specified key does not exist.")
        delivery = exchange.delivery
        if download.unchanged or delivery in {Delivery.NEVER, Delivery.CUT}:
            return await self._end(
                exchange, Answer(download.status, headers=download.headers, delivery=delivery)
            )
        self._note(exchange, Answer(download.status, delivery=delivery))
        headers = {**download.headers, **_CORS, "x-obs-request-id": exchange.id}
        response = web.StreamResponse(status=download.status, headers=headers)
        await response.prepare(exchange.http)
        if exchange.http.method == "HEAD":
            return response
        length = download.length // 2 if delivery is Delivery.HALF else download.length
        corrupt = exchange.rule is not None and exchange.rule.do is Fault.MALFORMED
        async for chunk in self._objects.read(file.id, file.segments, download.start, length):
            await response.write(_corrupted(chunk) if corrupt else chunk)
        if delivery is Delivery.HALF:
            hang_up(exchange.http)
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


@dataclass(frozen=True, slots=True)
class _Exchange:
    """A request being answered."""

    http: web.Request
    request: Request
    operation: str
    id: str
    rule: FaultRule | None

    @property
    def delivery(self) -> Delivery:
        """What a fault does to the answer on its way."""
        return Delivery.WHOLE if self.rule is None else DELIVERIES.get(self.rule.do, Delivery.WHOLE)


def _corrupted(chunk: bytes) -> bytes:
    return bytes((chunk[0] ^ 0xFF,)) + chunk[1:]
