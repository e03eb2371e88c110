"""The engine, the client and the emulator in virtual time, under faults, kills and people, from a seed."""

import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.domain.decide import Policy
from orchestrator.domain.run import RunStatus
from tests.simulation.network import Weather
from tests.simulation.schedule import Report, Schedule, play
from tests.simulation.sweep import command, drawn, every_step, play_all
from tests.simulation.world import World

ROOT = Path(__file__).parents[2]


def well(report: Report) -> None:
    """Every run ended as it should: nothing lost, nothing twice, nothing stuck, nothing left behind."""
    assert not report.findings, "\n".join([f"again: {command(report.schedule)}", *report.findings])


def statuses(world: World) -> list[RunStatus]:
    return [summary.status for summary in world.disk._summaries.values()]


def test_a_calm_day_makes_one_video_a_row() -> None:
    """Without faults and kills every row becomes one video."""
    report, world = play(Schedule(1))
    well(report)
    assert statuses(world) == [RunStatus.SUCCEEDED] * 3
    assert world.totals()["totals"] == {"assets": 2, "files": 2, "scripts": 2, "videos": 2}
    assert len(world.downloads) == 2


@pytest.mark.parametrize("first", range(1, 151, 50))
def test_faults_kills_and_wishes_lose_nothing_and_double_nothing(first: int) -> None:
    """150 drawn schedules: each run ends as faults and people want it, each thing exists once."""
    reports = list(play_all(drawn(first, 50), workers=0))
    for report in reports:
        well(report)
    assert sum(report.kills for report in reports) > 40
    assert sum(report.wishes for report in reports) > 10


def test_a_kill_between_any_two_awaits_is_survived() -> None:
    """One schedule, killed once, before every fourth step that its event loop takes."""
    schedules = list(every_step(Schedule(1, rows=1), at_most=75))
    reports = list(play_all(schedules, workers=0))
    for report in reports:
        well(report)
    assert sum(report.kills for report in reports) > 70


def test_the_simulation_notices_doubles() -> None:
    """With too short a quiet time, servers that act late do make things twice: the checks can fail."""
    hasty = Policy(max_unknowns=10, quiet_time_s=0.0, answer_within_s=0.0)
    foul = Weather.foul(0.05)
    schedules = [
        Schedule(seed, weather=foul, every_steps=200.0, policy=hasty, sweeps=False) for seed in range(20)
    ]
    assert _made_twice(schedules) > 5


def test_sweeps_remove_the_doubles_of_a_service_that_acts_too_late() -> None:
    """The same courses, looked over afterwards: all but videos that had begun by then are gone."""
    hasty = Policy(max_unknowns=10, quiet_time_s=0.0, answer_within_s=0.0)
    foul = replace(Weather.foul(0.05), garbled=0.0)
    schedules = [
        Schedule(seed, weather=foul, every_steps=200.0, policy=hasty, job_waits_s=120.0) for seed in range(20)
    ]
    assert _made_twice(schedules) <= 1


def _made_twice(schedules: list[Schedule]) -> int:
    found = [finding for report in play_all(schedules, workers=0) for finding in report.findings]
    return sum(finding.startswith("made twice") for finding in found)


def test_a_timeout_in_the_middle_of_anything_hangs_nothing() -> None:
    """Steps that are cut off at any await, also while their outcome is being written, end one way or the other."""
    schedules = (Schedule(seed, 1, Weather.foul(0.02), timeout_s=1.0) for seed in range(25))
    for report in play_all(schedules, workers=0):
        well(report)


def test_without_callbacks_the_poller_finds_every_video() -> None:
    """Callbacks that never come delay the end, nothing else."""
    report, world = play(Schedule(3, weather=Weather(callback_lost=1.0)))
    well(report)
    assert statuses(world) == [RunStatus.SUCCEEDED] * 3


def test_doubled_callbacks_have_one_effect() -> None:
    """A callback that comes twice is journaled once."""
    report, world = play(Schedule(4, weather=Weather(callback_doubled=1.0)))
    well(report)
    journals = world.disk._journals.values()
    received = [sum(event.body.TYPE == "callback.received" for event in journal) for journal in journals]
    assert sorted(received) == [0, 1, 1]


def test_a_refusal_for_lack_of_quota_waits_for_a_person() -> None:
    """The run is paused, somebody resumes it, and it goes on to its one video."""
    report, world = play(Schedule(1, 1, Weather(quota=0.8), wishes=1.0))
    well(report)
    assert report.wishes > 0
    assert statuses(world) == [RunStatus.SUCCEEDED] * 2


def test_a_seed_replays_exactly() -> None:
    """The same seed brings the same requests and the same journals at the same times, byte for byte."""
    one, two = (play(Schedule.drawn(9), traced=True)[0] for _ in range(2))
    assert one.lines == two.lines
    assert one.kills == two.kills > 0


def test_a_seed_replays_exactly_in_another_process() -> None:
    """Neither the hash of texts nor the place of objects in memory has a say."""
    asked = [sys.executable, "-m", "tests.simulation", "--seed", "10", "--trace"]
    players = [
        subprocess.Popen(
            asked, stdout=subprocess.PIPE, cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": hash_seed}
        )
        for hash_seed in ("1", "2")
    ]
    told = [player.communicate(timeout=60)[0] for player in players]
    assert told[0] == told[1]
    kinds = Counter(line.split()[1] for line in told[0].decode().splitlines() if line.startswith("2026-"))
    assert kinds["process"] > 10
    assert kinds["api"] > 10
