"""Lists of runs on terminals of any width."""

from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.cli import output
from orchestrator.cli.tables import print_table, summaries_table
from orchestrator.server.reads import RunSummary
from orchestrator.server.state_reads import summary_view
from tests.unit.cli.conftest import BEGAN_AT, Book

IDS = ("01kcz8p3a0aaaaaaaaaaaaaaaa", "01kcz8p3a0aaaabbbbbbbbbbbb")


async def summaries(book: Book) -> list[RunSummary]:
    found = []
    for run_id in IDS:
        state = await book.begin(run_id)
        summary = await book.store.summary(state.id)
        assert summary is not None
        ended = replace(summary, ended_at=BEGAN_AT + timedelta(minutes=61), error="no clay")
        found.append(summary_view(ended))
    return found


@pytest.mark.parametrize(
    ("width", "titles", "id_length"),
    [
        (120, ["RUN", "NAME", "STATUS", "DONE", "CREATED", "TOOK", "ERROR"], 26),
        (80, ["RUN", "NAME", "STATUS", "DONE", "CREATED", "TOOK"], 26),
        (64, ["RUN", "NAME", "STATUS", "DONE", "CREATED"], 26),
        (50, ["RUN", "NAME", "STATUS", "DONE"], 26),
        (40, ["RUN", "NAME", "STATUS", "DONE"], 15),
        (32, ["RUN", "NAME", "STATUS"], 15),
    ],
)
async def test_a_narrow_terminal_shows_less_but_whole(
    book: Book,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    width: int,
    titles: list[str],
    id_length: int,
) -> None:
    """Columns go, then the ids' ends, as far as they do not tell runs apart; nothing is cut in the middle."""
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr(output, "is_plain", lambda _: False)
    print_table(summaries_table(await summaries(book)))
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == titles
    assert [line.split()[:3] for line in lines] == [[run_id[:id_length], "cups", "running"] for run_id in IDS]
    assert max(map(len, lines)) <= width
