"""Control: statistics, journal, state, faults, time."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.emulator.assets import Assets
from orchestrator.emulator.control import control
from orchestrator.emulator.records import Asset
from orchestrator.emulator.wire import Answer, Request


def ask(tenant: Any, method: str, name: str, body: Any = None, **headers: str) -> Answer:
    raw = b"" if body is None else json.dumps(body).encode()
    return control(tenant.emulator, Request(method, f"/_emulator/{name}", headers, raw))


def test_the_statistics_count_what_customers_made(tenant: Any, clock: Any) -> None:
    """Outputs of jobs and deleted things are left out, duplicates are named."""
    tenant.asset(asset_name="Twice")
    tenant.asset(asset_name="Twice")
    gone = tenant.asset(asset_name="Gone")
    tenant.ok("DELETE", f"/digital-assets/{gone}")
    script_id = tenant.script()
    for _ in range(3):
        tenant.video(script_id)
    cancelled = tenant.video(script_id)
    tenant.ok("POST", f"/2d-digital-human-videos/{cancelled}/cancel")
    clock.pass_s(10)
    stats = ask(tenant, "GET", "stats").json()
    assert stats["totals"] == {"assets": 2, "files": 0, "scripts": 1, "videos": 3}
    assert stats["duplicates"] == {
        "videos_per_script": {script_id: 3},
        "scripts": {},
        "assets": {"Twice": 2},
        "files": {},
    }
    assert stats["duplicates_total"] == 3
    assert stats["operations"]["create_digital_asset"] == {
        "calls": 3,
        "throttled": 0,
        "refused": 0,
        "faults": 0,
    }
    assert stats["jobs"]["SUCCEED"] == 3


def test_the_journal_holds_every_request_and_no_secret(tenant: Any) -> None:
    """Newest last, by operation, status or code."""
    tenant.ok("GET", "/digital-assets", limit=5)
    tenant.refused("GET", "/digital-assets/nope")
    journal = ask(tenant, "GET", "journal").json()
    assert [row["operation"] for row in journal["requests"]] == ["list_assets", "show_asset"]
    assert journal["requests"][0]["target"].endswith("/digital-assets?limit=5")
    found = ask(tenant, "GET", "journal?status=404&operation=show_asset").json()["requests"]
    assert [row["error_code"] for row in found] == ["MSS.10001001"]
    assert ask(tenant, "GET", "journal?limit=0").json()["requests"] == []
    assert ask(tenant, "GET", "journal?limit=-1").status == 400
    assert tenant.emulator.config.token not in json.dumps(journal)


def test_the_journal_goes_on_where_one_left_off(tenant: Any) -> None:
    """`since` gives what came after a request; after a reset all there is, and says so."""
    first = tenant.send("GET", "/digital-assets").headers["X-Request-Id"]
    tenant.refused("GET", "/digital-assets/nope")
    later = ask(tenant, "GET", f"journal?since={first}").json()
    assert ([row["operation"] for row in later["requests"]], later["complete"]) == (["show_asset"], True)
    nothing = {"count": 0, "complete": True, "requests": []}
    last = [later["requests"][-1][name] for name in ("number", "request_id")]
    for since in last:
        assert ask(tenant, "GET", f"journal?since={since}").json() == nothing
    ask(tenant, "POST", "reset")
    tenant.ok("GET", "/digital-assets")
    for since in last:
        anew = ask(tenant, "GET", f"journal?since={since}").json()
        assert (len(anew["requests"]), anew["complete"]) == (1, False)


def test_requests_are_numbered_whatever_their_ids(tenant: Any) -> None:
    """Callers name some ids themselves: one that comes twice tells no place, a number always does."""
    tenant.headers["X-Request-Id"] = "mine"
    for _ in range(3):
        tenant.send("POST", "/ttsc/audition", {})
    requests = ask(tenant, "GET", "journal").json()["requests"]
    assert [(row["number"], row["request_id"]) for row in requests] == [(n, "mine") for n in (1, 2, 3)]
    later = ask(tenant, "GET", "journal?since=2").json()
    assert ([row["number"] for row in later["requests"]], later["complete"]) == ([3], True)
    unclear = ask(tenant, "GET", "journal?since=mine").json()
    assert (unclear["count"], unclear["complete"]) == (3, False)
    assert ask(tenant, "GET", "journal?since=4").json()["complete"] is False


def test_requests_that_fell_out_of_the_journal_are_missed(make_tenant: Any) -> None:
    """Who comes late is given what is left and told that it isn't all."""
    tenant = make_tenant(journal_size=2)
    for _ in range(4):
        tenant.ok("GET", "/digital-assets")
    for since, numbers, complete in ((1, [3, 4], False), (2, [3, 4], True), (3, [4], True)):
        answer = ask(tenant, "GET", f"journal?since={since}").json()
        assert ([row["number"] for row in answer["requests"]], answer["complete"]) == (numbers, complete)


