"""`pipeline.run` in definitions: the file is read, checked and pinned with its caller."""

from pathlib import Path

import pytest

from orchestrator.definition.kinds import StepKinds
from orchestrator.definition.loader import check
from orchestrator.definition.problems import Problem
from orchestrator.domain.pipeline import GroupSpec, Pipeline
from orchestrator.steps.pipeline_run import PipelineRun

INTRO = """\
pipeline: intro
inputs:
  title: {max_length: 5}
  count: {type: integer, default: 1}
steps:
  a: {uses: any, with: {x: "${{ inputs.title }}", y: "${{ inputs.count }}"}}
outputs: {video: "${{ steps.a.path }}"}
"""
CALLER = """\
pipeline: course
steps:
  intro: {uses: pipeline.run, with: {file: chapters/intro.yaml, inputs: {title: Hi}}}
"""


class Folder:
    """Definitions in files."""

    def __init__(self, path: Path, kinds: StepKinds) -> None:
        self.path, self._kinds = path, {**kinds, "pipeline.run": PipelineRun()}

    def write(self, **files: str) -> None:
        """`chapters__intro`: chapters/intro.yaml."""
        for name, text in files.items():
            path = self.path / f"{name.replace('__', '/')}.yaml"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, "utf-8")

    def check(self, *roots: Path) -> tuple[Pipeline | None, list[Problem]]:
        return check(self.path / "main.yaml", self._kinds, roots)

    def told(self) -> list[str]:
        """What is wrong, each file by its name in the folder."""
        pipeline, problems = self.check()
        assert pipeline is None
        return [str(problem).removeprefix(f"{self.path}/") for problem in problems]


@pytest.fixture
def folder(tmp_path: Path, kinds: StepKinds) -> Folder:
    return Folder(tmp_path, kinds)


def test_the_caller_carries_it(folder: Folder) -> None:
    """With its own folder; its outputs are the step's."""
    folder.write(chapters__intro=INTRO, main=CALLER + "outputs: {v: '${{ steps.intro.video }}'}\n")
    pipeline, problems = folder.check()
    assert problems == []
    assert pipeline is not None
    below = pipeline.steps[0].pipeline
    assert below is not None
    assert (below.name, below.folder) == ("intro", str(folder.path / "chapters"))
    assert Pipeline.from_json(pipeline.to_json()) == pipeline


def test_what_it_is_given_is_checked(folder: Folder) -> None:
    """Unknown inputs and outputs, literals that do not fit, and what is missing."""
    wrong = (
        CALLER.replace("{title: Hi}", "{titel: Hi, count: many}")
        + "outputs: {v: '${{ steps.intro.vidoe }}'}\n"
    )
    folder.write(chapters__intro=INTRO, main=wrong)
    assert folder.told() == [
        "main.yaml:3:65: D502 the input 'title' of 'intro' has no value (add `title: …` to `with.inputs`)",
        "main.yaml:3:74: D503 the pipeline 'intro' has no input 'titel' (did you mean 'title'?)",
        "main.yaml:3:92: D504 the input 'count': \"many\" is not a whole number",
        "main.yaml:4:19: D405 the step 'intro' has no output 'vidoe' (did you mean 'video'?)",
    ]


def test_what_is_known_later_is_not_checked(folder: Folder) -> None:
    """An expression may turn out right, and so may a whole mapping that is one."""
    given = CALLER.replace("{title: Hi}", "{title: '${{ run.name }}', count: '${{ run.name }}'}")
    folder.write(chapters__intro=INTRO, main=given)
    assert folder.check()[1] == []
    folder.write(main=CALLER.replace("{title: Hi}", "'${{ run }}'"))
    assert folder.check()[1] == []


def test_its_mistakes_are_told_under_its_name(folder: Folder) -> None:
    """And at the place that calls it, once for two callers."""
    twice = CALLER + CALLER.splitlines()[-1].replace("intro:", "again:") + "\n"
    folder.write(chapters__intro=INTRO.replace("inputs.title", "inputs.titel"), main=twice)
    assert folder.told() == [
        "main.yaml:3:44: D308 the pipeline 'chapters/intro.yaml' has 1 mistake (listed under its own name)",
        "main.yaml:4:44: D308 the pipeline 'chapters/intro.yaml' has 1 mistake (listed under its own name)",
        "chapters/intro.yaml:6:33: D403 there is no input 'titel' (did you mean 'title'?)",
    ]


