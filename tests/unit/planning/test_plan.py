"""Many runs against the quota, the prices and a budget."""

from pathlib import Path

import pytest

from orchestrator.definition.problems import DefinitionError
from orchestrator.errors import UsageError
from orchestrator.metastudio.catalog import resource_type
from orchestrator.metastudio.operations import RATES
from orchestrator.planning.budget import OverBudgetError, check_budget
from orchestrator.planning.charges import CHARGES
from orchestrator.planning.plan import Plan, checked_assumptions, may_do_more, plan_of
from orchestrator.planning.prices import Prices, read_prices
from orchestrator.planning.spans import Span
from orchestrator.planning.survey import Survey
from orchestrator.planning.tally import Tally
from orchestrator.steps.base import kinds
from tests.unit.planning.conftest import Read
from tests.unit.planning.test_survey import SPOKEN, WORDS

REGION = "cn-north-4"
MINUTES = "hws.resource.type.metastudio.modeling.avatarvideo.duration"
EXAMPLE = Path("config/prices.example.yaml")


def planned(
    read: Read, text: str, *speeches: str, done: int = 0, begun: int = 0, prices: Prices | None = None
) -> Plan:
    pipeline = read(text)
    tallies = [Tally(Survey(pipeline, kinds(), failing=failing)) for failing in (False, True)]
    for tally in tallies:
        for number, speech in enumerate(speeches):
            if number < done:
                tally.skip()
            else:
                already = frozenset({"script"}) if number < done + begun else None
                tally.add({"speech": speech}, name=f"run-{number}", done=already)
    well, worst = tallies
    return plan_of(
        pipeline,
        well.runs,
        well.load(),
        region=REGION,
        rates=RATES[REGION],
        prices=prices,
        worst=worst.load(),
    )


def test_runs_of_different_lengths_add_up(read: Read) -> None:
    """They are weighed together, with the mean of their speech."""
    plan = planned(read, SPOKEN, WORDS, f"{WORDS} {WORDS}", WORDS)
    assert [(line.operation, line.calls) for line in plan.calls] == [
        ("create2_d_digital_human_video", Span(3, 3)),
        ("create_video_scripts", Span(3, 3)),
    ]
    assert plan.load.charges["video"].high == pytest.approx(80 / 60)
    assert plan.duration.alone_s.high == pytest.approx(80 / 3)


def test_what_is_done_already_is_not_planned_again(read: Read) -> None:
    """Runs that are begun go on after their last step."""
    plan = planned(read, SPOKEN, WORDS, WORDS, WORDS, done=1, begun=1)
    assert (plan.runs.total, plan.runs.done, plan.runs.begun, plan.runs.anew) == (3, 1, 1, 1)
    assert {line.operation: line.calls.high for line in plan.calls} == {
        "create2_d_digital_human_video": 2,
        "create_video_scripts": 1,
    }


def test_the_slowest_bucket_is_the_bottleneck(read: Read) -> None:
    """All of its calls, then the last run: 40 videos at 5 a second, and 20 s."""
    plan = planned(read, SPOKEN, *[WORDS] * 40)
    assert plan.duration.bottleneck is not None
    assert plan.duration.bottleneck.operation == "create2_d_digital_human_video"
    assert plan.duration.total_s.high == pytest.approx(8 + 20)


def test_few_runs_side_by_side_take_longer(read: Read) -> None:
    """40 runs, 10 at once, make 4 sets one after the other."""
    plan = planned(read, SPOKEN + "concurrency: {limit: 10}\n", *[WORDS] * 40)
    assert plan.duration.queued_s.high == pytest.approx(60)
    assert plan.duration.total_s.high == pytest.approx(80)


def test_a_price_makes_a_cost(read: Read) -> None:
    """By resource type and by call."""
    prices = Prices("EUR", {MINUTES: 3.0}, calls={"create_video_scripts": 0.5})
    plan = planned(read, SPOKEN, WORDS, WORDS, prices=prices)
    assert plan.cost is not None
    assert plan.cost.amount.high == pytest.approx(2 * 20 / 60 * 3 + 2 * 0.5)
    check_budget(plan, 3.01)
    with pytest.raises(OverBudgetError, match=r"EUR 3\.00, more than the budget of 2\.99: mostly 0\.67"):
        check_budget(plan, 2.99)
    with pytest.raises(OverBudgetError):
        check_budget(plan, float("nan"))


def test_another_resource_type_may_pay(read: Read) -> None:
    """The price file says which."""
    flexus = "hws.resource.type.metastudio.modeling.flexus.avatarvideo.duration"
    prices = Prices("EUR", {flexus: 6.0}, paid_with={"video": flexus})
    plan = planned(read, SPOKEN, WORDS, prices=prices)
    assert [(line.code, line.price) for line in plan.resources] == [(flexus, 6.0)]


@pytest.mark.parametrize(
    ("prices", "why"),
    [(None, "There are no prices"), (Prices("EUR"), f"no price for {MINUTES}")],
)
def test_a_budget_needs_the_prices_of_all_that_is_used(read: Read, prices: Prices | None, why: str) -> None:
    """Nobody could say otherwise whether it is kept."""
    with pytest.raises(OverBudgetError, match=why):
        check_budget(planned(read, SPOKEN, WORDS, prices=prices), 1_000_000)