def test_the_journal_is_filtered_by_fault_and_method(tenant: Any) -> None:
    """Filters are all to fit."""
    rule = {"on": "list_assets", "do": "reset_after", "nth": 2}
    ask(tenant, "POST", "faults", {"rules": [rule]})
    for _ in range(3):
        tenant.send("GET", "/digital-assets")
    (hit,) = ask(tenant, "GET", "journal?fault=reset_after&method=GET").json()["requests"]
    assert (hit["status"], hit["delivery"]) == (200, "cut")
    assert ask(tenant, "GET", "journal?fault=reset_after&method=PUT").json()["count"] == 0


def test_the_state_is_shown_by_kind_the_newest_last(tenant: Any) -> None:
    """One kind of record, as many as are asked for; the statistics count them all."""
    ids = [tenant.asset(asset_name=f"A{number}") for number in range(3)]
    shown = ask(tenant, "GET", "state?kind=assets&limit=2").json()
    assert [asset["id"] for asset in shown["assets"]] == ids[1:]
    assert set(shown) == {"now", "left_off", "assets"}
    assert shown["left_off"] == {"assets": 1}
    assert ask(tenant, "GET", "state?limit=0").json()["assets"] == []
    assert ask(tenant, "GET", "state?kind=nothing").status == 400
    assert ask(tenant, "GET", "stats").json()["records"]["assets"] == 3


def test_the_state_is_bounded_unless_more_is_asked_for(tenant: Any) -> None:
    """A thousand of a kind, and how many are left off."""
    world, id_ = tenant.emulator.world, tenant.asset()
    one = world.assets.get(id_)
    for number in range(1000):
        world.assets.put(replace(one, id=f"{number:032}"))
    shown = ask(tenant, "GET", "state").json()
    assert (len(shown["assets"]), shown["left_off"]) == (1000, {"assets": 1})
    whole = ask(tenant, "GET", "state?limit=2000").json()
    assert (len(whole["assets"]), whole["left_off"]) == (1001, {})


def test_the_statistics_walk_through_a_table_only_after_a_change(tenant: Any) -> None:
    """A page that asks again and again costs little, and is told of every change."""
    read = []

    class Watched(Assets):
        def __iter__(self) -> Iterator[Asset]:
            read.append(len(self))
            return super().__iter__()

    tenant.emulator.world.assets = Watched()
    asset_id = tenant.asset(asset_name="Twice")
    first = ask(tenant, "GET", "stats").json()["totals"]
    seen = len(read)
    assert seen > 0
    assert ask(tenant, "GET", "stats").json()["totals"] == first
    assert len(read) == seen
    tenant.asset(asset_name="Twice")
    assert ask(tenant, "GET", "stats").json()["duplicates"]["assets"] == {"Twice": 2}
    tenant.ok("DELETE", f"/digital-assets/{asset_id}")
    assert ask(tenant, "GET", "stats").json()["duplicates"]["assets"] == {}


def test_the_state_shows_the_world_without_keys(tenant: Any) -> None:
    """Everything but callback targets."""
    callback = {"callback_url": "http://127.0.0.1:9/x", "auth_type": "MSS_A", "key": "very-secret"}
    tenant.video(tenant.script(), callback_config=callback)
    text = ask(tenant, "GET", "state").body.decode()
    assert json.loads(text)["jobs"][0]["callback"] == {"auth_type": "MSS_A", "service": "video"}
    assert "very-secret" not in text
    assert "127.0.0.1:9" not in text


