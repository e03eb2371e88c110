"""Loading a definition: a pipeline, or every mistake at its place."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from orchestrator.definition.kinds import StepKinds
from orchestrator.definition.loader import check as check_file
from orchestrator.definition.loader import check_text, load
from orchestrator.definition.problems import Code, DefinitionError, Problem
from orchestrator.domain.durations import seconds
from orchestrator.domain.pipeline import Pipeline
from orchestrator.errors import RetryClass

Check = Callable[[str | bytes], tuple[Pipeline | None, list[Problem]]]

GOOD = """\
pipeline: good
description: All keys at once.
inputs:
  title: {type: string, max_length: 20}
  count: {type: integer, default: 2, min: 1}
rows: {from: t.csv, name: "${{ row.sku }}"}
on:
  schedule: {cron: "0 9 * * 1-5", timezone: Asia/Singapore}
concurrency: {limit: 5}
defaults: {retry: {attempts: 7, backoff: 500ms}, timeout: 30m}
steps:
  last:
    uses: thing.use
    needs: other
    if: ${{ inputs.count > 1 }}
    with: {id: "${{ steps.first.thing_id }}", count: "${{ inputs.count }}"}
    retry: {attempts: 2, on: [later, quota]}
    timeout: 1h30m
  first:
    uses: thing.make
    with: {name: "${{ inputs.title }}"}
  other: {uses: any, with: {x: [1, {y: 2}]}, continue_on_error: true}
on_failure:
  sad: {uses: any, with: {id: "${{ steps.first.thing_id }}"}}
finally:
  clean: {uses: any, if: run.failed, with: {last: "${{ steps.last.path }}", sad: "${{ steps.sad.x }}"}}
  after: {uses: any, needs: [clean, last]}
outputs: {path: "${{ steps.last.path }}"}
"""


def test_a_whole_definition_becomes_a_pipeline(check: Check, tmp_path: Path) -> None:
    """Every key arrives in the pipeline, defaults filled in."""
    pipeline, problems = check(GOOD)
    assert problems == []
    assert pipeline is not None
    last, first, other = pipeline.steps
    assert (last.id, last.uses, last.needs) == ("last", "thing.use", ("other", "first"))
    assert last.if_ == "${{ inputs.count > 1 }}"
    assert (last.retry.attempts, last.retry.backoff_s) == (2, 0.5)
    assert last.retry.on == {RetryClass.LATER, RetryClass.QUOTA}
    assert last.timeout_s == 5400
    assert (first.retry.attempts, first.timeout_s, first.needs) == (7, 1800, ())
    assert other.continue_on_error
    assert other.with_ == {"x": [1, {"y": 2}]}
    assert pipeline.inputs["count"].options == {"min": 1}
    assert not pipeline.inputs["count"].required
    assert pipeline.inputs["title"].required
    assert (pipeline.concurrency_limit, pipeline.folder) == (5, str(tmp_path))
    assert pipeline.triggers == {"schedule": {"cron": "0 9 * * 1-5", "timezone": "Asia/Singapore"}}
    assert pipeline.rows is not None
    assert (pipeline.rows.from_, pipeline.rows.name) == ("t.csv", "${{ row.sku }}")


def test_final_steps_wait_only_for_each_other(check: Check) -> None:
    """`finally` and `on_failure` may use what main steps did; those are over by then."""
    pipeline, _ = check(GOOD)
    assert pipeline is not None
    assert [step.needs for step in pipeline.on_failure] == [()]
    assert [step.needs for step in pipeline.finally_] == [(), ("clean",)]


def test_a_pipeline_survives_its_json(check: Check) -> None:
    """The journal's copy is the pipeline."""
    pipeline, _ = check(GOOD)
    assert pipeline is not None
    assert Pipeline.from_json(pipeline.to_json()) == pipeline


def test_three_mistakes_are_three_problems_at_their_places(check: Check) -> None:
    """All mistakes come at once, each with file, line, column, code and a suggestion."""
    pipeline, problems = check("""\
pipeline: bad
inputs:
  title: {type: strng}
steps:
  first:
    uses: thing.mak
  last:
    uses: thing.use
    with: {id: "x ${{ inputs.titel }}"}
""")
    assert pipeline is None
    assert [str(problem) for problem in problems] == [
        "p.yaml:3:17: D203 inputs.title has to be one of string, text, ssml, integer, number, boolean, choice, list, map, date, secret, file, files, table, slides, asset, timbre (did you mean 'string'?)",
        "p.yaml:6:11: D301 there is no step kind 'thing.mak' (did you mean 'thing.make'?)",
        "p.yaml:9:23: D403 there is no input 'titel' (did you mean 'title'?)",
    ]


