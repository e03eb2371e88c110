"""What the platform offers by name, and the states of its things."""

import csv
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from orchestrator.errors import RetryClass, UsageError
from orchestrator.metastudio import catalog, states
from orchestrator.metastudio.catalog import UnknownEntryError

SPEC = Path(catalog.__file__).parent / "spec"


def rows(name: str) -> list[dict[str, str]]:
    with (SPEC / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def document(name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = YAML(typ="safe").load(SPEC / name)
    return found


def test_every_row_of_the_timbre_table_is_there() -> None:
    """Named or not; and an id of the table leads back to its voice."""
    assert [one.row for one in catalog.timbres()] == [int(row["row"]) for row in rows("timbres.csv")]
    assert catalog.timbre_of("aca15f9fe7912b2d5d8eb827f2d1327b") is catalog.timbre("Emma")
    assert catalog.timbre_of("0" * 32) is None


def test_ids_of_timbres_are_hexadecimal() -> None:
    """Damaged ids are corrected, or kept away from callers."""
    for one in catalog.timbres():
        for key in one.ids.values():
            assert len(bytes.fromhex(key)) == 16
    assert catalog.timbre("yunge").id_in("ap-southeast-3") == "cbcfbfa73488876ce507144c87307440"
    assert catalog.timbre("Yunge").corrected == {"ap-southeast-3"}
    assert catalog.timbre("David").damaged == {"ap-southeast-3"}


def test_timbres_of_a_region() -> None:
    """Those with a usable id there."""
    there = {one.name for one in catalog.timbres("ap-southeast-3")}
    assert "Emma" in there
    assert "David" not in there
    assert catalog.timbres("eu-west-0") == ()


@pytest.mark.parametrize(
    ("ask", "message", "hint"),
    [
        (lambda: catalog.timbre("Emmma"), "no timbre 'Emmma'", "Did you mean 'Emma'?"),
        (lambda: catalog.timbre("?"), "no timbre", "Give the timbre's id."),
        (lambda: catalog.timbre("David").id_in("ap-southeast-3"), "damaged", "Give the timbre's id."),
        (lambda: catalog.timbre("Emma").id_in("eu-west-0"), "not published for eu-west-0", "cn-east-3"),
        (lambda: catalog.font("Maitre"), "no font 'Maitre'", "Did you mean 'Maitree'?"),
        (lambda: catalog.fonts("Finish"), "No font", "Did you mean 'Finnish'?"),
        (lambda: catalog.fonts("Klingon"), "No font", "Fonts write Arabic"),
        (lambda: catalog.tag("FEMAL"), "no system tag", "Did you mean 'FEMALE'?"),
        (lambda: catalog.tags("genders"), "no group", "Did you mean 'gender'?"),
        (lambda: catalog.resource_type("video_time_2d"), "no resource type", "Did you mean 'video_time_"),
        (lambda: states.machine("video_jobs"), "no states of 'video_jobs'", "Did you mean 'video_job'?"),
    ],
)
def test_an_unknown_name_gets_a_hint(ask: Callable[[], object], message: str, hint: str) -> None:
    """What is probably meant, or what there is."""
    with pytest.raises(UsageError, match=message) as caught:
        ask()
    assert hint in caught.value.hint


def test_fonts_by_language() -> None:
    """Whatever the language's case; a font without known languages is listed, but for none of them."""
    thai = catalog.fonts("thai")
    assert [one.name for one in thai] == ["Maitree", "Maitree_Light", "Maitree_Medium"]
    assert len(catalog.fonts()) == len(rows("fonts.csv"))
    assert catalog.font("fzyouh").languages == ()
    assert "Korean" in catalog.languages()


def test_tags_in_every_spelling() -> None:
    """The tables of the reference disagree, so each of their spellings is understood."""
    facts = document("tags.yaml")
    assert catalog.tag("full_body") == catalog.tag("FULL-BODY")
    assert catalog.tag("1080p").group == "resolution"
    assert list(catalog.tag_groups()) == list(facts["groups"])
    assert [one.name for one in catalog.tags("gender")] == ["MALE", "FEMALE"]
    for pair in facts["variants"].items():
        assert len({catalog.tag(spelling) for spelling in pair}) == 1
    assert catalog.tag("E-COMMERCE") == catalog.Tag("E_COMMERCE", "field", ("E-COMMERCE",))
    assert "WALKING" in catalog.tag_spellings()[list(facts["elsewhere"])[1]]["posture"]


def test_tag_limits() -> None:
    """How many and how long, for assets and for products."""
    assert catalog.tag_limits() == catalog.TagLimits(50, 128, 50, 16)


def test_resource_types() -> None:
    """All of them, by code and by origin."""
    assert len(catalog.resource_types()) == len(rows("resource-types.csv"))
    assert catalog.resource_type("voice_clone_basic").unit == "voice"
    assert {one.table for one in catalog.resource_types("PoC test")} == {"11-18"}


def test_status_codes() -> None:
    """With what repeating may achieve; nothing is to be repeated after a success."""
    codes = catalog.status_codes()
    assert len(codes) == len(rows("status-codes.csv"))
    assert codes[200].retry is None
    assert codes[503].retry is RetryClass.LATER
    assert codes[400].retry is RetryClass.NEVER


def test_tables_are_read_once() -> None:
    """Asking again gives the same objects."""
    assert catalog.timbre("Emma") is catalog.timbre("emma")
    assert catalog.font("Maitree") is catalog.fonts("Thai")[0]
    assert catalog.tag("MALE") is catalog.tag("male")
    assert states.machines() is states.machines()


def test_unknown_entries_are_wrong_usage() -> None:
    """A command that meets one ends with exit code 2."""
    assert UnknownEntryError("x").exit_code == 2


def test_every_fact_of_the_state_table_is_read() -> None:
    """No key of the table is passed over."""
    known_machine = {"field", "source", "kind", "initial", "states", "transitions", "note"}
    known_state = {
        *("meaning", "terminal", "inferred", "waits_for", "by", "user_settable", "cancellable"),
        *("deletable", "updatable", "na_users_only"),
    }
    known_move = {"from", "to", "by", "else_error", "inferred", "note"}
    facts = document("states.yaml")["machines"]
    assert list(states.machines()) == list(facts)
    for name, machine in facts.items():
        assert machine.keys() <= known_machine
        assert list(states.machine(name).states) == list(machine["states"])
        for state in machine["states"].values():
            assert state.keys() <= known_state
        for move in machine.get("transitions", ()):
            assert move.keys() <= known_move


def test_moves_lead_to_known_states() -> None:
    """From and to, and every beginning."""
    for machine in states.machines().values():
        named = {machine.initial} - {None}
        for move in machine.moves:
            named |= (move.sources or frozenset()) | (move.targets or frozenset())
        assert named <= machine.states.keys()


def test_terminal_states_of_a_video_job() -> None:
    """What to stop watching at; a state that nobody knows is no end."""
    job = states.machine("video_job")
    assert job.terminal == {"SUCCEED", "FAILED", "CANCELED"}
    assert job.is_terminal("SUCCEED")
    assert not job.is_terminal("BLOCK")
    assert not job.is_terminal("TOMORROW")
    assert job.states["WAITING"].cancellable
    assert states.machine_of("DigitalHumanVideo.state") is job
    assert states.machine_of("Nothing.state") is None


def test_moves_that_the_reference_tells_of() -> None:
    """From named states, and from any; never from a state to itself."""
    job, asset = states.machine("video_job"), states.machine("asset")
    assert job.tells_of("WAITING", "CANCELED")
    assert not job.tells_of("PROCESSING", "CANCELED")
    assert job.moves_from("WAITING")[0].error_codes == ("MSS.20010048",)
    assert asset.tells_of("ACTIVED", "UNACTIVED")
    assert not asset.tells_of("ACTIVED", "ACTIVED")
    assert asset.tells_of("FAILED", "DELETED")
    assert not any("DELETED" in (move.targets or ()) for move in asset.moves_from("DELETED"))
    assert asset.moves_from("DELETING")[0].by.startswith("delete_asset mode=force")
    assert asset.moves_from("ACTIVED")[0].error_codes == ("MSS.10001013", "MSS.10001014")


def test_inferred_facts_are_marked() -> None:
    """A reader sees what the reference itself doesn't say."""
    assert states.machine("live_job").states["BLOCKED"].terminal_inferred
    assert not states.machine("live_job").states["FAILED"].terminal_inferred
    assert states.machine("voice_training_job").moves[0].inferred
    assert states.machine("tts_preview").kind is states.Kind.BOOLEAN
