"""An emulator in a thread of its own, and the official SDK, which is synchronous, beside it."""

import asyncio
import json
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from huaweicloudsdkcore.auth.credentials import BasicCredentials  # type: ignore[import-untyped] # ships no types

from orchestrator.emulator.config import EmulatorConfig
from orchestrator.emulator.server import EmulatorServer
from tests.conformance.official import Official, client_of
from tools.docs_emulator import operations_called

#: Long enough that nothing ends before a test lets it: tests let time pass by `Tenant.pass_s`.
SLOW = {"video_wait_s": 3600.0, "video_process_s": 3600.0}


@dataclass
class Tenant:
    """An emulator that listens, and its clock."""

    server: EmulatorServer
    clients: list[Any] = field(default_factory=list)

    @property
    def config(self) -> EmulatorConfig:
        """Keys, project and region."""
        return self.server.config

    def control(self, verb: str, body: Any = None) -> Any:
        """What `/_emulator/…` answers; with a body it is a POST."""
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(f"{self.server.endpoint}/_emulator/{verb}", data, timeout=20) as answer:
            return json.load(answer)

    def pass_s(self, seconds: float) -> None:
        """Lets time pass in the emulated world."""
        self.control("advance", {"seconds": seconds})

    def sdk(self, credentials: BasicCredentials | None = None) -> Official:
        """The official SDK, with the account's own key unless others are given."""
        config = self.config
        own = BasicCredentials(config.ak, config.sk, config.project_id)
        client = client_of(self.server.endpoint, credentials or own)
        self.clients.append(client)
        return Official(client)


@contextmanager
def listening(**settings: Any) -> Iterator[Tenant]:
    """An emulator in a thread of its own."""
    server = EmulatorServer(EmulatorConfig(**{"render": False, "limits": False, **SLOW, **settings}))
    tenant = Tenant(server)
    with _loop_in_a_thread() as loop:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result(20)
        try:
            yield tenant
        finally:
            for client in tenant.clients:
                client.close()
            asyncio.run_coroutine_threadsafe(server.stop(), loop).result(20)


@contextmanager
def _loop_in_a_thread() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="emulator")
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture(scope="module")
def tenant() -> Iterator[Tenant]:
    """One emulator for the tests of a module."""
    with listening() as one:
        yield one


@pytest.fixture
def sdk(tenant: Tenant) -> Iterator[Official]:
    """The official SDK with the account's own key; the emulator starts over after the test."""
    yield tenant.sdk()
    tenant.control("reset", {})


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Function) -> Iterator[None]:
    """A test that names an operation of the SDK passes only when that was answered with a success."""
    yield
    official = item.funcargs.get("sdk")
    if isinstance(official, Official):
        named = operations_called(item.path.read_text("utf-8")).get(item.function.__name__, set())
        assert named <= official.called, f"not answered: {', '.join(sorted(named - official.called))}"
