"""One fault at a time, over real HTTP: what the user sees, and that nothing is made twice."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from orchestrator.app import application, kind_infos
from orchestrator.definition.loader import load
from orchestrator.definition.prepare import prepare
from orchestrator.domain.pipeline import Pipeline
from orchestrator.domain.run import RunState, RunStatus
from orchestrator.emulator.config import EmulatorConfig
from orchestrator.emulator.faults import Fault, FaultPlan, FaultRule
from orchestrator.emulator.server import EmulatorServer
from orchestrator.engine.loading import load_state
from orchestrator.engine.submission import submission
from orchestrator.settings import Settings
from orchestrator.store.base import RunFilter

SAMPLE = Path("pipelines/product-video.yaml")


@dataclass(frozen=True)
class Day:
    """What came of it."""

    run: RunState
    #: Types of the run's events, in order.
    events: list[str]
    stats: Mapping[str, Any]
    out: Path

    @property
    def error(self) -> str:
        assert self.run.error is not None
        return f"{self.run.error.message} {self.run.error.hint}"

    @property
    def made(self) -> Mapping[str, int]:
        return {**self.stats["totals"], "duplicates": self.stats["duplicates_total"]}


ONE_OF_EACH = {"assets": 1, "files": 1, "scripts": 1, "videos": 1, "duplicates": 0}


def one_row(tmp_path: Path) -> Path:
    """The sample's first product."""
    table = SAMPLE.with_name("products.csv").read_text("utf-8").splitlines()[:2]
    rows = tmp_path / "one.csv"
    picture = SAMPLE.with_name("media") / "desk-lamp.jpg"
    rows.write_text("\n".join(table).replace("media/desk-lamp.jpg", str(picture.resolve())), "utf-8")
    return rows


def hasty(pipeline: Pipeline) -> Pipeline:
    """The same pipeline with short pauses between attempts."""
    steps = tuple(replace(step, retry=replace(step.retry, backoff_s=0.05)) for step in pipeline.steps)
    return replace(pipeline, steps=steps)


async def day(tmp_path: Path, *rules: FaultRule, **flags: Any) -> Day:
    """Runs the sample's first row under the given faults."""
    config = EmulatorConfig(faults=FaultPlan(rules=rules), speed=20, video_max_s=0.5)
    async with EmulatorServer(config) as cloud:
        settings = Settings.load(
            {
                "endpoint": cloud.endpoint,
                "project_id": config.project_id,
                "auth.ak": config.ak,
                "auth.sk": config.sk,
                "state": f"sqlite:///{tmp_path}/state.db",
                "out": str(tmp_path / "out"),
                "public.listen": "127.0.0.1:0",
                "engine.quiet_time_s": 0.3,
                "engine.lookup_every_s": 0.1,
                "engine.poll_first_s": 0.3,
                **flags,
            },
            environ={},
        )
        pipeline = hasty(load(SAMPLE, kinds=kind_infos()))
        roots = [SAMPLE.parent.resolve(), tmp_path]
        prepared = prepare(pipeline, {}, one_row(tmp_path), region=settings.region, roots=roots)
        async with application(settings) as app:
            submitted = await app.engine.submit(submission(pipeline, prepared))
            await app.engine.wait(submitted.run_id)
            (child,) = await app.store.summaries(RunFilter(parent=submitted.run_id))
            state = await load_state(app.store, child.id, {})
            events = [event.body.TYPE for event in await app.store.journal(child.id)]
        assert state is not None
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{cloud.endpoint}/_emulator/stats") as answer,
        ):
            return Day(state, events, await answer.json(), tmp_path / "out")


def rule(on: str, do: Fault, **more: Any) -> FaultRule:
    return FaultRule(on=on, do=do, nth=more.pop("nth", 1), **more)


CREATES = ("create_digital_asset", "create_file", "create_video_scripts", "create2_d_digital_human_video")


async def test_a_good_day(tmp_path: Path) -> None:
    """One row, one of each, a file, and the callback told of the end."""
    found = await day(tmp_path, **{"engine.poll_first_s": 60})
    assert found.run.status is RunStatus.SUCCEEDED
    assert found.made == ONE_OF_EACH
    assert (found.out / "LAMP-01.mp4").stat().st_size > 10_000
    assert found.events.count("callback.received") == 1


@pytest.mark.parametrize("operation", CREATES)
@pytest.mark.parametrize("fault", [Fault.RESET_AFTER, Fault.RESET_BEFORE, Fault.TRUNCATE, Fault.HTML])
async def test_an_answer_that_is_lost_makes_nothing_twice(
    tmp_path: Path, operation: str, fault: Fault
) -> None:
    """Cut before or after the server has acted, or answered with rubbish: looked for, adopted or repeated."""
    found = await day(tmp_path, rule(operation, fault))
    assert found.run.status is RunStatus.SUCCEEDED
    assert found.made == ONE_OF_EACH


@pytest.mark.parametrize("operation", [*CREATES, "confirm_file_upload", "show2_d_digital_human_video"])
async def test_a_throttled_call_is_sent_again(tmp_path: Path, operation: str) -> None:
    """APIGW.0308 costs time, nothing else."""
    found = await day(tmp_path, rule(operation, Fault.THROTTLE))
    assert found.run.status is RunStatus.SUCCEEDED
    assert found.made == ONE_OF_EACH
    assert found.stats["operations"][operation]["calls"] == 2


