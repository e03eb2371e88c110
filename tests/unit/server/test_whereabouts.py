"""How a command finds the process that works on a state."""

from pathlib import Path

import pytest

from orchestrator.server.whereabouts import announce, announced, withdraw


@pytest.mark.parametrize(
    ("listening", "spoken"),
    [
        ("http://127.0.0.1:8490/", "http://127.0.0.1:8490/"),
        ("http://0.0.0.0:8490/", "http://127.0.0.1:8490/"),
        ("http://[::]:8490/", "http://[::1]:8490/"),
        ("http://[::1]:8490/", "http://[::1]:8490/"),
        ("http://10.1.2.3:8490/", "http://10.1.2.3:8490/"),
    ],
)
def test_an_address_is_found_beside_the_state(tmp_path: Path, listening: str, spoken: str) -> None:
    """One that listens everywhere is spoken to on this machine."""
    state = tmp_path / "state.db"
    announce(state, listening)
    assert announced(state) == spoken
    assert [path.name for path in tmp_path.iterdir()] == ["state.db.admin"]


def test_who_has_left_is_not_found(tmp_path: Path) -> None:
    """Nor who was never there; leaving twice does no harm."""
    state = tmp_path / "state.db"
    assert announced(state) is None
    announce(state, "http://127.0.0.1:1/")
    withdraw(state)
    withdraw(state)
    assert announced(state) is None


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe"])
def test_a_damaged_file_names_nobody(tmp_path: Path, content: bytes) -> None:
    """The command goes on without a daemon."""
    (tmp_path / "state.db.admin").write_bytes(content)
    assert announced(tmp_path / "state.db") is None
