"""Fragments: mappings that several steps share, put under what stands there."""

from pathlib import Path
from typing import Any

from orchestrator.definition.tree import NODE_LIMIT
from tests.unit.definition.conftest import Check

#: A definition of one step; what it extends comes before it.
STEP = """\
pipeline: p
{}
steps:
  a: {{uses: any, {}}}
"""


def with_of(check: Check, fragments: str, step: str) -> Any:
    """What the step is given."""
    pipeline, problems = check(STEP.format(fragments, step))
    assert pipeline is not None, problems
    return pipeline.steps[0].with_


def told(check: Check, text: str) -> list[str]:
    pipeline, problems = check(text)
    assert pipeline is None
    return [str(problem) for problem in problems]


def test_what_stands_there_wins(check: Check) -> None:
    """Mappings are merged to any depth; lists and values are replaced as a whole."""
    fragments = "fragments: {hd: {video: {width: 1920, height: 1080, tags: [a, b]}, name: x}}"
    given = with_of(check, fragments, "with: {extends: hd, video: {height: 720, tags: [c]}}")
    assert given == {"video": {"width": 1920, "height": 720, "tags": ["c"]}, "name": "x"}


def test_the_later_of_several_wins(check: Check) -> None:
    """A list of names, from the weakest to the strongest."""
    fragments = "fragments: {one: {x: 1, y: 1}, two: {y: 2, z: 2}}"
    assert with_of(check, fragments, "with: {extends: [one, two], z: 3}") == {"x": 1, "y": 2, "z": 3}


def test_anywhere_in_a_step_and_in_fragments(check: Check) -> None:
    """In the step itself, in a mapping of a list, and in a fragment."""
    pipeline, problems = check("""\
pipeline: p
fragments:
  patient: {extends: slow, retry: {attempts: 9}}
  slow: {timeout: 1h}
  scene: {text: "${{ run.name }}"}
steps:
  a:
    extends: patient
    uses: any
    with: {scenes: [{extends: scene, n: 1}, {extends: scene, n: 2}]}
""")
    assert pipeline is not None, problems
    step = pipeline.steps[0]
    assert (step.timeout_s, step.retry.attempts) == (3600, 9)
    assert step.with_ == {"scenes": [{"text": "${{ run.name }}", "n": n} for n in (1, 2)]}


def test_needs_are_found_in_fragments(check: Check) -> None:
    """An expression of a fragment makes its step wait."""
    pipeline, _ = check("""\
pipeline: p
fragments: {link: {id: "${{ steps.a.thing_id }}"}}
steps:
  a: {uses: thing.make, with: {name: x}}
  b: {uses: thing.use, with: {extends: link}}
""")
    assert pipeline is not None
    assert pipeline.steps[1].needs == ("a",)


def test_mistakes_are_told_where_they_are(check: Check) -> None:
    """In the fragment, once, however many extend it; unknown names with a suggestion."""
    assert told(
        check,
        """\
pipeline: p
fragments:
  named: {name: "${{ inputs.titel }}", colour: red}
inputs: {title: {}}
steps:
  a: {uses: thing.make, with: {extends: named}}
  b: {uses: thing.make, with: {extends: named}}
  c: {uses: thing.make, with: {extends: nmaed, name: x}}
  d: {uses: thing.make, with: {extends: [3, "${{ inputs.title }}"], name: x}}
""",
    ) == [
        "p.yaml:3:22: D403 there is no input 'titel' (did you mean 'title'?)",
        "p.yaml:3:40: D302 unknown parameter 'colour' (known: name, picture, pictures)",
        "p.yaml:8:41: D206 there is no fragment 'nmaed' (did you mean 'named'?)",
        "p.yaml:9:42: D203 has to be the name of a fragment (write `extends: NAME`, or a list of names)",
        "p.yaml:9:45: D407 only a fixed value may stand here",
    ]


def test_a_circle_is_refused(check: Check) -> None:
    """With the way around."""
    problems = told(
        check, STEP.format("fragments: {a: {extends: b}, b: {x: {extends: a}}}", "with: {extends: a}")
    )
    assert problems == ["p.yaml:2:47: D206 fragments extend each other in a circle: a → b → a"]


