"""What is taken for ours, what for another's, and what for neither."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from orchestrator.domain.ids import RunId, StepId, adoption_key
from orchestrator.errors import RetryClass
from orchestrator.metastudio.models.digital_asset import CreateDigitalAssetRequestBody
from orchestrator.metastudio.models.live_product import CreateProductRequestBody
from orchestrator.metastudio.models.live_room import InteractionRuleGroup
from orchestrator.metastudio.models.video_script import CreateVideoScriptsReq, ShowVideoScriptResponse
from orchestrator.metastudio.models.voice_modeling import CreateTrainingJobReq
from orchestrator.steps import traces
from orchestrator.steps.base import StepError
from orchestrator.steps.traces import Search, Trace, Traces, run_mark

KEY = adoption_key(RunId("r"), StepId("s"))
MARK = run_mark(RunId("r"))
SENT_AT = datetime(2026, 1, 1, 12, tzinfo=UTC)


def search(sent_at: datetime | None = SENT_AT) -> Search:
    return Search(cast("Any", None), KEY, MARK, SENT_AT - timedelta(hours=1), sent_at)


@pytest.mark.parametrize(
    ("created", "maybe"),
    [
        ("2026-01-01T12:00:00Z", True),
        ("2026-01-01T11:50:00", True),
        ("2026-01-01T11:40:00Z", False),
        ("2026-01-01T19:50:00+08:00", True),
        ("yesterday", True),
        (None, True),
    ],
)
def test_what_is_clearly_older_than_the_request_is_not_its_work(created: str | None, maybe: bool) -> None:
    """Clocks may differ by minutes; what has no readable time may be from any."""
    assert search().may_be_ours(created) is maybe
    assert not search(None).may_be_ours(created)


@pytest.mark.parametrize(
    ("keys", "ours", "doubtful"),
    [
        ([KEY], 1, False),
        (["mso-0123456789abcdef"], 0, False),
        (["Mine"], 0, True),
        ([None], 0, True),
        ([], 0, True),
    ],
)
def test_only_the_key_makes_it_ours(keys: list[str | None], ours: int, doubtful: bool) -> None:
    """Another run's key makes it the other's; without any, nobody can say."""
    found = Traces()
    traces._sort(found, search(), Trace("x", "2026-01-01T12:00:00Z"), keys)
    assert (len(found.ours), found.doubtful) == (ours, doubtful)


def test_the_oldest_is_taken() -> None:
    """Should there be two, each attempt chooses the same."""
    assert Traces([Trace("b", "2026-01-02"), Trace("a", "2026-01-01")]).oldest == Trace("a", "2026-01-01")
    assert Traces().oldest is None


def test_keys_stand_behind_what_the_user_wrote() -> None:
    """Tags and private data of the user's own stay as they are."""
    asset = CreateDigitalAssetRequestBody(asset_name="Cup", asset_type="IMAGE", tags=["lamps"])
    assert cast("Any", traces.with_tag(asset, KEY, MARK)).tags == ["lamps", KEY]
    product = CreateProductRequestBody(name="Cup", tags=["lamps"])
    tags = cast("Any", traces.with_product_tag(product, KEY, MARK)).tags
    assert tags == ["lamps", KEY[:16]]
    assert len(tags[-1].encode()) <= 16
    scene = {"shoot_script": {"text_config": {"text": "Hello."}}}
    given = {"script_name": "Cup", "shoot_scripts": [scene], "priv_data": "sku=1"}
    script = traces.with_private_data(CreateVideoScriptsReq.model_validate(given), KEY, MARK)
    assert cast("Any", script).priv_data == f"sku=1\n{MARK} {KEY}"


def test_a_key_goes_only_where_the_user_left_room() -> None:
    """A batch, or the number of a rule, that the user gave is the user's."""
    mine = CreateTrainingJobReq(voice_name="Ann", batch_name="Mine")
    assert traces.with_batch(mine, KEY, MARK) == mine
    assert cast("Any", traces.with_batch(CreateTrainingJobReq(voice_name="Ann"), KEY, MARK)).batch_name == KEY
    rules = [{"rule_name": "a"}, {"rule_name": "b"}]
    free = InteractionRuleGroup.model_validate({"group_name": "g", "interaction_rules": rules})
    kept = traces.with_rule_index(free, KEY, MARK)
    assert [rule.rule_index for rule in cast("Any", kept).interaction_rules] == [KEY, None]
    rules[0]["rule_index"] = "1"
    numbered = InteractionRuleGroup.model_validate({"group_name": "g", "interaction_rules": rules})
    assert traces.with_rule_index(numbered, KEY, MARK) == numbered


@pytest.mark.parametrize(("count", "fits"), [(49, True), (50, False)])
def test_a_full_list_of_tags_has_no_room(count: int, fits: bool) -> None:
    """The service takes 50."""
    body = CreateProductRequestBody(name="Cup", tags=[f"t{number}" for number in range(count)])
    assert (traces.with_product_tag(body, KEY, MARK) is not None) is fits


@pytest.mark.parametrize("shown", [ShowVideoScriptResponse(), ShowVideoScriptResponse(script_id="y")])
def test_an_answer_about_something_else_proves_nothing(shown: ShowVideoScriptResponse) -> None:
    """A garbled answer must not look as if nothing were there: it is asked for again."""
    with pytest.raises(StepError, match="not about the script that was asked for") as raised:
        traces.about_it(shown, script_id="x")
    assert raised.value.retry is RetryClass.LATER
    traces.about_it(ShowVideoScriptResponse(script_id="x"), script_id="x")


def test_a_run_marks_all_of_its_steps_alike() -> None:
    """A step of the run knows what another of its steps made; another run's is unlike."""
    assert run_mark(RunId("r")) == MARK
    assert run_mark(RunId("q")) != MARK
    assert len(MARK) == 20
