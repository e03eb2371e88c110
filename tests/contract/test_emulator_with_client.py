"""The client and the emulator's judge, written apart, agree on signatures, tokens, refusals and the quota."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from orchestrator.emulator.config import EmulatorConfig
from orchestrator.emulator.server import EmulatorServer
from orchestrator.limits.local import LocalLimiter
from orchestrator.metastudio import operations as ops
from orchestrator.metastudio.auth.credentials import AkSk, Credentials, Token, TokenLogin
from orchestrator.metastudio.client import MetaStudio, utc_now
from orchestrator.metastudio.errors import ApiError, Unauthorized
from orchestrator.metastudio.models.digital_asset import CreateDigitalAssetRequestBody
from orchestrator.metastudio.operations import RATES
from orchestrator.metastudio.transport import AioHttpTransport

BODY = CreateDigitalAssetRequestBody(asset_name="Kessel \u2013 \u6c34\u58f6 & more", asset_type="IMAGE")


class Line:
    """A server and the means to call it."""

    def __init__(self, server: EmulatorServer, transport: AioHttpTransport) -> None:
        self.server = server
        self.config = server.config
        self.transport = transport

    def client(self, credentials: Credentials, **settings: Any) -> MetaStudio:
        limiter = LocalLimiter(RATES[self.config.region])
        return MetaStudio(
            credentials,
            region=self.config.region,
            endpoint=self.server.endpoint,
            project_id=self.config.project_id,
            limiter=limiter,
            transport=self.transport,
            repeats=0,
            **settings,
        )

    @property
    def key(self) -> AkSk:
        return AkSk(self.config.ak, self.config.sk)


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    async with EmulatorServer(EmulatorConfig(render=False)) as server, AioHttpTransport() as transport:
        yield Line(server, transport)


async def test_signed_calls_are_accepted(line: Line) -> None:
    """With a body, with a query of any characters, with a path."""
    client = line.client(line.key)
    made = await client.call(ops.create_digital_asset, body=BODY)
    assert made.asset_id is not None
    found = await client.call(ops.list_assets, query={"name": "\u6c34\u58f6 & m", "tag": "", "limit": 5})
    assert [asset.asset_id for asset in found.assets or ()] == [made.asset_id]
    shown = await client.call(ops.show_asset, path={"asset_id": made.asset_id})
    assert shown.asset_name == BODY.asset_name


async def test_a_login_gives_a_token(line: Line) -> None:
    """And the token that the emulator announces serves as well."""
    config = line.config
    login = TokenLogin(config.user, config.password, config.domain, config.region, line.server.endpoint)
    for credentials in (login, Token(config.token)):
        assert (await line.client(credentials).call(ops.list_assets)).count == 0
    with pytest.raises(Unauthorized):
        await line.client(replace(login, password="wrong")).call(ops.list_assets)


async def test_a_wrong_key_and_a_wrong_clock_are_refused(line: Line) -> None:
    """As Unauthorized, not as anything that could be tried again."""
    with pytest.raises(Unauthorized):
        await line.client(AkSk(line.config.ak, "wrong")).call(ops.list_assets)
    with pytest.raises(Unauthorized, match="15 minutes"):
        await line.client(line.key, clock=lambda: utc_now() - timedelta(hours=1)).call(ops.list_assets)


async def test_a_refusal_keeps_its_code(line: Line) -> None:
    """The table's code reaches the caller."""
    with pytest.raises(ApiError) as caught:
        await line.client(line.key).call(ops.show_asset, path={"asset_id": "nope"})
    assert (caught.value.status, caught.value.code) == (404, "MSS.10001001")


async def test_the_paced_client_is_never_throttled(line: Line) -> None:
    """At full use of the published rate the emulator's sliding window refuses nothing."""
    client = line.client(line.key)
    await asyncio.gather(*(client.call(ops.list_assets) for _ in range(30)))
    assert line.server.emulator.world.count("calls/list_assets", 0) == 30
    assert line.server.emulator.world.count("throttled/list_assets", 0) == 0
