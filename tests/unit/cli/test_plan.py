"""`plan`, and `run --budget`: what is told before anything is called."""

import json
from pathlib import Path

import pytest

from orchestrator.cli.main import run
from orchestrator.cli.samples import sample_pipeline

SAMPLE = str(sample_pipeline())
PRICES = str(Path("config/prices.example.yaml").resolve())
TEXT = """\
pipeline: look
steps:
  list: {uses: api.list_assets, with: {}}
  each: {uses: api.show_asset, foreach: "${{ steps.list.assets }}", with: {asset_id: "${{ item.asset_id }}"}}
"""


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_plan_says_what_would_happen(capsys: pytest.CaptureFixture[str]) -> None:
    """The graph, the calls, the minutes, the cost, the time; no state is made."""
    assert run(["plan", SAMPLE, "--prices", PRICES]) == 0
    out, err = capsys.readouterr()
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines[0] == "product-video: 3 runs, one for each row"
    assert "4 └ script script.create confirm, background" in lines
    assert "create2_d_digital_human_video 3 5 0.6 s" in lines
    assert any(line.startswith("Uses 0.47 minutes of avatar video in 3 videos: hws.") for line in lines)
    assert "Costs about XXX 0.47" in lines
    assert "Takes at least 10 s" in lines
    assert any(line.startswith("bottleneck: create2_d_digital_human_video") for line in lines)
    assert err == ""
    assert not list(Path().iterdir())