BASE = "pipeline: p\nsteps:\n  a: {uses: thing.make, with: {name: n}}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pipeline: p\n", "1:1: D202 the key 'steps' is missing"),
        ("pipeline: p\nsteps: {}\n", "2:1: D203 steps has to have 1 item or more"),
        ("pipeline: p\nsteps: [a]\n", "2:1: D203 steps has to be a mapping"),
        ("pipeline: p\nsteps: {a-b: {uses: any}}\n", "2:9: D203 'a-b' is not a usable name"),
        ("pipeline: p\nsteps: {a: }\n", "2:9: D203 steps.a has to be a mapping"),
        ("pipeline: p\nsteps: {a: {}}\n", "2:9: D202 the key 'uses' is missing in steps.a"),
        (BASE + "outptus: {}\n", "4:1: D201 unknown key 'outptus' (did you mean 'outputs'?)"),
        (BASE + "description: 12\n", "4:14: D203 description has to be text (write it in quotes)"),
        (
            BASE + "concurrency: {limit: 0}\n",
            "4:22: D203 concurrency.limit has to be 1 or more",
        ),
        (BASE + "concurrency: {limit: yes}\n", "4:22: D203 concurrency.limit has to be a whole number"),
        (
            BASE + "on: {schedule: {cron: 0 0 * * *, timezon: y}}\n",
            "4:34: D201 unknown key 'timezon' in on.schedule (did you",
        ),
        (
            BASE + "  b: {uses: any, timeout: 5 min}\n",
            "4:27: D203 steps.b.timeout has to be a duration such as 45s",
        ),
        (
            BASE + "  b: {uses: any, timeout: -1}\n",
            "4:27: D203 steps.b.timeout has to be longer than nothing",
        ),
        (
            BASE + "  b: {uses: any, retry: {attempts: 0}}\n",
            "4:36: D203 steps.b.retry.attempts has to be 1 or more",
        ),
        (
            BASE + "  b: {uses: any, retry: {on: [latr]}}\n",
            "4:31: D203 steps.b.retry.on[0] has to be one of never, later",
        ),
        (
            BASE + "  b: {uses: any, foreach: 3}\n",
            "4:27: D203 steps.b.foreach has to be a list, or an expression",
        ),
        (BASE + "  b: {uses: any, foreach: '${{ nope }}'}\n", "4:32: D402 there is no 'nope'"),
        (BASE + "  b: {uses: any, if: '${{ item }}', foreach: [1]}\n", "4:27: D402 there is no 'item'"),
        (BASE + "  b: {uses: any, max_parallel: 1}\n", "4:18: D204 `max_parallel` has no meaning without"),
        (BASE + "finally:\n  a: {uses: any}\n", "5:3: D205 the step 'a' stands in `steps` too (line 3)"),
        (BASE + "inputs: {x: {max_length: 3, accept: [a]}}\n", "4:29: D201 unknown key 'accept' in inputs.x"),
        (BASE + "inputs: {x: {type: choice}}\n", "4:10: D202 the key 'choices' is missing in inputs.x"),
        (
            BASE + "inputs: {x: {pattern: '['}}\n",
            "4:23: D203 inputs.x.pattern: not a regular expression that RE2 knows: missing ]: [",
        ),
        (
            BASE + "inputs: {x: {type: integer, default: a}}\n",
            "4:38: D501 the default of 'x': \"a\" is not a whole number",
        ),
        (
            BASE + "inputs: {x: {max_length: 2, default: abc}}\n",
            "4:38: D501 the default of 'x': has 3 characters",
        ),
        (BASE + "inputs: {x: {default: '${{ run.id }}'}}\n", "4:24: D407 only a fixed value may stand here"),
        (
            BASE + "inputs: {v: {type: timbre, default: Ema}}\n",
            "4:37: D501 the default of 'v': there is no timbre 'Ema'",
        ),
        # Step kinds and their parameters
        (BASE + "  b: {uses: thing.make}\n", "4:3: D303 the parameter 'name' is missing"),
        (
            BASE + "  b: {uses: thing.make, with: {nam: x, name: y}}\n",
            "4:32: D302 unknown parameter 'nam' (did you mean 'name'?)",
        ),
        (
            BASE + "  b: {uses: thing.make, with: {name: 12}}\n",
            "4:38: D304 name has to be text (write it in quotes)",
        ),
        (
            BASE + "  b: {uses: thing.make, with: {name: far too long}}\n",
            "4:38: D304 name has to have 10 characters or fewer",
        ),
        (
            BASE + "  b: {uses: thing.make, with: {name: x, picture: {widht: 1, width: 2}}}\n",
            "4:51: D302 unknown parameter 'widht' in picture (did you mean 'width'?)",
        ),
        (
            BASE
            + "  b:\n    uses: thing.make\n    with:\n      name: x\n      pictures:\n        - {width: 9000}\n",
            "9:19: D304 pictures[0].width has to be 3840 or less",
        ),
        (
            BASE + "  b: {uses: thing.make, with: {name: x, picture: {width: 1, codec: H265}}}\n",
            "4:68: D304 picture.codec has to be one of H264, VP8 (did you mean 'H264'?)",
        ),
        (BASE + "  b: {uses: '${{ run.id }}'}\n", "4:14: D407 only a fixed value may stand here"),
        (
            "pipeline: a b\nsteps: {a: {uses: any}}\n",
            "1:11: D203 pipeline has to be letters, digits, `.`, `_` and `-`, a letter or digit first, 100 at most",
        ),
        (
            BASE + "on: {webhook: {path: a/b}}\n",
            "4:22: D203 on.webhook.path has to be letters, digits, `_` and `-`, 100 at most",
        ),
        (
            BASE + "inputs: {x: {type: file, accept: [a b]}}\n",
            "4:35: D203 inputs.x.accept[0] has to be a file name ending such as png",
        ),
        # Schedules
        (
            BASE + "on: {schedule: {cron: 99 * * * *}}\n",
            "4:23: D203 on.schedule.cron: the minute '99' is not between 0 and 59",
        ),
        (BASE + "on: {schedule: {cron: 0 9 * *}}\n", "4:23: D203 on.schedule.cron has to have 5 fields"),
        (
            BASE + "on: {schedule: {cron: 0 0 * * *, timezone: Mars/X}}\n",
            "4:44: D203 on.schedule.timezone: there is no time zone 'Mars/X'",
        ),
        # Indentation that is YAML, but not what was meant
        (
            "pipeline: p\nsteps:\n  a:\n  uses: any\n  with: {x: 1}\n",
            "4:3: D203 `uses` belongs to a step, but stands where the name of one does (indent it more",
        ),
        (
            "pipeline: p\nsteps:\n  a:\n    uses: any\n  with: {x: 1}\n",
            "5:3: D203 `with` belongs to a step, but stands where the name of one does (indent it more",
        ),
        (
            "pipeline: p\nsteps:\n  a:\n    uses: any\n  x: 1\n",
            "5:6: D203 steps.x has to be a mapping (if it belongs to the step above, indent it more)",
        ),
        (
            BASE + "  b:\n    uses: any\n    with:\n  c: {uses: any}\n",
            "6:5: D203 steps.b.with has to be a mapping (nothing stands below it: indent what belongs to it)",
        ),
        (
            BASE + "  b:\n    uses: thing.make\n    with:\n      name: x\n      c: {uses: any}\n",
            "8:7: D302 unknown parameter 'c' (it looks like a step: indent it as far as the others)",
        ),
        # Order
        (BASE + "  b: {uses: any, needs: [c]}\n", "4:26: D305 there is no step 'c'"),
        (BASE + "  b: {uses: any, needs: b}\n", "4:25: D307 the step 'b' waits for itself"),
        (
            BASE + "  b: {uses: any, needs: z}\nfinally: {z: {uses: any}}\n",
            "4:25: D305 the step 'z' runs later, in `finally`",
        ),
        (
            BASE + "  b: {uses: any, with: {x: '${{ steps.b.y }}'}}\n",
            "4:33: D307 the step 'b' uses its own outputs",
        ),
        (
            BASE
            + "  b: {uses: any, needs: c}\n  c: {uses: any, needs: d}\n  d: {uses: any, with: {x: '${{ steps.b.y }}'}}\n",
            "4:3: D306 steps wait for each other in a circle: b → c → d → b",
        ),
        # Expressions
        (BASE + "outputs: {x: 'a ${{ steps.a.thing_id'}\n", "4:17: D401 `${{` has no closing `}}`"),
        (
            BASE + "outputs: {x: '${{ steps.a.thing_id + }}'}\n",
            "4:19: D401 cannot read the expression: it ends too early",
        ),
        (BASE + "outputs: {x: '${{ a b }}'}\n", "4:19: D401 cannot read the expression after 'b'"),
        (
            BASE + "outputs: {x: '${{ secrets.key }}'}\n",
            "4:19: D402 there is no 'secrets' to take values from here",
        ),
        (BASE + "outputs: {x: '${{ steps.b.y }}'}\n", "4:19: D404 there is no step 'b'"),
        (BASE + "outputs: {x: '${{ steps | json }}'}\n", "4:19: D404 the step is not named"),
        (
            BASE + "outputs: {x: '${{ steps.a.thing_ids }}'}\n",
            "4:19: D405 the step 'a' has no output 'thing_ids' (did you",
        ),
        (BASE + "outputs: {x: '${{ run.nam }}'}\n", "4:19: D406 a run has no 'nam' (did you mean 'name'?)"),
        (
            BASE + "outputs: {x: '${{ row.a }}'}\n",
            "4:19: D406 `row` is known only in a definition with `rows`",
        ),
        (
            BASE + "outputs: {x: '${{ steps.z.y }}'}\nfinally: {z: {uses: any}}\n",
            "4:19: D404 the step 'z' runs later",
        ),
        (BASE + "rows: {name: '${{ run.id }}'}\n", "4:19: D402 there is no 'run' to take values from here"),
        (BASE + "rows: {from: '${{ inputs.x }}'}\n", "4:15: D407 only a fixed value may stand here"),
        (
            BASE + "  b: {uses: any, if: run.faild}\n",
            "4:22: D406 a run has no 'faild' (did you mean 'failed'?)",
        ),
        (
            BASE + "  b: {uses: any, if: 'run failed'}\n",
            "4:22: D401 cannot read the expression after 'failed'",
        ),
        (BASE + "  b: {uses: any, if: 3}\n", "4:22: D203 steps.b.if has to be text"),
    ],
)
def test_mistakes(check: Check, text: str, expected: str) -> None:
    """Each kind of mistake has its code, its place and its words."""
    pipeline, problems = check(text)
    assert pipeline is None
    assert len(problems) == 1, [str(problem) for problem in problems]
    assert str(problems[0]).startswith(f"p.yaml:{expected}")