def test_a_file_that_cannot_be_read_is_told(folder: Folder) -> None:
    """One that is not there, is none, or lies outside of the allowed folders, also through a link."""
    folder.write(main=CALLER)
    assert "D308 the pipeline 'chapters/intro.yaml' does not exist" in folder.told()[0]
    folder.write(main=CALLER.replace("chapters/intro.yaml", "../intro.yaml"))
    assert "leads out of the folders that may be read" in folder.told()[0]
    (folder.path / "chapters").mkdir()
    (folder.path / "chapters" / "intro.yaml").symlink_to("/etc/hostname")
    folder.write(main=CALLER)
    assert "leads, through a link, out of" in folder.told()[0]
    (folder.path / "notes.txt").write_text("x", "utf-8")
    folder.write(main=CALLER.replace("chapters/intro.yaml", "notes.txt"))
    assert any("a definition's name ends in .yaml" in line for line in folder.told())
    folder.write(main=CALLER.replace("chapters/intro.yaml", "'${{ run.name }}.yaml'"))
    assert "D407" in folder.told()[0]


def test_folders_may_be_allowed(folder: Folder) -> None:
    """By the setting, for the whole tree of definitions; without it the first one's folder is."""
    folder.write(shared__intro=INTRO, deep__main="")
    (folder.path / "deep" / "main.yaml").write_text(CALLER.replace("chapters", "../shared"), "utf-8")
    inner = Folder(folder.path / "deep", folder._kinds)
    assert inner.check()[0] is None
    assert inner.check(folder.path)[0] is not None
    folder.write(main=CALLER.replace("chapters/intro.yaml", "deep/main.yaml").replace("{title: Hi}", "{}"))
    pipeline, problems = folder.check()
    assert [problem.code for problem in problems] == ["D308"]  # both are called `course`
    assert pipeline is None


def test_circles_and_depth_are_bounded(folder: Folder) -> None:
    """A file that comes to itself, five levels, and six."""
    run = "pipeline: {}\nsteps: {{next: {{uses: pipeline.run, with: {{file: {}.yaml}}}}}}\n"
    folder.write(main=run.format("a", "other"), other=run.format("b", "main"))
    circle = " → ".join(f"{folder.path}/{name}.yaml" for name in ("main", "other", "main"))
    assert f"other.yaml:2:49: D308 pipelines run each other in a circle: {circle}" in folder.told()
    for number in range(1, 6):
        folder.write(**{f"level{number}": run.format(f"p{number}", f"level{number + 1}")})
    folder.write(main=run.format("top", "level2"), level6="pipeline: p6\nsteps: {a: {uses: any}}\n")
    assert folder.check()[1] == []
    folder.write(main=run.format("top", "level1"))
    assert any("pipelines run pipelines more than 5 levels deep" in line for line in folder.told())


def test_many_in_many_are_too_many(folder: Folder) -> None:
    """However few files they are in, all their steps count each time."""
    steps = "".join(f"  s{number}: {{uses: any}}\n" for number in range(60))
    calls = "".join(
        f"  s{number}: {{uses: pipeline.run, with: {{file: leaf.yaml}}}}\n" for number in range(40)
    )
    folder.write(leaf=f"pipeline: leaf\nsteps:\n{steps}", main=f"pipeline: top\nsteps:\n{calls}")
    assert "more than 2,000 steps" in folder.told()[0]


def test_a_table_and_a_namesake_are_refused(folder: Folder) -> None:
    """Rows would have no place, and runs of one name would stand in each other's way."""
    folder.write(main=CALLER, chapters__intro=INTRO + "rows: {from: t.csv}\n")
    caller, own = folder.told()
    assert "a pipeline with `rows` cannot be a step" in caller
    assert "`foreach`" in caller
    assert own.startswith("chapters/intro.yaml:8:1: D308")
    folder.write(chapters__intro=INTRO.replace("pipeline: intro", "pipeline: course"))
    assert "is called 'course'" in folder.told()[0]


def test_a_concurrency_group_is_read(folder: Folder) -> None:
    """Its limit is one unless it says otherwise, and is not the table's; names in it are checked."""
    text = "pipeline: p\ninputs: {room: {}}\nconcurrency: {group: '${{ inputs.room }}'}\nsteps: {a: {uses: any}}\n"
    folder.write(main=text)
    pipeline, _ = folder.check()
    assert pipeline is not None
    assert (pipeline.group, pipeline.concurrency_limit) == (GroupSpec("${{ inputs.room }}", 1), None)
    folder.write(main=text.replace("'}", "', limit: 3}"))
    pipeline, _ = folder.check()
    assert pipeline is not None
    assert pipeline.group == GroupSpec("${{ inputs.room }}", 3)
    folder.write(main=text.replace("inputs.room }}'", "steps.a.x }} ${{ row.b }}'"))
    assert [line.split(": ")[1][:4] for line in folder.told()] == ["D402", "D406"]
