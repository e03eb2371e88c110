# ruff: noqa: INP001 - the tools are scripts; a package of them would be installed

"""The page of what the platform brings along: voices, fonts, tags, commands, states. A part of `tools/docs.py`."""

from collections.abc import Iterator
from typing import Any

from tools.docs_markdown import code, page, table


def catalog_page() -> str:
    """Voices, fonts, tags, resource types, live commands, states and status codes."""
    from orchestrator.metastudio import catalog, live_facts  # noqa: PLC0415 - each page loads only what it describes

    regions = sorted({region for one in catalog.timbres() for region in one.ids})
    parts = [
        (
            "What the platform brings along, from the API reference. `orchestrator.metastudio.catalog` and `.states` "
            "hold the same for Python, `.live` the live commands."
        ),
        "## Timbres",
        (
            "A `timbre` input takes the name, or an id; those that the reference gives without a name have their row. Ids marked * were damaged in print and are corrected from the "
            "provider's website; where one is still damaged, nothing is shown."
        ),
        table(
            ["name", *regions],
            (
                [one.name or f"(row {one.row})", *(_timbre_id(one, region) for region in regions)]
                for one in catalog.timbres()
            ),
        ),
        "## Fonts",
        table(
            ["font", "languages"],
            ([code(one.name), ", ".join(one.languages) or one.note] for one in catalog.fonts()),
        ),
        "## Tags",
        "System tags, with the spellings of other tables behind them. Own tags are free.",
        table(
            ["group", "tags"],
            (
                [
                    group,
                    ", ".join(
                        " or ".join(map(code, (one.name, *one.variants))) for one in catalog.tags(group)
                    ),
                ]
                for group in catalog.tag_groups()
            ),
        ),
        "## Resource types",
        table(
            ["code", "what", "unit", "billing", "origin", "remark"],
            (
                [code(one.code), one.resource, one.unit, one.billing, one.origin, one.remark]
                for one in catalog.resource_types()
            ),
        ),
        "## Live commands",
        "`http` goes through `execute_smart_live_command`, `rtsa` into the COMMAND channel of the RTC room.",
        table(
            ["command", "channel", "what it does", "params", "result"],
            (
                [code(one.name), one.channel, one.does, code(one.params), code(one.result)]
                for one in live_facts.commands().values()
            ),
        ),
        *_states(),
        "## Status codes",
        table(
            ["status", "meaning", "retry"],
            (
                [f"{one.status} {one.name}", one.meaning, one.retry or ""]
                for one in catalog.status_codes().values()
            ),
        ),
    ]
    return page("Catalog", "`orchestrator/metastudio/spec/`", *parts)


def _timbre_id(timbre: Any, region: str) -> str:
    return code(timbre.ids.get(region, "")) + ("*" if region in timbre.corrected else "")


def _states() -> Iterator[str]:
    from orchestrator.metastudio.states import Kind, machines  # noqa: PLC0415 - each page loads only what it describes

    yield "## States"
    yield (
        "Bold states are final: no further change is expected by itself. Moves are those that the reference tells of, "
        "not all there are; (inferred) marks what it doesn't say in words."
    )
    for machine in machines().values():
        begin = f" It begins with {code(machine.initial)}." if machine.initial else ""
        where = "Found in" if machine.kind is Kind.STATE else f"A {machine.kind}, found in"
        yield f"### {machine.name}"
        yield f"{where} {', '.join(map(code, machine.fields))}.{begin}"
        yield table(
            ["state", "meaning"],
            (
                [f"**{name}**" if state.terminal else name, state.meaning]
                for name, state in machine.states.items()
            ),
        )
        yield "\n".join(
            f"- {' or '.join(sorted(move.sources or ['any']))} → {' or '.join(sorted(move.targets or ['not stated']))}: "
            f"{move.by}{' (inferred)' if move.inferred else ''}"
            for move in machine.moves
        )