def test_a_plan_in_json_has_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    """Quantities are the least and the most."""
    assert run(["plan", SAMPLE, "--json", "--region", "ap-southeast-3", "--render-factor", "2"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["runs"] == {"total": 3, "done": 0, "begun": 0, "new": 3}
    assert found["region"] == "ap-southeast-3"
    assert {"operation", "category", "calls", "rate", "takes_s"} == found["calls"][0].keys()
    assert found["calls"][1]["calls"] == [3, 3]
    assert found["videos"] == [3, 3]
    assert found["cost"] is None
    assert found["duration"]["bottleneck"] == "create2_d_digital_human_video"
    assert found["duration"]["render_factor"] == 2


def test_what_is_open_is_said_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    """An assumption closes it."""
    Path("look.yaml").write_text(TEXT)
    assert run(["plan", "look.yaml"]) == 0
    out = capsys.readouterr().out
    assert "Open: each: how many items there are follows from what other steps bring." in out
    assert "For each item: 1 show_asset.\n  --assume each=NUMBER says how many items to reckon with." in out
    assert run(["plan", "look.yaml", "--assume", "each=4", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["open"], found["calls"][1]["calls"]) == ([], [4, 4])


@pytest.mark.parametrize("assumed", ["each", "each=many", "eahc=1", "each=-1", "each=nan"])
def test_an_assumption_that_says_nothing_is_refused(assumed: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2."""
    Path("look.yaml").write_text(TEXT)
    assert run(["plan", "look.yaml", "--assume", assumed]) == 2
    assert "--assume" in capsys.readouterr().err


@pytest.mark.parametrize(("form", "first"), [("mermaid", "flowchart TD"), ("dot", 'digraph "look" {')])
def test_the_graph_alone_can_be_drawn(form: str, first: str, capsys: pytest.CaptureFixture[str]) -> None:
    """For documents; inputs and rows are not needed."""
    Path("look.yaml").write_text(TEXT)
    assert run(["plan", "look.yaml", "--format", form]) == 0
    assert capsys.readouterr().out.splitlines()[0] == first


def test_mistakes_come_before_a_plan(capsys: pytest.CaptureFixture[str]) -> None:
    """All of them, as `validate` tells them, and those of the price file."""
    Path("look.yaml").write_text(TEXT.replace("list_assets", "list_asset"))
    assert run(["plan", "look.yaml", "--json"]) == 2
    out, err = capsys.readouterr()
    assert "look.yaml:3:16: D301" in err
    assert "1 problem; there is no plan before that is mended." in err
    assert json.loads(out)["valid"] is False
    Path("rows.csv").write_text("sku,title,speech,image\nA,A,Hi.,none.png\nB,,,none.png\n")
    assert run(["plan", SAMPLE, "--rows", "rows.csv"]) == 2
    assert ", in 2 rows; there is no plan" in capsys.readouterr().err
    Path("prices.yaml").write_text("currency: EUR\nresources: 1\n")
    assert run(["plan", SAMPLE, "--prices", "prices.yaml"]) == 2
    err = capsys.readouterr().err
    assert "prices.yaml:2:12: D203 resources is a mapping" in err
    assert "error: 1 problem; there is no plan" in err


def test_warnings_are_not_counted_as_problems(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither before a plan nor before a run."""
    head = "pipeline: look\ninputs: {x: {type: string, default: a}}\n"
    Path("look.yaml").write_text(head + "steps: {s: {uses: sleep, with: {seconds: 60}, timeout: 1s}}\n")
    for command in (["plan", "look.yaml"], ["run", "look.yaml", "--emulator"]):
        assert run(command) == 2
        err = capsys.readouterr().err
        assert "D701 warning" in err
        assert "error: 1 problem; " in err


def test_a_plan_needs_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    """It calls nothing; that a run will need it is a warning."""
    Path("look.yaml").write_text(
        "pipeline: look\ninputs: {key: {type: secret}}\n"
        'steps: {s: {uses: notify.webhook, with: {url: "https://x.example", headers: {k: "${{ inputs.key }}"}}}}\n'
    )
    assert run(["plan", "look.yaml"]) == 0
    assert "D710 warning: the secret 'key' is not set; the run will need it" in capsys.readouterr().err
    assert run(["run", "look.yaml", "--emulator"]) == 2
    assert "D502 the secret 'key' is not set" in capsys.readouterr().err


def test_a_drawn_definition_may_read_where_the_setting_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As everywhere else: a fragment's file beside its folder."""
    Path("flows").mkdir()
    Path("shared.yaml").write_text("fragments: {slow: {timeout: 1h}}\n")
    step = "{uses: sleep, extends: slow, with: {seconds: 1}}"
    Path("flows/look.yaml").write_text(
        f"pipeline: look\nfragments: {{from: ../shared.yaml}}\nsteps: {{s: {step}}}\n"
    )
    Path("config.yaml").write_text(f"files: {{roots: [{tmp_path}]}}\n")
    assert run(["plan", "flows/look.yaml", "--format", "dot"]) == 2
    assert run(["plan", "flows/look.yaml", "--format", "dot", "--config", "config.yaml"]) == 0
    assert capsys.readouterr().out.startswith('digraph "look"')


def test_a_plan_over_the_budget_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    """The plan is shown nevertheless."""
    assert run(["plan", SAMPLE, "--prices", PRICES, "--budget", "0.4"]) == 2
    out, err = capsys.readouterr()
    assert "Costs about XXX 0.47" in out
    assert "This would cost about XXX 0.47, more than the budget of 0.40" in err
    assert run(["plan", SAMPLE, "--prices", PRICES, "--budget", "0.5"]) == 0


def test_a_run_over_the_budget_does_not_start(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is called, nothing is written; without a price file it is said what to do."""
    assert run(["run", SAMPLE, "--emulator", "--prices", PRICES, "--budget", "0.4"]) == 2
    assert "more than the budget of 0.40" in capsys.readouterr().err
    assert run(["run", SAMPLE, "--emulator", "--budget", "0.4"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "There are no prices" in err
    assert "config/prices.example.yaml" in err
    assert not list(Path().iterdir())


def test_what_runs_do_when_they_fail_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """With its part in the cost, which a budget has to cover."""
    preview = "{uses: api.create_tts_audition, with: {text: Hello, emotion: HAPPY}}"
    Path("fail.yaml").write_text(
        f"pipeline: fail\nsteps: {{s: {{uses: sleep, with: {{seconds: 1}}}}}}\non_failure: {{p: {preview}}}\n"
    )
    assert run(["plan", "fail.yaml", "--prices", PRICES]) == 0
    lines = capsys.readouterr().out.splitlines()
    at = lines.index("If runs fail, at most this on top: 1 create_tts_audition")
    assert lines[at + 1].startswith("  uses 5 characters of speech preview: hws.")
    assert lines[at + 2] == "  costs up to XXX 0.00 in all; --budget takes this"
    assert run(["plan", "fail.yaml", "--json", "--prices", PRICES]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["if_runs_fail"] == {
        "more_calls": {"create_tts_audition": 1},
        "resources": {"speech": 5},
        "open": [],
        "cost": 0.0005,
    }
    assert run(["run", "fail.yaml", "--emulator", "--prices", PRICES, "--budget", "0"]) == 2
    assert "If runs fail, this would cost up to XXX 0.00, more than" in capsys.readouterr().err


def test_the_price_file_may_be_a_setting(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the environment, for example."""
    monkeypatch.setenv("ORCHESTRATOR_PRICES", PRICES)
    assert run(["plan", SAMPLE]) == 0
    assert "Costs about XXX 0.47" in capsys.readouterr().out
