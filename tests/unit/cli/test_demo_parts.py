"""What the demo is made of: its table, its look into videos, amounts for people."""

import csv
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.cli.probe import UnplayableError, probe
from orchestrator.cli.progress.words import clock, count, size, took
from orchestrator.cli.samples import write_table


@pytest.mark.parametrize("rows", [1, 3, 7])
def test_any_number_of_rows_has_unique_names(tmp_path: Path, rows: int) -> None:
    """The sample's products, over and over, each with a sku and a title of its own."""
    table = tmp_path / "products.csv"
    write_table(table, rows)
    with table.open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    assert len({row["sku"] for row in found}) == len({row["title"] for row in found}) == rows


@pytest.mark.parametrize("content", [b"", b"no video at all" * 100])
def test_a_file_that_does_not_play_is_named(tmp_path: Path, content: bytes) -> None:
    """Whatever is wrong with it."""
    path = tmp_path / "broken.mp4"
    path.write_bytes(content)
    with pytest.raises(UnplayableError, match=r"broken\.mp4 cannot be played"):
        probe(path)


def test_a_missing_video_is_named(tmp_path: Path) -> None:
    """A path alone is no video."""
    with pytest.raises(UnplayableError, match=r"gone\.mp4"):
        probe(tmp_path / "gone.mp4")


@pytest.mark.parametrize(
    ("bytes_", "shown"), [(0, "0 B"), (999, "999 B"), (1_250_000, "1.2 MB"), (250_000_000, "250 MB")]
)
def test_sizes_are_short(bytes_: int, shown: str) -> None:
    """Three figures and a unit."""
    assert size(bytes_) == shown


def test_times_are_short() -> None:
    """Tenths while they tell something, then minutes, then hours."""
    assert took(timedelta(seconds=3.84)) == "3.8 s"
    assert took(timedelta(seconds=61)) == clock(timedelta(seconds=61)) == "1:01"
    assert clock(timedelta(hours=1, seconds=2)) == "1:00:02"


def test_counts_agree_with_their_noun() -> None:
    """One is one."""
    assert (count(1, "run"), count(2000, "run")) == ("1 run", "2,000 runs")