def test_a_budget_needs_to_know_everything_that_costs(read: Read) -> None:
    """What is open and may cost something keeps it from starting; what costs nothing does not."""
    text = """
pipeline: again
steps:
  video: {uses: video.produce, with: {script_id: "1", output_asset_config: {asset_name: A}}}
"""
    with pytest.raises(OverBudgetError, match="What video costs cannot be known") as caught:
        check_budget(planned(read, text, "", prices=Prices("EUR", {MINUTES: 1.0})), 1_000_000)
    assert "--assume video=NUMBER" in caught.value.hint
    check_budget(planned(read, text, "", prices=Prices("EUR", {MINUTES: 0.0})), 0)


def test_what_is_done_already_costs_nothing(read: Read) -> None:
    """Also with prices for nothing."""
    check_budget(planned(read, SPOKEN, WORDS, done=1, prices=Prices("EUR")), 0)


ON_FAILURE = (
    SPOKEN.replace("pipeline: talk", "pipeline: fail").replace(
        "steps:", "steps: {look: {uses: sleep, with: {seconds: 1}}}\non_failure:"
    )
    + """
finally:
  bye: {uses: api.show_asset, with: {asset_id: "00000000000000000000000000000000"}, if: run.failed}
"""
)


def test_what_failures_do_counts_for_a_budget(read: Read) -> None:
    """`on_failure` of each run, and what `finally` does then; the cost of runs that go well does not hold it."""
    prices = Prices("EUR", {MINUTES: 3.0}, calls={"show_asset": 1.0})
    plan = planned(read, ON_FAILURE, WORDS, WORDS, prices=prices)
    assert [*plan.calls, *plan.resources] == []
    assert plan.cost is not None
    assert plan.cost.amount == Span(0, 0)
    assert dict(plan.worst.calls) == {
        "create2_d_digital_human_video": 2,
        "create_video_scripts": 2,
        "show_asset": 2,
    }
    check_budget(plan, 4)
    with pytest.raises(
        OverBudgetError, match=r"If runs fail, this would cost up to EUR 4\.00, more than the b"
    ):
        check_budget(plan, 3.99)
    with pytest.raises(OverBudgetError, match="no price for"):
        check_budget(planned(read, ON_FAILURE, WORDS, prices=Prices("EUR")), 100)


def test_failures_of_inner_runs_count_too(read: Read, tmp_path: Path) -> None:
    """Those that failed before may fail again; what is open in them can be assumed."""
    (tmp_path / "fail.yaml").write_text(ON_FAILURE)
    text = """
pipeline: outer
steps:
  inner: {uses: pipeline.run, with: {file: fail.yaml, inputs: {speech: one two}}}
"""
    pipeline = read(text)
    assert may_do_more(pipeline)
    assert dict(planned(read, text, "", prices=None).worst.calls)["create_video_scripts"] == 1
    assert checked_assumptions(pipeline, {"inner/video": 2})
    again = planned(read, ON_FAILURE, WORDS, begun=1)
    assert dict(again.worst.calls)["create_video_scripts"] == 1


def test_an_assumption_is_about_a_step(read: Read) -> None:
    """Others are refused with what there is."""
    with pytest.raises(UsageError, match="'vidoe', which is no step") as caught:
        checked_assumptions(read(SPOKEN), {"vidoe": 1})
    assert caught.value.hint == "Its steps: script, video."


def test_every_charge_has_its_resource_type() -> None:
    """One that the catalog knows, counted in the same unit, with a price in the example."""
    priced = read_prices(EXAMPLE).resources
    for charge in CHARGES.values():
        found = resource_type(charge.code)
        counted = f"{charge.per:,} {charge.unit}" if charge.per > 1 else charge.unit.removesuffix("s")
        assert found.unit == counted
        assert charge.code in priced


def test_the_example_of_a_price_file_can_be_read() -> None:
    """Its prices are placeholders in no currency."""
    prices = read_prices(EXAMPLE)
    assert prices.currency == "XXX"
    assert set(prices.resources.values()) == {1.0}


def test_every_mistake_of_a_price_file_has_its_place(tmp_path: Path) -> None:
    """All of them at once."""
    path = tmp_path / "prices.yaml"
    path.write_text(
        "currenzy: EUR\n"
        f"resources: {{{MINUTES}: -1, video: 1}}\n"
        "paid_with: {video: nothing}\n"
        "calls: {create_file: yes, list_asset: 1}\n"
    )
    with pytest.raises(DefinitionError) as caught:
        read_prices(path)
    assert [(problem.line, problem.message) for problem in caught.value.problems] == [
        (1, "a price file has no 'currenzy'"),
        (1, "currency is missing"),
        (2, f"the price of {MINUTES} is a number from 0 on"),
        (2, "there is no resource type 'video'"),
        (3, "this is no resource type"),
        (4, "the price of create_file is a number from 0 on"),
        (4, "there is no operation 'list_asset'"),
    ]
    assert "did you mean 'list_assets'?" in str(caught.value)


def test_a_price_file_that_is_not_there_is_said() -> None:
    """With its name."""
    with pytest.raises(DefinitionError, match=r"none\.yaml: D101 the price file cannot be read"):
        read_prices(Path("none.yaml"))