@pytest.mark.parametrize("operation", ["confirm_file_upload", "show2_d_digital_human_video", "show_asset"])
async def test_a_server_error_on_a_repeatable_call_passes(tmp_path: Path, operation: str) -> None:
    """A 500 is tried again with backoff."""
    found = await day(tmp_path, rule(operation, Fault.ERROR, status=500, code="MSS.00000004"))
    assert found.run.status is RunStatus.SUCCEEDED
    assert found.made == ONE_OF_EACH


async def test_a_refusal_is_shown_with_its_code_and_what_to_do(tmp_path: Path) -> None:
    """A 4xx ends the step at once, with the API's code and a hint."""
    found = await day(tmp_path, rule("create_video_scripts", Fault.ERROR, status=400, code="MSS.10001010"))
    assert found.run.status is RunStatus.FAILED
    assert "MSS.10001010" in found.error
    assert "Step script" in found.error
    assert found.run.error is not None
    assert found.run.error.hint
    assert found.stats["operations"]["create_video_scripts"]["calls"] == 1


async def test_a_wrong_key_is_named_without_being_shown(tmp_path: Path) -> None:
    """401 says which setting to look at; the secret is nowhere."""
    found = await day(tmp_path, **{"auth.sk": "wrong-secret-key-0123456789"})
    assert found.run.status is RunStatus.FAILED
    assert "401" in found.error
    assert "wrong-secret" not in found.error
    journal = (tmp_path / "state.db").read_bytes()
    assert b"wrong-secret" not in journal


async def test_an_expired_upload_url_is_asked_for_anew(tmp_path: Path) -> None:
    """The file behind the useless URL is deleted, a new one is created and sent."""
    found = await day(tmp_path, rule("create_file", Fault.EXPIRED_URL))
    assert found.run.status is RunStatus.SUCCEEDED
    assert found.made == ONE_OF_EACH
    assert found.stats["operations"]["create_file"]["calls"] == 2


@pytest.mark.parametrize(
    "fault",
    [
        rule("storage.put", Fault.ERROR, status=400, code="BadDigest"),
        rule("storage.put", Fault.ERROR, status=503, code="SlowDown"),
        rule("storage.put", Fault.RESET_BEFORE),
        rule("storage.put", Fault.RESET_AFTER),
        rule("storage.get", Fault.ERROR, status=503, code="SlowDown"),
        rule("storage.get", Fault.TRUNCATE),
        rule("storage.get", Fault.RESET_BEFORE),
    ],
    ids=lambda fault: f"{fault.on}-{fault.do}-{fault.code}",
)
async def test_a_failed_transfer_is_made_again(tmp_path: Path, fault: FaultRule) -> None:
    """A rejected MD5, a 5xx or a cut connection costs a try; the file arrives once and whole."""
    found = await day(tmp_path, fault)
    assert found.run.status is RunStatus.SUCCEEDED
    assert found.made == ONE_OF_EACH
    assert [path.name for path in found.out.iterdir()] == ["LAMP-01.mp4"]


async def test_without_a_callback_the_poller_finds_the_end(tmp_path: Path) -> None:
    """A callback that never comes is not missed."""
    found = await day(tmp_path, rule("callback", Fault.LOST))
    assert found.run.status is RunStatus.SUCCEEDED
    assert "callback.received" not in found.events
    assert "poll.found" in found.events
    assert found.stats["callbacks"]["sent"] == 0


async def test_a_doubled_callback_has_one_effect(tmp_path: Path) -> None:
    """The second is answered and changes nothing."""
    found = await day(tmp_path, rule("callback", Fault.DOUBLE), **{"engine.poll_first_s": 60})
    assert found.run.status is RunStatus.SUCCEEDED
    assert found.events.count("callback.received") == 1


async def test_a_forged_callback_is_refused(tmp_path: Path) -> None:
    """A wrong signature with the opposite result changes nothing."""
    found = await day(tmp_path, rule("callback", Fault.FORGE))
    assert found.run.status is RunStatus.SUCCEEDED
    assert [name for names in found.run.hints.values() for name, _ in names if name != "SUCCEED"] == []


async def test_a_failed_job_fails_its_run_with_the_reason(tmp_path: Path) -> None:
    """What the API says of a failed job is what the user reads."""
    found = await day(tmp_path, rule("video", Fault.FAIL, code="MSS.45000005"))
    assert found.run.status is RunStatus.FAILED
    assert "MSS.45000005" in found.error or (found.run.error and found.run.error.code == "MSS.45000005")


async def test_files_go_in_parts_above_the_configured_size(tmp_path: Path) -> None:
    """Parts through the large-file call, one of which fails once."""
    found = await day(
        tmp_path,
        rule("storage.part", Fault.ERROR, status=503, code="SlowDown"),
        **{"transfer.single_put_max_bytes": "10KB", "transfer.part_bytes": "100KiB"},
    )
    assert found.run.status is RunStatus.SUCCEEDED
    assert found.made == ONE_OF_EACH
    assert found.stats["operations"]["create_large_file"]["calls"] == 1


async def test_presigned_urls_and_keys_stay_out_of_the_journal(tmp_path: Path) -> None:
    """The state file holds no signed query, no callback signature and no secret key."""
    await day(tmp_path)
    held = (tmp_path / "state.db").read_bytes()
    for trace in (b"Signature=", b"AccessKeyId", b"time_stamp", EmulatorConfig().sk.encode()):
        assert trace not in held
