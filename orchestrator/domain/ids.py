"""Identifiers, each its own type so that they cannot be mixed up."""

import hashlib
import json
from typing import Any, NewType

RunId = NewType("RunId", str)
#: Name of a step inside its pipeline; steps of `finally` and `on_failure` share the namespace.
StepId = NewType("StepId", str)
#: sha256 of a definition's canonical JSON.
DefinitionHash = NewType("DefinitionHash", str)
#: What a run is about: pipeline, inputs and row. Two runs with the same key would make the same videos.
RunKey = NewType("RunKey", str)


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def canonical_json(value: Any) -> str:
    """The one JSON text of `value`: sorted keys, no blanks, unicode kept; half characters become `?`."""
    return writable(_CANONICAL.encode(value))


def writable(text: str) -> str:
    """`text` as UTF-8 can hold it: half a surrogate pair, which JSON from outside may bring, becomes `?`."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def content_hash(value: Any) -> str:
    """sha256 (64 hex digits) of the canonical JSON of `value`."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def adoption_key(run_id: RunId, step_id: StepId) -> str:
    """The key that a step leaves in what it creates (tag, `priv_data`), the same for every attempt.

    20 characters, `mso-` and 16 hex digits: fits an asset tag (128) and survives a substring search.
    """
    return "mso-" + hashlib.sha256(f"{run_id}/{step_id}".encode()).hexdigest()[:16]
