"""Disks that are full, files that are locked, read-only or damaged: a clear message, and nothing lost."""

import asyncio
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.domain.ids import RunId
from orchestrator.store import sqlite_upkeep as upkeep
from orchestrator.store.base import Append, RunFilter, Store, StoreError
from orchestrator.store.sqlite import SqliteStore

#: Appends until the store refuses, tells each that was acknowledged, and ends as a command would.
_UNTIL_REFUSED = """
import asyncio, os, resource, sys
from datetime import UTC, datetime
from pathlib import Path
from orchestrator.domain import events as ev
from orchestrator.domain.ids import DefinitionHash, RunId, RunKey
from orchestrator.domain.run import RunStatus
from orchestrator.errors import OrchestratorError
from orchestrator.store.base import Append, Summary
from orchestrator.store.sqlite import SqliteStore

NOW = datetime(2026, 1, 2, tzinfo=UTC)

def begin(name):
    body = ev.RunCreated("n", "p", DefinitionHash("d"), RunKey("k"), {"text": "x" * 2000})
    row = Summary(RunId(name), RunKey("k"), "n", "p", DefinitionHash("d"), RunStatus.CREATED, NOW, None, 1, 1, 0)
    return Append(RunId(name), 0, [ev.Event(RunId(name), 1, NOW, body)], row)

async def main():
    store = await SqliteStore(Path(sys.argv[1])).open()
    %s
    async def one(writer):
        for number in range(100000):
            await store.append(begin(f"{writer}-{number:05}"))
            os.write(1, f"{writer}-{number:05}\\n".encode())
    try:
        async with asyncio.TaskGroup() as group:
            for writer in range(5):
                group.create_task(one(writer))
    finally:
        await store.close()

try:
    asyncio.run(main())
except* OrchestratorError as errors:
    error = errors.exceptions[0]
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    sys.stderr.write(f"{error.message} {error.hint}")
    code = error.exit_code
sys.exit(code)
"""


#: Reads a state and tries to write to it, as a user without rights.
_WITHOUT_RIGHTS = """
import asyncio, concurrent.futures.thread, os, sys
from pathlib import Path
from orchestrator.store import sqlite_file, sqlite_upkeep
from orchestrator.store.base import StoreError
from orchestrator.store.sqlite import SqliteStore

async def main(path):
    store = await SqliteStore(path).open()
    try:
        await store.claim("me")
    finally:
        await store.close()

sqlite_file.latest_version()  # everything is read while that is possible
if not os.getuid():
    os.setuid(65534)
print(len(sqlite_upkeep.check(Path(sys.argv[1])).problems))
try:
    asyncio.run(main(Path(sys.argv[1])))
except StoreError as error:
    print(error.message, error.hint)
    sys.exit(error.exit_code)
"""


def run(script: str, path: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, timeout=60, check=False
    )


def until_refused(path: Path, preparation: str) -> tuple[set[str], str, int]:
    """What a process acknowledged before it could not go on, what it said, and its exit code."""
    done = run(_UNTIL_REFUSED % preparation, path)
    return set(done.stdout.split()), done.stderr, done.returncode


async def names(path: Path) -> set[str]:
    store = await SqliteStore(path).open()
    found: set[str] = {run.id for run in await store.summaries(RunFilter(), limit=100_000)}
    for run_id in found:
        assert len(await store.journal(RunId(run_id))) == 1
    await store.close()
    return found


@pytest.mark.parametrize(
    ("preparation", "said"),
    [
        ("await store._write(lambda c: c.execute('PRAGMA max_page_count=200'))", "the disk is full"),
        (
            "resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))",
            "the system could not read or write",
        ),
    ],
    ids=["full", "file size limit"],
)
async def test_a_process_without_room_ends_and_loses_nothing(
    tmp_path: Path, preparation: str, said: str
) -> None:
    """Exit code 3 with place, cause and remedy; what was acknowledged is there, nothing is there by half."""
    path = tmp_path / "state.db"
    acknowledged, told, code = until_refused(path, preparation)
    assert code == 3
    assert f"The state file {path} cannot be used: {said}" in told
    assert "Nothing that was recorded is lost." in told
    assert len(acknowledged) > 5
    assert await names(path) >= acknowledged
    assert not [problem for problem in upkeep.check(path).problems if "definition" not in problem.what]


