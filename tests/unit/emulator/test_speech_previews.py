"""Speech previews: files that come one after the other, and sound."""

import io
import wave
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.emulator.core import Emulator
from orchestrator.emulator.faults import Fault, FaultPlan, FaultRule
from orchestrator.emulator.ledger import Ledger
from orchestrator.emulator.presign import StorageError
from orchestrator.emulator.records import Asset, AssetState
from orchestrator.emulator.wire import Request
from tests.unit.emulator.conftest import AVATAR, EMMA

TEXT = "Hello, everyone. This is the new kettle. It boils within a minute!"


def start(tenant: Any, text: str = TEXT, **changes: Any) -> str:
    return str(tenant.ok("POST", "/ttsc/audition", {"text": text, "emotion": EMMA, **changes})["job_id"])


def show(tenant: Any, job_id: str) -> Any:
    return tenant.ok("GET", f"/ttsc/audition-file/{job_id}")


def planned(make_tenant: Callable[..., Any], do: Fault, code: str | None = None) -> Any:
    return make_tenant(faults=FaultPlan(rules=(FaultRule(on="speech", do=do, code=code, nth=1),)))


def making(tenant: Any, job_id: str) -> list[dict[str, float]]:
    return [file.make.params for file in tenant.emulator.world.files_of(job_id)]


def test_files_come_one_after_the_other(tenant: Any, clock: Any) -> None:
    """One for each sentence, in the order of the text; complete with the last."""
    job_id = start(tenant)
    assert show(tenant, job_id) == {"is_file_complete": False, "files": []}
    counts, urls = [], []
    for _ in range(3):
        clock.pass_s(0.5)
        shown = show(tenant, job_id)
        counts.append((shown["is_file_complete"], len(shown["files"])))
        urls.append([file["download_url"].partition("?")[0] for file in shown["files"]])
    assert counts == [(False, 1), (False, 2), (True, 3)]
    assert urls[2][:2] == urls[1]
    assert urls[2][0].endswith(".wav")


def test_a_long_text_gives_few_files_in_little_time(tenant: Any, clock: Any) -> None:
    """However many sentences it has."""
    job_id = start(tenant, "Well, well. " * 800)
    clock.pass_s(5)
    shown = show(tenant, job_id)
    assert shown["is_file_complete"] is True
    assert 10 <= len(shown["files"]) <= 20


def test_speed_divides_the_time_and_not_the_validity(make_tenant: Callable[..., Any], clock: Any) -> None:
    """At a tenfold speed files are there at once, and their URLs serve for an hour all the same."""
    tenant = make_tenant(speed=10.0)
    job_id = start(tenant)
    clock.pass_s(0.15)
    (url, *_) = [file["download_url"] for file in show(tenant, job_id)["files"]]
    expires = int(url.partition("Expires=")[2].partition("&")[0])
    assert expires == int(clock.now.timestamp()) + 3600


def test_a_url_expires_after_an_hour(tenant: Any, clock: Any) -> None:
    """Object storage refuses it then; the preview hands out a new one."""
    job_id = start(tenant, "Hello.")
    clock.pass_s(1)
    url = show(tenant, job_id)["files"][0]["download_url"]
    get = Request("GET", url.removeprefix("http://storage.invalid"))
    clock.pass_s(3599)
    tenant.emulator.links.verify(get, clock.now)
    clock.pass_s(2)
    with pytest.raises(StorageError, match="expired"):
        tenant.emulator.links.verify(get, clock.now)
    assert show(tenant, job_id)["files"][0]["download_url"] != url


def test_settings_are_heard(tenant: Any) -> None:
    """Twice the speed takes half the time; pitch and volume change the sound."""
    plain, changed = (
        making(tenant, start(tenant, "This is the new kettle in town.", **settings))[0]
        for settings in ({}, {"speed": 200, "pitch": 50, "volume": 240})
    )
    assert changed["duration_s"] == pytest.approx(plain["duration_s"] / 2)
    assert changed["pitch_hz"] == pytest.approx(plain["pitch_hz"] / 2)
    assert changed["loudness"] == pytest.approx(plain["loudness"] * 240 / 140)


def test_pauses_are_heard(tenant: Any) -> None:
    """A break adds its seconds, tags are not spoken."""
    plain = making(tenant, start(tenant, "Hello there"))[0]["duration_s"]
    paused = making(tenant, start(tenant, '<speak>Hello <break time="3s"/>there</speak>'))[0]["duration_s"]
    assert paused == pytest.approx(plain + 3)


