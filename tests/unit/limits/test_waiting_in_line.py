import asyncio
from typing import Any

from orchestrator.limits.local import LocalLimiter
from orchestrator.metastudio.auth.credentials import AkSk
from orchestrator.metastudio.client import MetaStudio
from orchestrator.metastudio.operations import list_assets
from orchestrator.metastudio.wire import Request, Response
from tests.bench.limiter_designs import LINES, TokenBucket
from tests.bench.limiter_pace import ours, score
from tests.bench.limiter_queue import bytes_each, order
from tests.bench.limiter_queue import ours as ours_in_line
from tests.simulation.loop import run_virtual


class Busy:
    """A transport to a server that refuses the first `refusals` calls; notes who called, by the offset asked for."""

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals
        self.callers: list[str] = []

    async def send(self, request: Request, *, timeout_s: float) -> Response:
        self.callers.append(request.url.partition("offset=")[2].partition("&")[0])
        await asyncio.sleep(0.05)
        if len(self.callers) <= self.refusals:
            return Response(429, {}, b'{"error_code": "APIGW.0308", "error_msg": "throttled"}')
        return Response(200, {}, b'{"count": 0, "assets": []}')


def test_a_refused_call_goes_again_before_newcomers() -> None:
    """The client sends it in its old place, however often it is refused."""

    async def main() -> list[str]:
        transport = Busy(refusals=3)
        limiter = LocalLimiter({list_assets.id: 5.0})
        client = MetaStudio(
            AkSk("ak", "sk"),
            endpoint="https://x.example",
            region="r",
            project_id="p",
            limiter=limiter,
            transport=transport,
        )

        async def call(number: int) -> Any:
            return await client.call(list_assets, query={"offset": number}, order=1.0)

        async with client, asyncio.TaskGroup() as group:
            for number in range(4):
                group.create_task(call(number))
        return transport.callers

    assert run_virtual(main())[:4] == ["0", "0", "0", "0"]


def test_ten_thousand_wait_cheaply_and_nobody_is_overtaken() -> None:
    """Under 2 KB each with their tasks; newcomers line up behind."""
    assert run_virtual(bytes_each(ours_in_line())) < 2000
    assert run_virtual(order(ours_in_line()))[0] == 0


def test_two_hundred_callers_fill_the_quota() -> None:
    """Through the queue and the loop's timers as by the arithmetic alone."""
    result = run_virtual(score(ours, 10, TokenBucket(10, 2), LINES["±10 ms"], 120))
    assert result.refused == 0
    assert result.used >= 0.97
