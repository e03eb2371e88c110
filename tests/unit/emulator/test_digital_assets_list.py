"""The list of assets: every filter, sort and page, and that it doesn't slow down."""

from datetime import timedelta
from typing import Any

import pytest

from orchestrator.emulator.assets import Assets
from orchestrator.emulator.records import Asset, AssetState
from orchestrator.emulator.wire import Request

META = "asset_extra_meta"


def add(tenant: Any, name: str, **fields: Any) -> str:
    """An asset such as training or the provider makes it."""
    world, now = tenant.emulator.world, tenant.emulator.now
    values = {"type": "IMAGE", "state": AssetState.ACTIVED, "created_at": now, "updated_at": now, **fields}
    return str(world.assets.put(Asset(id=world.new_id(), name=name, **values)).id)


def names(tenant: Any, **query: Any) -> list[str]:
    listed = tenant.ok("GET", "/digital-assets", **query)
    assert listed["count"] == len(listed["assets"])
    return [row["asset_name"] for row in listed["assets"]]


def voice(**meta: Any) -> dict[str, Any]:
    return {"type": "VOICE_MODEL", "extra_meta": {"voice_model_meta": meta}}


def avatar(*tags: str, **meta: Any) -> dict[str, Any]:
    return {"type": "HUMAN_MODEL_2D", "tags": tags, "extra_meta": {"human_model_2d_meta": meta}}


@pytest.fixture
def library(tenant: Any) -> Any:
    add(tenant, "picture", properties={"BACKGROUND_IMG": "Yes"}, services=("VIDEO_2D",))
    add(tenant, "plain voice", **voice())
    add(tenant, "her", **voice(sex="FEMALE", language="EN", is_realtime_voice=False))
    add(tenant, "other maker", **voice(external_voice_meta={"provider": "MOBVOI"}, sex="MALE"))
    add(tenant, "walker", **avatar("WALKING", "MALE", device_names=["T4"]))
    add(tenant, "actor", **avatar(is_with_action_library=True, is_action_editable=True, model_version="V3_2"))
    style = {"human_model_meta": {"style_id": "system_male_001"}}
    add(tenant, "puppet", type="HUMAN_MODEL", extra_meta=style, properties={"RENDER_ENGINE": "UE"})
    return tenant


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"asset_type": "IMAGE,HUMAN_MODEL"}, ["picture", "puppet"]),
        ({"system_property": "BACKGROUND_IMG:Yes"}, ["picture"]),
        ({"system_property": "BACKGROUND_IMG:Yes,RENDER_ENGINE:UE"}, []),
        ({"supported_service": "VIDEO_2D"}, ["picture"]),
        ({"render_engine": "UE"}, ["puppet"]),
        ({"style_id": "system_male_001"}, ["puppet"]),
        ({"sex": "UNKNOW"}, ["plain voice"]),
        ({"sex": "MALE,FEMALE"}, ["her", "other maker", "walker"]),
        ({"language": "EN,fr"}, ["her"]),
        ({"language": "UNKNOW"}, ["plain voice", "other maker"]),
        ({"is_realtime_voice": "true"}, ["plain voice", "other maker"]),
        ({"is_realtime_voice": "false"}, ["her"]),
        ({"voice_provider": "HUAWEI_METASTUDIO"}, ["plain voice", "her"]),
        ({"voice_provider": "MOBVOI"}, ["other maker"]),
        ({"action_editable": "true"}, ["actor"]),
        ({"is_with_action_library": "false"}, ["walker", "puppet"]),
        ({"is_movable": "true"}, ["walker"]),
        ({"human_model_2d_version": "V3.2"}, ["actor"]),
        ({"human_model_2d_version": "V2", "asset_type": "HUMAN_MODEL_2D"}, ["walker"]),
        ({"include_device_name": "T4"}, ["walker"]),
        ({"exclude_device_name": "T4", "asset_type": "HUMAN_MODEL_2D"}, ["actor"]),
        ({"colour": "red", "name": "PICT"}, ["picture"]),
    ],
)
def test_each_filter_finds_its_assets(library: Any, query: dict[str, Any], found: list[str]) -> None:
    """One filter alone; unknown parameters change nothing."""
    assert names(library, **query) == found


@pytest.mark.parametrize(
    "query",
    [{"sex": "X"}, {"role": "OWNER"}, {"is_movable": "maybe"}, {"asset_type": "PHOTO"}, {"style_id": "x"}],
)
def test_a_value_that_no_table_lists_is_refused(tenant: Any, query: dict[str, Any]) -> None:
    """400 MSS.00000003."""
    assert tenant.refused("GET", "/digital-assets", **query) == (400, "MSS.00000003")


def test_a_list_parameter_is_repeated_or_separated(tenant: Any) -> None:
    """Both ways of sending `asset_id` find the same."""
    first, second = tenant.asset(asset_name="A"), tenant.asset(asset_name="B")
    tenant.asset(asset_name="C")
    project, token = tenant.emulator.config.project_id, tenant.emulator.config.token
    assert names(tenant, asset_id=f"{second},{first}") == ["A", "B"]
    target = f"/v1/{project}/digital-assets?asset_id={first}&asset_id={second}"
    answer = tenant.emulator.handle(Request("GET", target, {"X-Auth-Token": token}))
    assert [row["asset_name"] for row in answer.json()["assets"]] == ["A", "B"]


