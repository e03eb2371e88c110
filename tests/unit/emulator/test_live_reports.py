"""Events of the audience: the URL they go to, and the replies that rules give."""

import json
import time
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from orchestrator.emulator.config import EmulatorConfig
from orchestrator.emulator.core import Emulator
from orchestrator.emulator.ledger import Ledger
from tests.unit.emulator.live import Live

DAY_S = 86400
EVENT = {"total": 1, "events": [{"timestamp": 1, "type": 1, "content": "hello"}]}
#: Nothing is said but replies.
SILENT = {"auto_play_script": False}


def rule(*tags: dict[str, Any], event_type: int = 1, relation: str = "AND", **trigger: Any) -> dict[str, Any]:
    condition = {"relation": relation, "tags": list(tags)}
    return {
        "event_type": event_type,
        "hit_condition": condition,
        "trigger": {"reply_texts": ["One two three four five."], **trigger},
    }


def keyword(value: str, match: str = "REGEX", tag: str = "content", **more: str) -> dict[str, Any]:
    return {"tag": tag, "match": match, "value": value, **more}


def listening(tenant: Any, clock: Any, *rules: dict[str, Any], **body: Any) -> Live:
    """A silent livestream with rules, ready."""
    live = Live(tenant, clock, **{"interaction_rules": list(rules), "play_policy": SILENT, **body})
    live.after(3)
    return live


def post(live: Live, url: str, **query: Any) -> tuple[int, str]:
    """Status, and error code or new URL, of a report to a report URL."""
    given = dict(parse_qsl(urlsplit(url).query)) | query
    answer = live.tenant.send("POST", f"{live.path}/live-event-report", EVENT, **given)
    return answer.status, answer.json().get("error_code") or answer.json()["live_event_report_url"]


def test_the_url_is_a_key(tenant: Any, clock: Any) -> None:
    """It holds for a day; a wrong key is told from an old one."""
    live = listening(tenant, clock)
    url = live.show()["live_event_report_url"]
    assert urlsplit(url).path.endswith(f"{live.path}/live-event-report")
    assert post(live, url) == (200, url)
    assert post(live, url, auth_key="0" * 64) == (401, "MSS.20010039")
    assert post(live, url, auth_key="é") == (401, "MSS.20010039")
    assert post(live, url, expires_time=4102415999000) == (401, "MSS.20010039")
    tenant.emulator.advance(DAY_S - 10)
    assert post(live, url)[0] == 200


@pytest.mark.parametrize(("days", "refusal"), [(2, None), (9, "MSS.20010077")])
def test_an_old_url_is_renewed_for_a_while(
    make_tenant: Any, clock: Any, days: int, refusal: str | None
) -> None:
    """`refresh_url` gives one that holds; after a week it is too late."""
    live = listening(make_tenant(speed=0.05), clock)
    url = live.show()["live_event_report_url"]
    clock.pass_s(days * DAY_S)
    assert post(live, url) == (401, "MSS.20010054")
    status, renewed = post(live, url, refresh_url="true")
    if refusal:
        assert (status, renewed) == (401, refusal)
    else:
        assert post(live, renewed) == (200, renewed)
        assert live.show()["live_event_report_url"] == renewed


def test_the_key_stays_out_of_the_journal(tenant: Any, clock: Any) -> None:
    """And out of the world's records."""
    live = listening(tenant, clock)
    url = live.show()["live_event_report_url"]
    post(live, url)
    key = dict(parse_qsl(urlsplit(url).query))["auth_key"]
    assert key not in json.dumps(list(tenant.emulator.journal))
    assert key not in repr([list(table) for table in tenant.emulator.world.tables])


def test_a_report_to_no_livestream_is_refused(tenant: Any, clock: Any) -> None:
    """MSS.20010046 for none, MSS.20010037 for one that has ended, 400 for a wrong count."""
    live = Live(tenant, clock)
    assert tenant.refused("POST", f"{live.path}x/live-event-report", EVENT)[1] == "MSS.20010046"
    assert tenant.refused("POST", f"{live.path}/live-event-report", {**EVENT, "total": 2})[0] == 400
    clock.pass_s(100)
    assert tenant.refused("POST", f"{live.path}/live-event-report", EVENT) == (500, "MSS.20010037")


COMMENT = {"user": {"name": "Ann", "level": 17}, "content": "What is the price?"}
GIFT = {"user": {"name": "Bob"}, "gift": {"giftName": "Star", "giftNum": 4}}


