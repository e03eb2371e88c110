"""SIGTERM: the daemon lets go of its work in time, and the next one takes it up."""

import asyncio
import signal
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from orchestrator.app import kind_infos
from orchestrator.definition.loader import load
from orchestrator.domain import events as ev
from orchestrator.domain.ids import RunId
from orchestrator.engine.engine import utc_now
from orchestrator.engine.offline import Offline
from orchestrator.engine.run_ids import RunIds
from orchestrator.store.sqlite import SqliteStore
from tests.e2e.test_cli_commands import started, stop, wait_for
from tests.unit.cli.conftest import Book

DEFINITION = """
pipeline: cups
steps:
  waits: {uses: sleep, with: {seconds: 600}}
  tell: {uses: notify.webhook, with: {url: "http://127.0.0.1:PORT/"}}
  again: {uses: notify.webhook, needs: [tell], with: {url: "http://127.0.0.1:PORT/"}}
"""
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@pytest.fixture
def receiver() -> Iterator[socket.socket]:
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        listening.settimeout(60)
        yield listening


async def wish_for_a_run(folder: Path, port: int) -> None:
    path = folder / "cups.yaml"
    path.write_text(DEFINITION.replace("PORT", str(port)))
    store = await SqliteStore(folder / ".orchestrator" / "state.db").open()
    book = Book(store)
    await book.begin("01aa")
    await book.write("01aa", ev.RunSucceeded({}))
    control = Offline(store, clock=utc_now, new_id=RunIds(utc_now), leaves=lambda _: None)
    await control.replay(RunId("01aa"), pipeline=load(path, kinds=kind_infos()))
    await store.close()


def call(receiver: socket.socket) -> tuple[socket.socket, bytes]:
    """The next call of the webhook, without an answer, and what it says."""
    connection, _ = receiver.accept()
    connection.settimeout(60)
    said = b""
    while b"}" not in said:
        said += connection.recv(65536)
    return connection, said


def test_a_daemon_ends_in_time_and_the_next_goes_on(tmp_path: Path, receiver: socket.socket) -> None:
    """With a call under way that has no answer, and a step that waits: exit code 0, and nothing is forgotten."""
    asyncio.run(wish_for_a_run(tmp_path, receiver.getsockname()[1]))
    (tmp_path / "brief.yaml").write_text("engine: {grace_s: 0.2}\n")
    command = ("daemon", "--emulator", "--config", "brief.yaml")
    with started(tmp_path, *command) as daemon:
        wait_for(daemon.stdout, "ready")
        connection, said = call(receiver)
        assert b'"tell"' in said
        code, _, err = stop(daemon, signal.SIGTERM)
        assert (code, "Traceback" in err) == (0, False), err
        connection.close()
    with started(tmp_path, *command) as daemon:
        assert "unfinished runs taken up: 1" in wait_for(daemon.stdout, "ready")
        for step in (b'"tell"', b'"again"'):
            connection, said = call(receiver)
            assert step in said
            connection.sendall(OK)
            connection.close()
        assert stop(daemon, signal.SIGTERM)[0] == 0