def test_a_longer_text_takes_longer(tenant: Any) -> None:
    """About 150 words, or 250 ideographs, a minute."""
    words = sum(piece["duration_s"] for piece in making(tenant, start(tenant, "word " * 150)))
    ideographs = sum(piece["duration_s"] for piece in making(tenant, start(tenant, "好" * 250)))
    assert [words, ideographs] == pytest.approx([60, 60])


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"text": ""}, "MSS.000000003"),
        ({"text": "  \n"}, "MSS.000000003"),
        ({"text": "x" * 10001}, "MSS.000000003"),
        ({"text": "<speak>Hello"}, "MSS.000000003"),
        ({"text": "<speak><prosody rate='10'>Hello</prosody></speak>"}, "MSS.000000003"),
        ({"emotion": "nope"}, "MSS.20050005"),
        ({"emotion": AVATAR}, "MSS.20050005"),
    ],
)
def test_what_cannot_be_spoken_is_refused(tenant: Any, body: dict[str, Any], code: str) -> None:
    """Nothing to say, too much, broken SSML; no such voice, or what is no voice."""
    whole = {"text": "Hello", "emotion": EMMA, **body}
    assert tenant.refused("POST", "/ttsc/audition", whole) == (400, code)
    assert not list(tenant.emulator.world.files)


def test_an_unknown_preview_is_refused(tenant: Any) -> None:
    """With a code of its own."""
    assert tenant.refused("GET", "/ttsc/audition-file/nope") == (400, "MSS.20050013")


def test_a_voice_out_of_use_is_refused(tenant: Any, clock: Any) -> None:
    """One that was switched off."""
    voice = Asset(
        id="v",
        name="Gentle",
        type="VOICE_MODEL",
        state=AssetState.UNACTIVED,
        created_at=clock.now,
        updated_at=clock.now,
    )
    tenant.emulator.world.assets.put(voice)
    body = {"text": "Hello", "emotion": "v"}
    assert tenant.refused("POST", "/ttsc/audition", body) == (400, "MSS.20050005")
    tenant.emulator.world.assets.put(replace(voice, state=AssetState.ACTIVED))
    tenant.ok("POST", "/ttsc/audition", body)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (None, "MSS.20050012 Generate the preview audio failed."),
        ("MSS.45000016", "MSS.45000016 External error of the TTS service."),
        ("MSS.99999999", "MSS.99999999"),
    ],
)
def test_a_preview_fails_as_planned(
    make_tenant: Callable[..., Any], clock: Any, code: str | None, message: str
) -> None:
    """At its last file: what is done stays, the message says why, and it is never complete."""
    tenant = planned(make_tenant, Fault.FAIL, code)
    job_id = start(tenant)
    clock.pass_s(1)
    assert "message" not in show(tenant, job_id)
    clock.pass_s(100)
    shown = show(tenant, job_id)
    assert (shown["is_file_complete"], len(shown["files"]), shown["message"]) == (False, 2, message)


def test_a_stuck_preview_is_never_complete(make_tenant: Callable[..., Any], clock: Any) -> None:
    """And says nothing about it."""
    tenant = planned(make_tenant, Fault.STUCK)
    job_id = start(tenant, "Hello.")
    clock.pass_s(86400)
    assert show(tenant, job_id) == {"is_file_complete": False, "files": []}


def test_a_restart_loses_nothing(tenant: Any, clock: Any) -> None:
    """A preview that was loaded again goes on."""
    ledger = Ledger(None)
    tenant.emulator = Emulator(tenant.emulator.config, ledger=ledger, clock=clock)
    job_id = start(tenant)
    tenant.emulator = Emulator(tenant.emulator.config, ledger=ledger, clock=clock)
    clock.pass_s(10)
    assert show(tenant, job_id)["is_file_complete"] is True


async def test_previews_sound(connect: Any) -> None:
    """Real audio of about the length that the text takes."""
    tenant = await connect(render=True)
    body = {"text": "This is the new kettle in town.", "emotion": EMMA}
    job_id = (await tenant.ok("POST", "/ttsc/audition", body))["job_id"]
    for _ in range(200):
        await tenant.control("POST", "advance", {"seconds": 1})
        shown = await tenant.ok("GET", f"/ttsc/audition-file/{job_id}")
        if shown["is_file_complete"]:
            break
    async with tenant.session.get(shown["files"][0]["download_url"]) as answer:
        assert answer.status == 200
        data = await answer.read()
    with wave.open(io.BytesIO(data)) as sound:
        assert sound.getnframes() / sound.getframerate() == pytest.approx(7 / 2.5, abs=0.01)