def test_states_are_listed_unless_gone_for_good(tenant: Any) -> None:
    """The recycle bin is listed, what is deleted for good only when asked for."""
    tenant.asset(asset_name="new")
    tenant.ok("DELETE", f"/digital-assets/{tenant.asset(asset_name='binned')}")
    tenant.ok("DELETE", f"/digital-assets/{tenant.asset(asset_name='gone')}", mode="force")
    assert names(tenant) == ["new", "binned"]
    assert names(tenant, asset_state="DELETING") == ["binned"]
    assert names(tenant, asset_state="DELETED,CREATING") == ["new", "gone"]


def test_the_order_is_the_one_asked_for(tenant: Any, clock: Any) -> None:
    """By creation, by update, or by number with the newest first among equals."""
    ids = {}
    for name, order in (("A", 2), ("B", 1), ("C", 1)):
        ids[name] = tenant.asset(asset_name=name, asset_order=order)
        clock.pass_s(1)
    tenant.ok("PUT", f"/digital-assets/{ids['A']}", {"asset_description": "touched"})
    assert names(tenant) == ["A", "B", "C"]
    assert names(tenant, sort_dir="desc") == ["C", "B", "A"]
    assert names(tenant, sort_key="update_time") == ["B", "C", "A"]
    assert names(tenant, sort_key="update_time", sort_dir="desc") == ["A", "C", "B"]
    assert names(tenant, sort_key="asset_order") == ["C", "B", "A"]
    assert names(tenant, sort_key="asset_order", sort_dir="desc") == ["A", "C", "B"]


def test_pages_of_a_filtered_list_fit_together(tenant: Any) -> None:
    """Also when something is made between two pages, the next one is of the list as it is then."""
    for number in range(5):
        tenant.asset(asset_name=f"A{number}", tags=["x"])
    page = {"tag": "x", "limit": 2}
    seen = [
        [row["asset_name"] for row in tenant.ok("GET", "/digital-assets", **page, offset=offset)["assets"]]
        for offset in (0, 2, 4)
    ]
    assert seen == [["A0", "A1"], ["A2", "A3"], ["A4"]]
    tenant.asset(asset_name="A5", tags=["x"])
    assert tenant.ok("GET", "/digital-assets", **page)["count"] == 6


def test_newest_first_pages_end_where_the_list_ends(tenant: Any) -> None:
    """The last page is the shorter one in both directions."""
    for number in range(5):
        tenant.asset(asset_name=f"A{number}")
    rows = tenant.ok("GET", "/digital-assets", sort_dir="desc", limit=2, offset=4)["assets"]
    assert [row["asset_name"] for row in rows] == ["A0"]
    assert tenant.ok("GET", "/digital-assets", sort_dir="desc", limit=2, offset=6)["assets"] == []


def test_system_and_own_assets_are_one_list(tenant: Any) -> None:
    """ALL lists the platform's first, they are older."""
    tenant.asset(asset_name="mine")
    own = tenant.ok("GET", "/digital-assets")["count"]
    system = tenant.ok("GET", "/digital-assets", asset_source="SYSTEM")["count"]
    every = tenant.ok("GET", "/digital-assets", asset_source="ALL", offset=system)
    assert (every["count"], [row["asset_name"] for row in every["assets"]]) == (own + system, ["mine"])


def test_voices_tell_what_ssml_they_take(tenant: Any) -> None:
    """English ones take other phonemes than Chinese ones."""
    shown = tenant.ok("GET", "/digital-assets", asset_source="SYSTEM", language="EN", name="Emma")["assets"][
        0
    ]
    voice_meta = shown[META]["voice_model_meta"]
    assert (voice_meta["sex"], voice_meta["voice_capability"]["is_support_phoneme_en"]) == ("FEMALE", True)
    assert voice_meta["voice_capability"]["is_support_phoneme"] is False


def test_some_avatars_have_actions_and_some_walk(tenant: Any) -> None:
    """The platform's avatars differ in what they can do."""
    source = {"asset_source": "SYSTEM"}
    assert names(tenant, **source, is_with_action_library="true") == ["Presenter"]
    assert names(tenant, **source, is_movable="true") == ["Walking guide"]


def test_summaries_are_of_what_exists(tenant: Any) -> None:
    """Both spellings of the path serve; unknown and deleted ids are left out."""
    kept, gone = tenant.asset(asset_name="A"), tenant.asset()
    tenant.ok("DELETE", f"/digital-assets/{gone}", mode="force")
    body = {"asset_ids": [gone, "nope", kept, kept]}
    for path in ("summarys", "summaries"):
        assert tenant.ok("POST", f"/digital-assets/{path}", body)["asset_list"] == [
            {"asset_id": kept, "asset_name": "A", "asset_state": "CREATING", "asset_type": "IMAGE"}
        ]


def test_a_loaded_table_has_the_same_order(tenant: Any) -> None:
    """Assets of the same moment keep their places over a restart."""
    made, now = Assets(), tenant.emulator.now
    for number in range(20):
        times = {"created_at": now - timedelta(seconds=number % 3), "updated_at": now}
        made.put(
            Asset(
                id=f"{number * 7 % 20:02}", name=str(number), type="IMAGE", state=AssetState.CREATING, **times
            )
        )
    made.drop("00")
    loaded = Assets()
    for _, _, body in sorted(made.changes(), key=lambda change: change[1]):
        if body is not None:
            loaded.load(body)
    order = [asset.id for asset in made.stretch(0, 100)]
    assert [asset.id for asset in loaded.stretch(0, 100)] == order
    assert [asset.id for asset in loaded.stretch(0, 100, newest_first=True)] == order[::-1]
    loaded.clear()
    assert (loaded.placed, loaded.stretch(0, 9)) == (0, [])