def test_an_unused_one_is_a_warning(check: Check) -> None:
    """The definition runs all the same."""
    pipeline, problems = check(STEP.format("fragments: {old: {x: 1}}", "with: {}"))
    assert pipeline is not None
    assert [str(problem) for problem in problems] == [
        "p.yaml:2:13: D701 warning: nothing extends the fragment 'old' (remove it, or use it)"
    ]


def test_what_is_no_fragment_is_refused(check: Check) -> None:
    """A name that cannot be one, and a value that is no mapping."""
    problems = told(check, STEP.format("fragments: {1a: {}, b: 3}", "with: {}"))
    assert [problem[:18] for problem in problems] == ["p.yaml:2:13: D203 ", "p.yaml:2:21: D203 "]


def test_growth_is_bounded(check: Check) -> None:
    """Fragments that double themselves, nest themselves or go on for ever do not get far."""
    doubled = ", ".join(f"f{n}: {{x: {{extends: f{n + 1}}}, y: {{extends: f{n + 1}}}}}" for n in range(9))
    wide = "f9: {" + ", ".join(f"k{n}: 1" for n in range(100)) + "}"
    problems = told(check, STEP.format(f"fragments: {{{doubled}, {wide}}}", "with: {extends: f0}"))
    assert f"more than {NODE_LIMIT:,} values" in problems[0]
    chain = ", ".join(f"f{n}: {{extends: f{n + 1}}}" for n in range(30))
    problems = told(check, STEP.format(f"fragments: {{{chain}, f30: {{x: 1}}}}", "with: {extends: f0}"))
    assert "more than 10 times over" in problems[0]
    deep = ["{" + "a: {" * 15 + f"extends: f{n + 1}" + "}" * 16 for n in range(3)]
    nested = ", ".join(f"f{n}: {body}" for n, body in enumerate(deep))
    problems = told(check, STEP.format(f"fragments: {{{nested}, f3: {{x: 1}}}}", "with: {extends: f0}"))
    assert "deeper than 40 levels" in problems[0]


def test_they_may_stand_in_a_file(check: Check, tmp_path: Path) -> None:
    """Its own fragments go before those of the file; mistakes in it are told under its name."""
    (tmp_path / "shared").mkdir()
    shared = tmp_path / "shared" / "fragments.yaml"
    shared.write_text("fragments:\n  one: {name: 1}\n  two: {name: two}\n", "utf-8")
    text = """\
pipeline: p
fragments: {from: shared/fragments.yaml, two: {name: mine}}
steps:
  a: {uses: thing.make, with: {extends: two}}
"""
    pipeline, problems = check(text)
    assert pipeline is not None
    assert problems == []
    assert pipeline.steps[0].with_ == {"name": "mine"}
    assert told(check, text.replace("extends: two", "extends: one").replace(", two: {name: mine}", "")) == [
        "shared/fragments.yaml:2:15: D304 name has to be text (write it in quotes)"
    ]


def test_a_file_of_fragments_is_checked(check: Check, tmp_path: Path) -> None:
    """One that is not there, leads out, or is something else."""
    text = "pipeline: p\nfragments: {{from: {}}}\nsteps: {{a: {{uses: any}}}}\n"
    assert "does not exist" in told(check, text.format("none.yaml"))[0]
    (tmp_path / "out.yaml").symlink_to("/etc/hostname")
    assert "leads, through a link, out of" in told(check, text.format("out.yaml"))[0]
    assert "out of the folders" in told(check, text.format("../../etc/passwd"))[0]
    (tmp_path / "f.yaml").write_text("fragments: {}\nsteps: {}\n", "utf-8")
    assert told(check, text.format("f.yaml"))[0].startswith("f.yaml:2:1: D201")
    (tmp_path / "f.yaml").write_text("[", "utf-8")
    assert told(check, text.format("f.yaml"))[0].startswith("f.yaml:1:")
