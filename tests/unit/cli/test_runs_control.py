"""The verbs of `orchestrator runs`: which runs are meant, what is done, what is said."""

import asyncio
import fcntl
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from orchestrator.cli import runs_acting as acting
from orchestrator.cli.daemon_client import DaemonClient
from orchestrator.cli.main import run
from orchestrator.cli.options import Status
from orchestrator.cli.runs_acting import Which, carry_out
from orchestrator.cli.runs_place import Place
from orchestrator.domain import events as ev
from orchestrator.domain.ids import RunId, StepId
from orchestrator.domain.run import RunStatus
from orchestrator.errors import UsageError
from orchestrator.server.whereabouts import announce
from orchestrator.store.sqlite import SqliteStore
from tests.unit.cli.conftest import Book
from tests.unit.cli.watched import Watched, listener

MAKE = StepId("make")
ERROR = ev.ErrorInfo("no clay", "Buy clay.")


async def fill(book: Book) -> None:
    """A failed run, a paused one, one under way, and one that is done."""
    for run_id in ("01aa", "02bb", "03cc", "04dd"):
        await book.begin(run_id)
    await book.write("01aa", ev.StepIntended(MAKE, 1), ev.StepFailed(MAKE, 1, ERROR), ev.RunFailed(ERROR))
    await book.write("02bb", ev.RunPaused("lunch"))
    await book.write("04dd", ev.RunSucceeded({}))


@pytest.fixture
async def watched(book: Book) -> Watched:
    await fill(book)
    return Watched(book)


@pytest.fixture
async def place(watched: Watched) -> AsyncIterator[Place]:
    """A daemon."""
    async with listener(watched) as server, DaemonClient.at(server.url) as client:
        yield Place(client, client, client)


def test_the_statuses_are_those_of_runs() -> None:
    """Those of the command line are written down twice, for the sake of a quick help."""
    assert [status.value for status in Status] == [status.value for status in RunStatus]


async def test_several_runs_are_acted_on(
    place: Place, watched: Watched, capsys: pytest.CaptureFixture[str]
) -> None:
    """By id or its beginning, each once; a line for each, as it then is."""
    which = Which(("03", "03cc", "02bb"))
    assert await carry_out(place, which, acting.cancel("wrong glaze"), wait=False, as_json=False) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == ["03cc  cups  cancelling", "02bb  cups  cancelling"]
    assert err == ""
    assert sorted(watched.asked) == [("cancel", "02bb"), ("cancel", "03cc")]


async def test_one_refusal_keeps_nobody_else_from_it(
    place: Place, watched: Watched, capsys: pytest.CaptureFixture[str]
) -> None:
    """The others are done, the exit code tells, and the refusal says why."""
    assert await carry_out(place, Which(("04dd", "03cc")), acting.cancel(""), wait=False, as_json=True) == 2
    out, err = capsys.readouterr()
    assert [json.loads(line)["id"] for line in out.splitlines()] == ["03cc"]
    assert "04dd is over and cannot be cancelled" in err
    assert "Let it be." in err


@pytest.mark.parametrize(
    ("which", "verb", "ids"),
    [
        (Which(status=("failed",), yes=True), acting.RETRY, ["01aa"]),
        (Which(pipeline="cups", yes=True), acting.RETRY, ["01aa"]),
        (Which(pipeline="cups", yes=True), acting.RESUME, ["02bb"]),
        (Which(pipeline="cups", yes=True), acting.cancel(""), ["02bb", "03cc"]),
        (Which(pipeline="cups", status=("running",), yes=True), acting.pause(""), ["03cc"]),
        (Which(pipeline="plates", yes=True), acting.cancel(""), []),
        (Which(parent="04dd", yes=True), acting.cancel(""), []),
    ],
)
async def test_runs_are_meant_by_what_they_are_like(
    place: Place, watched: Watched, which: Which, verb: acting.Verb, ids: list[str]
) -> None:
    """A filter without a status takes those that the verb fits, the oldest first."""
    assert await carry_out(place, which, verb, wait=False, as_json=False) == 0
    assert sorted(asked[1] for asked in watched.asked) == ids


@pytest.mark.parametrize(
    ("which", "words"),
    [
        (Which(), "Which runs"),
        (Which(("01aa",), status=("failed",)), "not both"),
        (Which(("cups",)), "Several runs are called cups: 04dd"),
        (Which(status=("failed",)), "would cancel 1 run"),
    ],
)
async def test_what_is_not_clear_is_not_done(
    place: Place, watched: Watched, which: Which, words: str
) -> None:
    """No run, two ways to say it, a name of several, a filter that nobody can confirm."""
    with pytest.raises(UsageError, match=words) as refused:
        await carry_out(place, which, acting.cancel(""), wait=False, as_json=False)
    assert refused.value.hint
    assert watched.asked == []