def test_a_comma_in_a_flow_mapping_is_explained(check: Check) -> None:
    """`{a: one, two words}` makes a key of the second half; the problem says what to do."""
    _, (problem,) = check(BASE + "inputs: {x: {description: first, then some}}\n")
    assert str(problem).endswith("(put quotes around a text that holds a comma)")


def test_two_circles_are_two_problems(check: Check) -> None:
    """Every circle is found, not only the first."""
    steps = "\n".join(f"  {name}: {{uses: any, needs: {need}}}" for name, need in ("ab", "ba", "cd", "dc"))
    _, problems = check(f"pipeline: p\nsteps:\n{steps}\n")
    assert [(problem.code, problem.line) for problem in problems] == [(Code.CYCLE, 3), (Code.CYCLE, 5)]


def test_parameters_with_expressions_are_judged_later(check: Check) -> None:
    """Where an expression stands, type and range are not known yet; names are."""
    _, problems = check("""\
pipeline: p
inputs: {n: {type: integer}}
steps:
  a: {uses: thing.make, with: {name: n, picture: {width: "${{ inputs.n }}", codec: "${{ inputs.n }}"}}}
  b: {uses: thing.use, with: {id: "${{ inputs.n }}", count: "${{ inputs.n }}", "${{ x }}": 1}}
""")
    assert [(problem.code, problem.line) for problem in problems] == [(Code.UNKNOWN_PARAMETER, 5)]