@pytest.mark.parametrize(
    ("rules", "events", "replies"),
    [
        ([rule(keyword("pri(c|z)e"))], [(1, COMMENT)], 1),
        ([rule(keyword("weather"))], [(1, COMMENT)], 0),
        ([rule(keyword("price"), event_type=2)], [(1, COMMENT)], 0),
        ([{**rule(keyword("price")), "enabled": False}], [(1, COMMENT)], 0),
        ([{**rule(keyword("price")), "enabled_scenes": ["Other"]}], [(1, COMMENT)], 0),
        ([rule(keyword("price"), keyword("20", "MATH_GE", "level"))], [(1, COMMENT)], 0),
        ([rule(keyword("price"), keyword("20", "MATH_GE", "level"), relation="OR")], [(1, COMMENT)], 1),
        ([rule(relation="RESERVED")], [(1, COMMENT)], 1),
        ([rule()], [(1, COMMENT)], 0),
        ([rule(keyword("Star", "EQUAL", "giftName"), event_type=4)], [(4, GIFT)], 1),
        ([rule(keyword("10", "MATH_GT", "giftNum", operation="SUM"), event_type=4)], [(4, GIFT)] * 3, 1),
        ([rule(keyword("2", "MATH_EQ", "giftNum", operation="COUNT"), event_type=4)], [(4, GIFT)] * 3, 1),
        ([rule(keyword("4", "MATH_EQ", "giftNum", operation="AVG"), event_type=4)], [(4, GIFT)] * 3, 3),
        ([rule(keyword("x", tag="name"), event_type=4)], [(4, 7)], 0),
        (
            [rule(keyword("0", "MATH_GT", "giftNum", operation="SUM"), event_type=4)],
            [(4, {"giftNum": "1e999"})],
            0,
        ),
        ([rule(keyword("price"), time_window=-1)], [(1, COMMENT)] * 3, 1),
        ([rule(keyword("price"), reply_mode="SHOW_LAYER")], [(1, COMMENT)], 0),
        ([rule(keyword("price"), reply_mode="INTELLIGENT_REPLY", robot_id="r")], [(1, COMMENT)], 1),
        (
            [rule(keyword("price"), reply_texts=[], reply_audios=[{"audio_url": "https://e.com/a"}])],
            [(1, COMMENT)],
            1,
        ),
    ],
)
def test_rules_reply_to_events(
    tenant: Any, clock: Any, rules: list[Any], events: list[Any], replies: int
) -> None:
    """By type, scene and conditions; sums and counts run over the livestream; once per `time_window`."""
    live = listening(tenant, clock, *rules)
    live.report(*events)
    assert live.after(100) == ["said"] * replies


def test_a_window_passes(tenant: Any, clock: Any) -> None:
    """After `time_window` seconds the rule replies again."""
    live = listening(tenant, clock, rule(keyword("price"), time_window=30))
    said = [(live.report((1, COMMENT)), live.after(20))[1] for _ in range(3)]
    assert said == [["said"], [], ["said"]]


def test_the_first_rule_by_priority_replies(tenant: Any, clock: Any) -> None:
    """One rule an event; its texts take turns."""
    general, price = rule(relation="RESERVED"), rule(keyword("price"), reply_texts=["One.", "Two."])
    general["hit_condition"]["priority"], price["hit_condition"]["priority"] = 900, 100
    live = listening(tenant, clock, general, price)
    live.report(*[(1, COMMENT)] * 3, (1, {"content": "hello"}))
    live.after(100)
    live.tenant.ok("POST", f"{live.path}/stop")
    log = next(file for file in tenant.emulator.world.files_of(live.job_id))
    rows = [json.loads(line) for line in log.make.params["text"].splitlines()]
    assert len({row["rule_index"] for row in rows[:3]}) == 1 != len({row["rule_index"] for row in rows})
    assert all(row["command_id"] for row in rows)


def test_a_rule_listens_to_the_script(tenant: Any, clock: Any) -> None:
    """Event type 10: a paragraph with the word is broken into."""
    words = rule(keyword("Six"), event_type=10)
    live = Live(tenant, clock, interaction_rules=[words])
    assert live.after(6) == ["Kettle 1", "Kettle 2"]
    assert live.after(100) == ["said"]
    assert live.show()["duration"] == 8


def test_a_livestream_goes_on_in_another_process(tmp_path: Any, clock: Any) -> None:
    """Room, script, queue, rules, keys and the line of callbacks are as they were."""
    from tests.unit.emulator.conftest import Tenant  # noqa: PLC0415 - the fixture makes no tenant with a ledger

    config = EmulatorConfig(render=False, limits=False)
    ledger = Ledger(tmp_path / "world.db")
    live = Live(Tenant(Emulator(config, ledger=ledger, clock=clock), clock), clock)
    clock.pass_s(3)
    live.command("INSERT_PLAY_SCRIPT", text_config={"text": "One two three four five."}, play_type="APPEND")
    url = live.show()["live_event_report_url"]
    clock.pass_s(2)
    live.show()
    ledger.close()
    live.tenant = Tenant(Emulator(config, ledger=Ledger(tmp_path / "world.db"), clock=clock), clock)
    assert live.told() == ["Kettle 1", "Kettle 2"]
    assert live.show()["live_event_report_url"] == url
    assert live.after(100) == ["said"]
    assert live.show()["state"] == "SUCCEED"


def test_a_pattern_does_not_stop_the_emulator(tenant: Any, clock: Any) -> None:
    """One that takes for ever in other engines is answered at once."""
    live = listening(tenant, clock, rule(keyword("^(a+)+$")))
    begin = time.process_time()
    live.report((1, {"content": "a" * 40 + "!"}))
    assert time.process_time() - begin < 0.5
    assert live.after(1) == []
    live.report((1, {"content": "aaa"}))
    assert live.after(10) == ["said"]