def test_faults_are_set_shown_and_forgotten(tenant: Any) -> None:
    """A plan set by hand is played at once; a reset ends it."""
    plan = {"seed": 3, "rules": [{"on": "list_assets", "do": "error", "status": 503, "count": 1}]}
    assert ask(tenant, "POST", "faults", plan).status == 200
    assert tenant.send("GET", "/digital-assets").status == 503
    assert tenant.send("GET", "/digital-assets").status == 200
    assert ask(tenant, "GET", "faults").json()["rules"][0]["hit"] == 1
    assert ask(tenant, "POST", "reset").status == 200
    assert ask(tenant, "GET", "faults").json()["rules"] == []


def test_faults_are_added_to_those_that_are_played(tenant: Any) -> None:
    """The counters of the earlier ones go on; DELETE ends all of them."""
    ask(tenant, "POST", "faults", {"seed": 4, "rules": [{"on": "list_assets", "do": "error", "nth": 2}]})
    assert tenant.send("GET", "/digital-assets").status == 200
    added = ask(tenant, "PATCH", "faults", {"rules": [{"on": "show_asset", "do": "html"}]}).json()
    assert (added["seed"], len(added["rules"])) == (4, 2)
    assert tenant.send("GET", "/digital-assets").status == 500
    assert tenant.send("GET", "/digital-assets/x").status == 502
    assert ask(tenant, "DELETE", "faults").json()["rules"] == []
    assert tenant.send("GET", "/digital-assets").status == 200


def test_what_can_go_wrong_where_is_told(tenant: Any) -> None:
    """For every operation and every other place."""
    places = ask(tenant, "GET", "faults/possible").json()["places"]
    assert set(places) >= {"*", "create_file", "storage.put", "callback", "video", "review"}
    assert "lost" in places["callback"]


def test_the_page_comes_with_all_it_needs(tenant: Any) -> None:
    """HTML, style and script from here alone, and a policy that holds the browser to it."""
    for path, kind in (("", "text/html"), ("page.css", "text/css"), ("page.js", "text/javascript")):
        answer = ask(tenant, "GET", path)
        assert (answer.status, answer.headers["Content-Type"].split(";")[0]) == (200, kind)
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert not re.search(rb"https?://", answer.body)
    html = ask(tenant, "GET", "").body.decode()
    needed = {"/_emulator/page.css", "/_emulator/page.js", "/_emulator/stats", "data:,"}
    assert set(re.findall(r'(?:src|href)="([^"]+)"', html)) == needed
    assert ask(tenant, "GET", "stats").json()["world"]["region"] == "cn-north-4"


@pytest.mark.parametrize(
    ("origin", "status"), [("http://127.0.0.1:9", 200), ("http://evil.test", 403), ("null", 403)]
)
def test_a_page_of_another_origin_controls_nothing(tenant: Any, origin: str, status: int) -> None:
    """A browser sends the origin with every POST; other programs send none."""
    assert ask(tenant, "POST", "reset", Host="127.0.0.1:9", Origin=origin).status == status
    assert ask(tenant, "POST", "reset").status == 200


def test_a_reset_forgets_and_gives_no_id_twice(tenant: Any) -> None:
    """The world is empty, and new ids are new."""
    before = tenant.asset()
    ask(tenant, "POST", "reset")
    assert tenant.ok("GET", "/digital-assets")["count"] == 0
    assert tenant.asset() != before


def test_time_is_advanced_for_the_world_but_not_for_signatures(tenant: Any) -> None:
    """A day ahead a job is done, while the senders' clocks are still right."""
    job_id = tenant.video(tenant.script())
    assert ask(tenant, "POST", "advance", {"seconds": 86400}).json()["now"].startswith("2026-11-23")
    assert tenant.job(job_id)["state"] == "SUCCEED"
    assert tenant.emulator.real_now.day == 22


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("advance", {}),
        ("advance", {"seconds": -1}),
        ("advance", {"seconds": True}),
        ("advance", {"seconds": 1e300}),
        ("faults", {"rules": [{"on": "x"}]}),
        ("faults", []),
    ],
)
def test_a_wrong_order_is_refused(tenant: Any, name: str, body: Any) -> None:
    """400, and nothing changes."""
    assert ask(tenant, "POST", name, body).status == 400


def test_an_unknown_control_is_not_found(tenant: Any) -> None:
    """404."""
    assert ask(tenant, "GET", "nothing").status == 404