def test_an_alias_shows_its_mistake_once(check: Check) -> None:
    """A mistake in an anchored part is one problem, however often it is used."""
    _, problems = check(
        BASE + '  b: {uses: any, with: &x {v: "${{ inputs.z }}"}}\n  c: {uses: any, with: *x}\n'
    )
    assert [problem.code for problem in problems] == [Code.UNKNOWN_INPUT]


def test_load_raises_with_all_problems(kinds: StepKinds, tmp_path: Path) -> None:
    """`load` is `check` that raises; the process then ends with 2."""
    path = tmp_path / "p.yaml"
    path.write_text("pipelin: p\nstep: {}\n")
    with pytest.raises(DefinitionError) as caught:
        load(path, kinds=kinds)
    assert len(caught.value.problems) == 4
    assert caught.value.exit_code == 2
    assert f"{path}:1:1: D201 unknown key 'pipelin' (did you mean 'pipeline'?)" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [("none.yaml", "no such file"), ("p.txt", "ends in .yaml or .yml"), ("folder.yaml", "is a directory")],
)
def test_unreadable_files(kinds: StepKinds, tmp_path: Path, name: str, words: str) -> None:
    """A file that cannot be read is a problem like any other."""
    (tmp_path / "folder.yaml").mkdir()
    pipeline, (problem,) = check_file(tmp_path / name, kinds)
    assert pipeline is None
    assert problem.code is Code.UNREADABLE
    assert words in problem.message


