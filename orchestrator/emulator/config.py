"""What an emulator is told when it is made."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from orchestrator.emulator.faults import FaultPlan
from orchestrator.errors import UsageError


@dataclass(frozen=True, slots=True)
class EmulatorConfig:
    """Settings of one emulator; the defaults give a quick demo.

    Times that end in `_s` are seconds of the emulated world: `speed` divides them. Key, secret, project and token are
    derived from the seed when they are left empty, so that they stay the same from start to start.
    """

    #: 0 picks free ports; with a `data_dir` the ones picked are remembered and taken again.
    port: int = 0
    storage_port: int = 0
    host: str = "127.0.0.1"
    region: str = "cn-north-4"
    seed: int = 0
    speed: float = 1.0
    #: Everything acknowledged survives a kill when this is set; otherwise memory and a temporary folder serve.
    data_dir: Path | None = None
    faults: FaultPlan | None = None
    ak: str = ""
    sk: str = field(default="", repr=False)
    project_id: str = ""
    token: str = field(default="", repr=False)
    #: Who may ask IAM for a token.
    user: str = "emulator"
    password: str = field(default="", repr=False)
    domain: str = "emulator"
    #: False lifts the rate table.
    limits: bool = True
    video_wait_s: float = 1.0
    video_process_s: float = 2.0
    #: From a confirmed upload to a usable asset.
    review_s: float = 0.0
    upload_url_s: float = 24 * 3600.0
    download_url_s: float = 24 * 3600.0
    token_s: float = 24 * 3600.0
    #: Longest video made, whatever the text; keeps demos quick.
    video_max_s: float = 10.0
    render_concurrency: int = 2
    #: False makes video jobs without media, for simulations that look at states alone.
    render: bool = True
    #: Which reading of the signed time callbacks use; the reference allows both.
    callback_time: Literal["decimal", "hex"] = "decimal"
    callback_tries: int = 8
    #: Wait before the first repetition of a callback; it doubles each time.
    callback_backoff_s: float = 1.0
    callback_timeout_s: float = 10.0
    #: How many requests `/_emulator/journal` remembers.
    journal_size: int = 5000

    def __post_init__(self) -> None:
        """Fills the identity from the seed; UsageError for a speed that isn't above zero."""
        for name, length in (("ak", 20), ("sk", 40), ("project_id", 32), ("token", 64), ("password", 24)):
            if not getattr(self, name):
                digest = hashlib.sha256(f"metastudio-emulator/{self.seed}/{name}".encode()).hexdigest()[
                    :length
                ]
                object.__setattr__(self, name, digest.upper() if name == "ak" else digest)
        if self.speed <= 0:
            raise UsageError(f"speed has to be above zero, not {self.speed}")
