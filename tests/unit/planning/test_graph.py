"""Pipelines as pictures."""

from orchestrator.planning.graph import dot, mermaid, nodes
from tests.unit.planning.conftest import Read

TEXT = """
pipeline: graph
steps:
  last: {uses: sleep, needs: [left, right], with: {seconds: 1}, if: "'a<b' == 'c'"}
  left: {uses: sleep, needs: [first], with: {seconds: 1}, continue_on_error: true}
  right: {uses: sleep, needs: [first], foreach: [1, 2], max_parallel: 1, with: {seconds: 1}}
  first: {uses: sleep, with: {seconds: 1}}
on_failure:
  oh: {uses: sleep, with: {seconds: 1}}
finally:
  end: {uses: sleep, with: {seconds: 1}}
"""


def test_steps_stand_in_layers(read: Read) -> None:
    """Each below all that it needs, those of the other sections at the end."""
    found = nodes(read(TEXT))
    assert [(node.layer, node.step.id, list(node.remarks)) for node in found] == [
        (1, "first", []),
        (2, "left", ["may fail"]),
        (2, "right", ["for each item, 1 at once"]),
        (3, "last", ["if 'a<b' == 'c'"]),
        (4, "oh", ["on_failure"]),
        (5, "end", ["finally"]),
    ]


def test_mermaid_shows_every_step_and_need(read: Read) -> None:
    """Signs that Mermaid would take for its own are written as entities."""
    lines = mermaid(read(TEXT)).splitlines()
    assert lines[0] == "flowchart TD"
    assert "  s3[\"last<br/>sleep<br/>if 'a#lt;b' == 'c'\"]" in lines
    assert [line.strip() for line in lines if "-->" in line] == [
        "s0 --> s1",
        "s0 --> s2",
        "s1 --> s3",
        "s2 --> s3",
    ]


def test_dot_shows_every_step_and_need(read: Read) -> None:
    """As Graphviz reads it."""
    lines = dot(read(TEXT)).splitlines()
    assert lines[0] == 'digraph "graph" {'
    assert '  "left" [label="left\\nsleep\\nmay fail"];' in lines
    assert '  "left" -> "last";' in lines
    assert lines[-1] == "}"