def test_codes_are_unique_and_explained() -> None:
    """Every code is used once and has one line of meaning."""
    assert len({code.value for code in Code}) == len(Code.__members__)
    assert all(code.meaning.endswith(".") and "\n" not in code.meaning for code in Code)


@pytest.mark.parametrize(
    ("text", "value"),
    [("45s", 45), ("30m", 1800), ("6h", 21600), ("1h30m", 5400), ("500ms", 0.5), ("1.5h", 5400), (90, 90)],
)
def test_durations(text: object, value: float) -> None:
    """Durations are read into seconds."""
    assert seconds(text) == value


@given(st.text(alphabet="0123456789.hmsd- ", max_size=12))
def test_durations_are_positive_or_refused(text: str) -> None:
    """No text becomes a duration of nothing, of less, or of more than a year."""
    try:
        assert 0 < seconds(text) <= 366 * 86400
    except ValueError:
        return


@given(
    st.binary(max_size=200) | st.text(alphabet="pipelne: {}[]&*!|>'\"\n -#${}", max_size=80).map(str.encode)
)
def test_any_bytes_are_a_pipeline_or_problems(content: bytes) -> None:
    """No file crashes the loader."""
    pipeline, problems = check_text(content, {}, file="f.yaml", folder=Path("/"))
    assert (pipeline is None) == bool(problems)


def test_a_step_whose_keys_stand_too_far_left_is_checked_all_the_same(check: Check) -> None:
    """The mistake is told once a step, and what else is wrong in it is told too."""
    _, problems = check("""\
pipeline: p
steps:
  a:
  uses: thing.make
  with: {nam: x, name: y}
  b:
    uses: thing.mak
""")
    assert [(problem.line, str(problem.code)) for problem in problems] == [
        (4, "D203"),
        (5, "D302"),
        (7, "D301"),
    ]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        *((word, "file") for word in ("image", "images", "picture", "video", "audio", "media")),
        *(("str", "string"), ("int", "integer"), ("bool", "boolean")),
        *(("array", "list"), ("object", "map"), ("dict", "map")),
    ],
)
def test_types_of_other_languages_are_understood(check: Check, written: str, meant: str) -> None:
    """As the type that was meant."""
    _, problems = check(f"pipeline: p\ninputs: {{x: {{type: {written}}}}}\nsteps: {{s: {{uses: any}}}}\n")
    assert [one.suggestion for one in problems] == [f"did you mean {meant!r}?"]


@dataclass(frozen=True)
class _Look:
    params: type[BaseModel]
    outputs: frozenset[str] | None = frozenset({"tags", "asset_id"})


def test_an_output_is_not_guessed_from_afar(kinds: StepKinds, tmp_path: Path) -> None:
    """`status` is not `tags`: what there is is told instead."""
    many = {**kinds, "look": _Look(kinds["thing.use"].params)}
    text = "pipeline: p\nsteps: {look: {uses: look, with: {id: x}}}\noutputs: {x: '${{ steps.look.%s }}'}\n"
    told = {
        name: check_text((text % name).encode(), many, file="p.yaml", folder=tmp_path)[1][0].suggestion
        for name in ("status", "asset")
    }
    assert told == {"status": "known: asset_id, tags", "asset": "did you mean 'asset_id'?"}
