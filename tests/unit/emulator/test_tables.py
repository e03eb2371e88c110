"""Tables of records: what has changed, and in which order it is kept."""

from orchestrator.emulator.records import Counter
from orchestrator.emulator.tables import Change, Table


def counters(*ids: str) -> Table[Counter]:
    table = Table("counter", Counter)
    for key in ids:
        table.put(Counter(id=key, value=1))
    return table


def told(changes: list[Change]) -> list[str]:
    return [key if body is not None else f"no {key}" for _, key, body in changes]


def test_changes_are_told_until_they_are_kept() -> None:
    """A write that failed can be tried again with all of them."""
    table = counters("a", "b")
    assert told(list(table.changes())) == told(list(table.changes())) == ["a", "b"]
    table.kept()
    assert list(table.changes()) == []
    table.put(Counter(id="a", value=2))
    assert told(list(table.changes())) == ["a"]


def test_changes_come_in_the_order_in_which_records_were_made() -> None:
    """Whatever their ids are."""
    keys = [f"{number * 7 % 20:02}" for number in range(20)]
    assert told(list(counters(*keys).changes())) == keys


def test_a_record_that_was_gone_is_at_the_end() -> None:
    """In the table and in what is kept, where it first has to go."""
    table = counters("a", "b", "c")
    table.kept()
    table.drop("a")
    table.put(Counter(id="d", value=1))
    table.put(Counter(id="a", value=2))
    table.drop("b")
    assert [counter.id for counter in table] == ["c", "d", "a"]
    assert told(list(table.changes())) == ["no a", "no b", "d", "a"]
