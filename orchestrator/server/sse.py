"""Server-sent events over aiohttp."""

import asyncio
from collections.abc import AsyncIterator

import structlog
from aiohttp import web

from orchestrator.errors import OrchestratorError
from orchestrator.server.reads import EventView, to_json

log = structlog.get_logger(__name__)


async def stream(
    request: web.Request,
    events: AsyncIterator[EventView],
    *,
    stopping: asyncio.Event,
    heartbeat_s: float,
    with_ids: bool,
) -> web.StreamResponse:
    """Sends `events` as they come until there are no more, the client leaves or `stopping` is set.

    `with_ids` makes the sequence number the event's id, which a browser sends back when it reconnects. A comment every
    `heartbeat_s` shows proxies that the connection lives, and us that the client does.
    """
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/event-stream",
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
        }
    )
    await response.prepare(request)
    stop = asyncio.create_task(stopping.wait())
    upcoming = asyncio.create_task(_next(events))
    try:
        await response.write(b"retry: 2000\n\n")
        while True:
            done, _ = await asyncio.wait(
                {upcoming, stop}, timeout=heartbeat_s, return_when=asyncio.FIRST_COMPLETED
            )
            if stop in done:
                break
            if upcoming not in done:
                await response.write(b": still here\n\n")
                continue
            event = upcoming.result()
            if event is None:
                break
            # Kept across heartbeats, never cancelled by one: a cancelled generator would be over.
            upcoming = asyncio.create_task(_next(events))
            await response.write(_frame(event, with_id=with_ids))
    except ConnectionError:
        # The client left; there is nobody to tell.
        pass
    except OrchestratorError as error:
        # The answer has begun, so the failure can't be one: the client reconnects and is told then.
        log.warning("admin.stream_failed", path=request.path, error=error.message)
    finally:
        for task in (upcoming, stop):
            task.cancel()
        await asyncio.wait({upcoming, stop})
    return response


async def _next(events: AsyncIterator[EventView]) -> EventView | None:
    return await anext(events, None)


def _frame(event: EventView, *, with_id: bool) -> bytes:
    head = f"id: {event.seq}\n" if with_id else ""
    return f"{head}data: {to_json(event)}\n\n".encode()
