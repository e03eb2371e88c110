"""How MetaStudio finds and signs towards us: the master keys, each run's address and key, the listener's port."""

import os
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path

from orchestrator.domain.ids import RunId
from orchestrator.errors import UnreachableError
from orchestrator.metastudio import callbacks
from orchestrator.server.public import LIVE_CALLBACK_PATH, VIDEO_CALLBACK_PATH, PublicServer
from orchestrator.settings import Settings
from orchestrator.steps.base import CallbackAddress


class CallbackAddresses:
    """A run's callback URL and its own key, derived from the first master key."""

    def __init__(self, master: str, base: str | None) -> None:
        self._master = master
        #: What MetaStudio can reach the public listener under; None: it cannot, the poller has to do.
        self.base = base

    def __call__(self, run_id: RunId) -> CallbackAddress | None:
        """Where and with which key MetaStudio reports the run's jobs; None: nowhere."""
        if self.base is None:
            return None
        return CallbackAddress(
            f"{self.base}{VIDEO_CALLBACK_PATH}{run_id}", callbacks.derive_key(self._master, run_id)
        )

    def live(self, run_id: RunId) -> CallbackAddress | None:
        """As for videos: where and with which key the events of the run's livestreams are reported."""
        if self.base is None:
            return None
        return CallbackAddress(
            f"{self.base}{LIVE_CALLBACK_PATH}{run_id}", callbacks.derive_live_key(self._master, run_id)
        )


def callback_keys(settings: Settings, state: Path) -> Sequence[str]:
    """The master keys of callback signatures; without a setting, one that is made once and kept beside the state."""
    if settings.public.callback_keys:
        return [key.get_secret_value() for key in settings.public.callback_keys]
    kept = state.with_name(state.name + ".callback-key")
    if not kept.exists():
        # Under its name only when it is whole: half a key would be worse than none.
        unfinished = kept.with_name(kept.name + ".new")
        unfinished.unlink(missing_ok=True)
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(kept)
    return [kept.read_text("ascii").strip()]


async def start_on_kept_port(made: Callable[[int], PublicServer], state: Path) -> PublicServer:
    """A listener on any free port, the last one if it can be had: callbacks may still be on their way to it."""
    kept = state.with_name(state.name + ".callback-port")
    try:
        server = made(int(kept.read_text("ascii")))
        await server.start()
    except (OSError, ValueError, UnreachableError):
        server = made(0)
        await server.start()
        kept.write_text(str(server.address[1]), "ascii")
    return server
