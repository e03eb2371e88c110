"""The lock file installs the same everywhere: versions and hashes, and nothing about where they come from."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


def test_it_names_no_place() -> None:
    """No index, no address, no local path: each machine has its own."""
    assert not re.search(r"://|--(index|extra-index|find-links)|^-", LOCK, re.MULTILINE)


def test_every_package_has_hashes() -> None:
    """What is downloaded can be checked."""
    entries = re.split(r"\n(?=[a-z0-9])", LOCK)
    assert [entry.split()[0] for entry in entries if "==" in entry and "--hash=sha256:" not in entry] == []


def test_every_direct_dependency_is_locked_at_or_above_its_floor() -> None:
    """A dependency that was added or raised needs `make lock`."""
    locked = {
        normal(name): version for name, version in re.findall(r"^([\w.-]+)==([\w.]+)", LOCK, re.MULTILINE)
    }
    wanted = [
        *PROJECT["project"]["dependencies"],
        *(item for extra in PROJECT["project"]["optional-dependencies"].values() for item in extra),
        *PROJECT["dependency-groups"]["dev"],
    ]
    for requirement in wanted:
        name, floor = re.split(">=|==", requirement)
        assert numbers(locked[normal(name)]) >= numbers(floor), requirement
