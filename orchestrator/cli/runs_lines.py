"""Events of a journal as lines of text for people."""

import json
from collections.abc import Mapping
from datetime import UTC
from typing import Any

from orchestrator.cli.progress.board import told
from orchestrator.cli.results import error_text, text
from orchestrator.domain import events as ev
from orchestrator.domain.events import Event
from orchestrator.domain.secrets import displayed
from orchestrator.server.reads import EventView

#: A value in a line: what is longer is in `--json`.
_VALUE_LENGTH = 200


def log_line(view: EventView) -> str:
    """One line: when, which step, what, and what to do about it."""
    at = view.at.astimezone(UTC).isoformat(sep=" ", timespec="milliseconds").replace("+00:00", "Z")
    attempt = f" #{view.attempt}" if view.attempt is not None else ""
    place = f"{view.step}{attempt}" if view.step else "run"
    return f"{at}  {place}  {said(view)}"


def said(view: EventView) -> str:
    """What an event says, on one line, with the hint of an error. One that is not known here: its type and payload."""
    try:
        body = ev.decode(view.type, view.step, view.attempt, json.dumps(dict(view.payload)))
    except ev.DamagedJournalError:
        return f"{view.type} {_shown(view.payload)}".strip()
    words = _quiet(body)
    if not words:
        news = told("", Event(view.run_id, view.seq, view.at, body))
        words = view.type if news is None else news.what
    error = getattr(body, "error", None)
    hint = error.hint if isinstance(error, ev.ErrorInfo) else ""
    return " ".join((f"{words}  hint: {hint}" if hint else words).split())


def _quiet(body: ev.EventBody) -> str:  # noqa: C901, PLR0911, PLR0912 - one case an event
    """What live progress says nothing of, or less than a journal should; empty: it says enough."""
    match body:
        case ev.RunCreated(name=name, pipeline=pipeline, rows_total=rows):
            table = f", {rows:,} rows" if rows is not None else ""
            return f"created: {name} ({pipeline}{table})"
        case ev.ChildrenCreated(upto=upto, created=created):
            return f"rows up to {upto:,} have their runs, {created:,} of them new"
        case ev.StepIntended(attempt=attempt):
            return f"attempt {attempt}"
        case ev.StepSent():
            return "a creating request leaves"
        case ev.StepNoted(facts=facts):
            return f"noted: {_shown(facts)}"
        case ev.StepWaiting(correlation=correlation):
            return f"waiting for {correlation}"
        case ev.StepChecked(conclusive=conclusive):
            return "asked: not over yet" if conclusive else "asked: no answer"
        case ev.StepLookedUp(error=error):
            found = "nothing" if error is None else f"no answer: {error_text(error)}"
            return f"looked for what the request made: {found}"
        case ev.StepSucceeded(outputs=outputs):
            return f"succeeded  {_shown(outputs)}".rstrip()
        case ev.RunFailed(error=error):
            return f"failed: {error_text(error)}"
        case ev.StepUnknown(error=error):
            return f"no answer: {error_text(error)}"
        case ev.StepFailed(error=error, next_attempt_at=at) if at is not None:
            return f"failed, again at {at.astimezone(UTC):%H:%M:%S}Z: {error_text(error)}"
        case ev.CallbackReceived(correlation=correlation, result=result):
            return f"callback: {correlation} {result}"
        case ev.PollFound(correlation=correlation, result=result):
            return f"poll: {correlation} {result}"
        case _:
            return ""


def _shown(values: Mapping[str, Any]) -> str:
    return "  ".join(f"{name}={_cut(text(displayed(value)))}" for name, value in values.items())


def _cut(value: str) -> str:
    return value if len(value) <= _VALUE_LENGTH else f"{value[: _VALUE_LENGTH - 1]}…"
