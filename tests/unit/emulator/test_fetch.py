"""Files copied from another emulator's storage, and texts that only the tenant's own emulators can read."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.emulator.fetch import fetch
from orchestrator.emulator.sealing import initial_vector, seal, unseal


async def test_a_file_is_fetched_from_storage(connect: Callable[..., Awaitable[Any]], tmp_path: Path) -> None:
    """By a download URL as the API hands it out."""
    tenant = await connect()
    asset_id = await tenant.uploaded(b"picture")
    shown = await tenant.ok("GET", f"/digital-assets/{asset_id}")
    copy = tmp_path / "copy.png"
    await asyncio.to_thread(fetch, {"url": shown["files"][0]["download_url"]}, copy)
    assert copy.read_bytes() == b"picture"


def test_nothing_but_storage_is_fetched_from(tmp_path: Path) -> None:
    """Local files are out of reach."""
    with pytest.raises(ValueError, match="storage"):
        fetch({"url": "file:///etc/hostname"}, tmp_path / "copy")


@pytest.mark.parametrize("text", ["", "x", "Käse 🧀" * 1000])
def test_what_is_sealed_opens_under_the_same_terms_only(text: str) -> None:
    """The same secret, vector and binding."""
    iv = initial_vector("1")
    sealed = seal(text, "secret", iv, "asset")
    assert unseal(sealed, "secret", iv, "asset") == text
    assert unseal(sealed, "other", iv, "asset") is None
    assert unseal(sealed, "secret", initial_vector("2"), "asset") is None
    assert unseal(sealed, "secret", iv, "another") is None
    assert unseal("", "secret", iv, "asset") is None