async def test_a_process_that_is_killed_loses_nothing(tmp_path: Path) -> None:
    """What it acknowledged before SIGKILL is in the file that the next one opens."""
    path = tmp_path / "state.db"
    command = [sys.executable, "-c", _UNTIL_REFUSED % "pass", str(path)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    acknowledged = {(await process.stdout.readline()).decode().strip() for _ in range(50)}
    process.kill()
    rest, _ = await process.communicate()
    acknowledged |= set(rest.decode().split("\n")[:-1])
    assert await names(path) >= acknowledged


async def test_without_file_handles_the_state_is_not_opened(tmp_path: Path) -> None:
    """The message speaks of the limit."""
    path = tmp_path / "state.db"
    # As many as are in use now, and none for a second state.
    none_left = (
        "resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir('/proc/self/fd'))), 4096));"
        " await SqliteStore(Path(sys.argv[1] + '2')).open()"
    )
    acknowledged, told, code = until_refused(path, none_left)
    assert (acknowledged, code) == (set(), 3)
    assert "state.db2 cannot be opened" in told
    assert "open files" in told


@pytest.fixture
def outside() -> Iterator[Path]:
    """A folder that a user without rights can reach."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("what", ["file", "folder"])
async def test_a_read_only_state_is_named(outside: Path, fill: Callable[[Store], Any], what: str) -> None:
    """Whether the file or its folder may not be written; and it can still be read."""
    path = outside / "state.db"
    store = await SqliteStore(path).open()
    await fill(store)
    await store.close()
    (outside / "state.db.lock").chmod(0o666)
    path.chmod(0o444 if what == "file" else 0o666)
    outside.chmod(0o777 if what == "file" else 0o555)
    before = path.read_bytes()
    done = run(_WITHOUT_RIGHTS, path)
    assert done.returncode == 3, done.stderr
    assert done.stdout.startswith("0\n")
    assert f"The state file {path} cannot be " in done.stdout
    assert "read-only" in done.stdout or "not open it" in done.stdout
    assert path.read_bytes() == before


async def test_a_state_that_something_else_holds_locked_is_named(
    tmp_path: Path, begin: Callable[..., Append]
) -> None:
    """The append fails; when the lock is gone, the next one does not."""
    path = tmp_path / "state.db"
    store = await SqliteStore(path).open()
    await store._write(lambda c: c.execute("PRAGMA busy_timeout=20"))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="another program holds it locked"):
        await store.append(begin("a"))
    other.execute("ROLLBACK")
    other.close()
    await store.append(begin("b"))
    await store.close()
    assert await names(path) == {"b"}


async def test_a_second_process_is_refused(tmp_path: Path) -> None:
    """A real one: it ends with exit code 3 and words, and the first one goes on."""
    store = await SqliteStore(tmp_path / "state.db").open()
    acknowledged, told, code = until_refused(tmp_path / "state.db", "pass")
    assert (acknowledged, code) == (set(), 3)
    assert "Another process is working on" in told
    assert await store.claim("me") == "me"
    await store.close()


@pytest.fixture
async def path(tmp_path: Path, fill: Callable[[Store], Any], begin: Callable[..., Append]) -> Path:
    """A state of some pages, that nobody works on."""
    store = await SqliteStore(tmp_path / "state.db").open()
    await fill(store)
    await asyncio.gather(*(store.append(begin(f"r{number:03}")) for number in range(100)))
    await store.close()
    return tmp_path / "state.db"


async def everything(path: Path) -> None:
    """Open it, read it, write to it."""
    store = await SqliteStore(path).open()
    try:
        for run in await store.summaries(RunFilter(), limit=1000):
            await store.journal(run.id)
        await store.hurry(RunId("waits"), (await store.wait_lines())[0].poll_at)
    finally:
        await store.close()


async def test_a_file_with_flipped_bytes_is_named(path: Path) -> None:
    """Damage to the tables' pages is found on reading, and by the check."""
    content = bytearray(path.read_bytes())
    for at in range(4096, len(content) - 200, 2048):
        content[at : at + 200] = bytes(byte ^ 0xFF for byte in content[at : at + 200])
    path.write_bytes(content)
    with pytest.raises(StoreError, match="damaged") as caught:
        await everything(path)
    assert "Restore the newest backup" in caught.value.hint
    assert upkeep.check(path).problems
    copy = path.with_name("copy.db")
    with pytest.raises(StoreError, match=r"damaged|cannot be copied"):
        upkeep.backup(path, copy)
    assert not copy.exists()


async def test_a_file_that_was_cut_is_named(path: Path) -> None:
    """Half a file is no state, and is left as it is."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(StoreError, match="damaged"):
        await everything(path)
    with pytest.raises(StoreError, match="damaged"):
        upkeep.check(path)
    assert path.read_bytes() == content[: len(content) // 2]


def cut_off(source: Path, folder: Path) -> Path:
    """What a process that ends now leaves: the file and its log."""
    folder.mkdir()
    for name in ("state.db", "state.db-wal"):
        shutil.copy(source.with_name(name), folder / name)
    return folder / "state.db"


async def test_a_damaged_log_is_named_before_anything_is_lost(
    tmp_path: Path, begin: Callable[..., Append]
) -> None:
    """Entries behind the damage are not dropped without a word; one that was cut off at the end is."""
    store = await SqliteStore(tmp_path / "state.db").open()
    for number in range(10):
        await store.append(begin(f"r{number}"))
    whole, torn, damaged, headless = (
        cut_off(tmp_path / "state.db", tmp_path / name) for name in ("whole", "torn", "damaged", "headless")
    )
    await store.close()
    assert len(await names(whole)) == 10
    content = (log := torn.with_name("state.db-wal")).read_bytes()
    log.write_bytes(content[:-1000])
    assert len(await names(torn)) == 9
    for path, at in ((damaged, len(content) // 2), (headless, 17)):
        flipped = bytearray(content)
        flipped[at] ^= 0xFF
        log = path.with_name("state.db-wal")
        log.write_bytes(flipped)
        for _ in range(2):  # the first attempt removes nothing
            with pytest.raises(StoreError, match=r"its log state\.db-wal is damaged"):
                await SqliteStore(path).open()
        assert log.read_bytes() == flipped
        log.unlink()
        await names(path)


async def test_after_a_failed_write_to_the_disk_nothing_more_is_promised(
    tmp_path: Path, begin: Callable[..., Append]
) -> None:
    """The system may have forgotten what it could not write: only a new process may say what is there."""
    store = await SqliteStore(tmp_path / "state.db").open()

    def broken(connection: sqlite3.Connection) -> None:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorname = "SQLITE_IOERR_FSYNC"
        raise error

    results = await asyncio.gather(store._write(broken), store.append(begin("a")), return_exceptions=True)
    assert all(isinstance(result, StoreError) for result in results)
    with pytest.raises(StoreError, match="could not read or write"):
        await store.append(begin("b"))
    await store.close()
    assert await names(tmp_path / "state.db") == set()