@pytest.mark.parametrize(
    ("verb", "bodies", "code"),
    [
        (acting.cancel(""), (ev.RunCancelled(),), 0),
        (acting.cancel(""), (ev.RunSucceeded({}),), 1),
        (acting.pause("lunch"), (), 0),
        (acting.approve(None, approved=True, by="", comment=""), (ev.RunSucceeded({}),), 0),
        (acting.approve(None, approved=True, by="", comment=""), (ev.RunPaused("no clay"),), 1),
        (acting.approve(None, approved=False, by="", comment=""), (ev.RunFailed(ERROR),), 0),
    ],
)
async def test_waiting_tells_whether_it_happened(
    place: Place,
    watched: Watched,
    capsys: pytest.CaptureFixture[str],
    verb: acting.Verb,
    bodies: tuple[ev.EventBody, ...],
    code: int,
) -> None:
    """Exit code 1 when something else did, or a person has to see to it first; the run is printed as it ends."""
    task = asyncio.ensure_future(carry_out(place, Which(("03cc",)), verb, wait=True, as_json=False))
    await watched.looked(1)
    if bodies:
        await watched.happens("03cc", *bodies)
    assert await task == code
    summary = await watched.book.store.summary(RunId("03cc"))
    assert summary is not None
    assert capsys.readouterr().out == f"03cc  cups  {summary.status.value}\n"


async def test_approving_says_who(place: Place, watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name given, else that of whoever is logged in."""
    monkeypatch.setattr("getpass.getuser", lambda: "ann")
    for by in ("", "Ben"):
        verb = acting.approve("look", approved=False, by=by, comment="too blue")
        await carry_out(place, Which(("03cc",)), verb, wait=False, as_json=False)
    assert [asked[4] for asked in watched.asked] == ["ann", "Ben"]


# Straight on the state


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state that no process holds, in the place where commands look for it."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / ".orchestrator" / "state.db"

    async def write() -> None:
        store = await SqliteStore(path).open()
        await fill(Book(store))
        await store.close()

    asyncio.run(write())
    return path


def test_without_a_process_wishes_are_written_down(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each verb is durable when it returns, and it is said who will carry it out."""
    for command, line in [
        ("cancel 03cc --reason glaze", "03cc  cups  cancelling"),
        ("resume 02bb", "02bb  cups  running"),
        ("pause 02bb", "02bb  cups  paused"),
        ("retry --failed --yes", "01aa  cups  running"),
    ]:
        assert run(["runs", *command.split()]) == 0
        out, err = capsys.readouterr()
        assert out.splitlines() == [line]
        assert "written down: the next `orchestrator daemon`" in err
    assert run(["runs", "logs", "03cc"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("run  is being cancelled: glaze")
    assert run(["runs", "list", "--status", "cancelling", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["reason"] == "glaze"


def test_a_replay_is_written_down(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As a new run, with another definition; a wrong one is told at its place."""
    definition = state.parent / "new.yaml"
    definition.write_text("pipeline: cups\nsteps:\n  nap: {uses: slep}\n")
    assert run(["runs", "replay", "04dd", "--file", str(definition)]) == 2
    assert f"{definition}:3:" in capsys.readouterr().err
    definition.write_text("pipeline: cups\nsteps:\n  nap: {uses: sleep, with: {seconds: 1}}\n")
    assert run(["runs", "replay", "04dd", "--file", str(definition), "--json"]) == 0
    new = json.loads(capsys.readouterr().out)
    assert (new["name"], new["replays"], new["steps_total"]) == ("cups", "04dd", 1)
    assert run(["runs", "replay", "04dd", "--file", "nowhere.yaml"]) == 2
    assert "there is no such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        ("cancel 04dd", 2, "cannot be cancelled"),
        ("cancel nobody", 2, "There is no run 'nobody'"),
        ("pause cupz", 2, "Did you mean 'cups'?"),
        ("cancel 03cc --wait", 2, "leave out --wait"),
        ("approve 03cc", 2, "nothing to approve"),
        ("replay 04dd --from nap", 2, "has no step 'nap'"),
        ("replay 04dd -i glaze=gold", 2, "no input 'glaze'"),
        ("cancel 03cc --daemon http://127.0.0.1:1", 3, "nobody listens there"),
        ("show 03cc --daemon http://127.0.0.1:1", 3, "nobody listens there"),
        ("cancel 03cc --state sqlite:///no/such.db", 3, "There is no state"),
        ("cancel 03cc --state postgresql://db/x", 2, "SQLite only"),
    ],
)
def test_what_cannot_be_done_is_told(
    state: Path, capsys: pytest.CaptureFixture[str], command: str, code: int, words: str
) -> None:
    """With the exit code of its kind, and nothing is written."""
    assert run(["runs", *command.split()]) == code
    assert words in capsys.readouterr().err
    assert not Path("no").exists()


def test_a_process_that_cannot_be_spoken_to(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A foreground run holds the state and has no listener; a daemon may have just been killed. Reading goes on."""
    with Path(f"{state}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert [run(["runs", verb, "03cc"]) for verb in ("cancel", "show")] == [3, 0]
        assert "it has no admin listener" in capsys.readouterr().err
        announce(state, "http://127.0.0.1:1/")
        assert [run(["runs", verb, "03cc"]) for verb in ("cancel", "show")] == [3, 0]
        assert "nobody listens there" in capsys.readouterr().err
    assert run(["runs", "cancel", "03cc"]) == 0
