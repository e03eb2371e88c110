"""The lock files install the same everywhere: versions and hashes, and nothing about where they come from."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
#: What each file has to hold.
WANTED = {
    "requirements.lock": [
        *PROJECT["project"]["dependencies"],
        *(item for extra in PROJECT["project"]["optional-dependencies"].values() for item in extra),
        *PROJECT["dependency-groups"]["dev"],
    ],
    "requirements-bench.lock": PROJECT["dependency-groups"]["bench"],
}

each_lock = pytest.mark.parametrize("name", WANTED)


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


@each_lock
def test_it_names_no_place(name: str) -> None:
    """No index, no address, no local path: each machine has its own."""
    assert not re.search(r"://|--(index|extra-index|find-links)|^-", text(name), re.MULTILINE)


@each_lock
def test_every_package_has_hashes(name: str) -> None:
    """What is downloaded can be checked."""
    entries = re.split(r"\n(?=[a-z0-9])", text(name))
    assert [entry.split()[0] for entry in entries if "==" in entry and "--hash=sha256:" not in entry] == []


@each_lock
def test_every_direct_dependency_is_locked_within_its_bounds(name: str) -> None:
    """A dependency that was added, raised or bounded needs `make lock`."""
    locked = {
        normal(package): version
        for package, version in re.findall(r"^([\w.-]+)==([\w.]+)", text(name), re.MULTILINE)
    }
    for requirement in WANTED[name]:
        bounds = re.fullmatch(r"([\w.-]+)(?:>=|==)([\w.]+)(?:,<([\w.]+))?", requirement)
        assert bounds is not None, requirement
        package, floor, ceiling = bounds.groups()
        assert numbers(locked[normal(package)]) >= numbers(floor), requirement
        assert ceiling is None or numbers(locked[normal(package)]) < numbers(ceiling), requirement


def test_users_install_no_peer() -> None:
    """What the engine is only measured beside stays out of the lock file that everybody installs."""
    locked = {
        normal(package) for package in re.findall(r"^([\w.-]+)==", text("requirements.lock"), re.MULTILINE)
    }
    assert not locked & {"dbos", "prefect"}
