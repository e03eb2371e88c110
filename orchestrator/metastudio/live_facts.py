"""Which commands and messages a livestream knows, in which channel and direction (reference 6.2.5, 6-32, 11.5, 11.6).

Read from `spec/live-commands.yaml` when first asked for; `live` has their models.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from ruamel.yaml import YAML


class Channel(StrEnum):
    """The way that a command takes."""

    #: The operation `execute_smart_live_command`.
    HTTP = "http"
    #: The COMMAND channel of the livestream's RTC room.
    RTSA = "rtsa"


@dataclass(frozen=True, slots=True)
class CommandFact:
    """A command that we may send."""

    name: str
    channel: Channel
    does: str
    #: The schema of its parameters in the reference's words, or their name and its schema; empty: it takes none.
    params: str
    #: What its answer holds beside the usual: a schema of the reference, or `command_id`; else empty.
    result: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class MessageFact:
    """A message that the RTC room's user RENDER sends to us."""

    message_type: str
    #: The value of `rtc_callback_event_type` that asks for it; empty: it comes unasked.
    event_type: str = ""


@cache
def commands() -> Mapping[str, CommandFact]:
    """Every command by name; no name is known in both channels."""
    http = [_http(name, facts) for name, facts in _facts()["http"]["commands"].items()]
    rtsa = [_rtsa(name, does) for name, does in _facts()["rtsa"]["control"]["commands"].items()]
    return MappingProxyType({one.name: one for one in (*http, *rtsa)})


def timings() -> Mapping[str, str]:
    """When an RTSA command may take effect: name and meaning."""
    return MappingProxyType(_facts()["rtsa"]["control"]["timing"])


@cache
def messages() -> Mapping[str, MessageFact]:
    """Every message of the COMMAND channel that we may receive, by type."""
    state = _facts()["rtsa"]["notify"]["message"]["message_type"]
    events = {
        message: event
        for event, message in _facts()["rtc_events"].items()
        if isinstance(message, str) and event != "note"
    }
    return MappingProxyType({name: MessageFact(name, events.get(name, "")) for name in (state, *events)})


def _http(name: str, facts: Mapping[str, Any]) -> CommandFact:
    return CommandFact(
        name=name,
        channel=Channel.HTTP,
        does=facts["does"],
        params=": ".join(filter(None, [facts["params"], facts.get("params_schema")])),
        result=facts.get("result") or facts.get("returns") or "",
        note=facts.get("params_note", ""),
    )


def _rtsa(name: str, does: str) -> CommandFact:
    return CommandFact(name, Channel.RTSA, does, params="timing", result="")


@cache
def _facts() -> Mapping[str, Any]:
    text = files("orchestrator.metastudio").joinpath("spec", "live-commands.yaml").read_text("utf-8")
    document: Mapping[str, Any] = YAML(typ="safe", pure=True).load(text)
    return document
