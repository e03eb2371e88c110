"""Inputs of the type `secret`: their names take the place of their values, which are settings."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from orchestrator.definition.inputs import is_absent
from orchestrator.definition.problems import Code
from orchestrator.domain import secrets
from orchestrator.domain.pipeline import InputSpec, Pipeline


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with an input, by its name."""

    name: str
    code: Code
    message: str
    suggestion: str


@dataclass(frozen=True, slots=True)
class Trust:
    """What is known of secrets where inputs are prepared."""

    #: Names that have a value, in lower case; None: not known here, and not asked.
    known: Collection[str] | None = None
    #: Names that the values may stand for: those of the run that hands them on. From anywhere else there are none.
    handed_on: Collection[str] = ()
    #: Whether what is prepared will be run here, so that one without a value is a mistake.
    needed: bool = True


def with_secrets(
    pipeline: Pipeline, given: Mapping[str, Any], trust: Trust
) -> tuple[dict[str, Any], list[Fault]]:
    """What is given, and for each input that is a secret what stands for it; and what is wrong with either."""
    values = dict(given)
    faults = []
    for name, value in given.items():
        spec = pipeline.inputs.get(name)
        if spec is None or not secrets.marked(value):
            continue
        own = secrets.names_in(value) <= set(trust.handed_on)
        if not (own and spec.type == "secret" and secrets.is_placeholder(value)):
            faults.append(_not_to_be_given(name, own=own and bool(secrets.names_in(value))))
            values[name] = None
    for name, spec in pipeline.inputs.items():
        if spec.type == "secret" and is_absent(values.get(name)):
            wanted = name_of(name, spec)
            known = trust.known is None or wanted in trust.known
            if known or spec.required:
                values[name] = secrets.placeholder(wanted)
            if spec.required and not known:
                faults.append(_missing(name, wanted))
    if trust.known is not None:
        faults += _of_sub_pipelines(pipeline, trust.known)
    if not trust.needed:
        faults = [_for_later(one) if one.code is Code.MISSING_INPUT else one for one in faults]
    return values, faults


def name_of(name: str, spec: InputSpec) -> str:
    """The name, in lower case, of the setting with the secret that the input called `name` takes."""
    return str(spec.options.get("from", name)).lower()


def _of_sub_pipelines(pipeline: Pipeline, known: Collection[str], above: str = "") -> Iterator[Fault]:
    """Secrets that no run of this pipeline is given, and that those of its steps look for themselves."""
    for step in pipeline.all_steps:
        if step.pipeline is None:
            continue
        handed = step.with_.get("inputs", {})
        which = f"{above}{step.id}"
        for name, spec in step.pipeline.inputs.items():
            unknown = spec.type == "secret" and spec.required and name_of(name, spec) not in known
            if unknown and not (isinstance(handed, Mapping) and name in handed):
                yield _missing(name, name_of(name, spec), f" of the pipeline of step {which}")
        yield from _of_sub_pipelines(step.pipeline, known, f"{which}.")


def _missing(name: str, wanted: str, where: str = "") -> Fault:
    return Fault(
        name,
        Code.MISSING_INPUT,
        f"the secret {name!r}{where} is not set",
        f"set {secrets.variable(wanted)} or {secrets.variable(wanted)}_FILE, or `secrets: {{{wanted}: …}}` in the "
        "config file",
    )


def _for_later(fault: Fault) -> Fault:
    return replace(fault, code=Code.SECRET_NOT_SET, message=f"{fault.message}; the run will need it")


def _not_to_be_given(name: str, *, own: bool) -> Fault:
    if own:
        message = (
            f"{name} is handed a secret, which only an input of the type secret takes, and nothing beside it"
        )
        return Fault(name, Code.WRONG_INPUT, message, f"declare it as `{name}: {{type: secret}}`")
    message = f"{name} holds characters (U+FDD0, U+FDD1) that no text may hold"
    return Fault(name, Code.WRONG_INPUT, message, "take them out")
