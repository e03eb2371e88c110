"""The engine, the client and the emulator in virtual time, under faults and kills, from a seed."""

import asyncio

import pytest

from orchestrator.domain.decide import Policy
from orchestrator.domain.events import StepAdopted
from orchestrator.domain.run import RunStatus
from tests.simulation.loop import VirtualLoop, run_virtual
from tests.simulation.network import Weather
from tests.simulation.world import FOUL_WEATHER_POLICY, World, play

ROWS = 2


def course(
    seed: int, weather: Weather, kill_every_s: float | None = None, policy: Policy = FOUL_WEATHER_POLICY
) -> tuple[World, list[RunStatus]]:
    """Plays one schedule; the world afterwards and how each run ended."""

    async def main() -> tuple[World, list[RunStatus]]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        world = await play(loop, seed, rows=ROWS, weather=weather, kill_every_s=kill_every_s, policy=policy)
        return world, [run.status for run in await world.runs()]

    return run_virtual(main())


def assert_nothing_recorded_is_done_twice(world: World) -> None:
    """Once a step's outcome is in the journal, no later process makes another attempt of it."""
    for journal in world.disk._journals.values():
        done: set[str] = set()
        for event in journal:
            assert event.body.TYPE != "run.resumed"
            if event.step is not None:
                assert event.step not in done, f"{event.body.TYPE} of {event.step} after its end"
            adopted = isinstance(event.body, StepAdopted) and event.body.outputs is not None
            if event.step is not None and (adopted or event.body.TYPE == "step.succeeded"):
                done.add(event.step)


def check(seed: int, weather: Weather, kill_every_s: float | None = None) -> None:
    """Every run succeeded, and every thing exists exactly once."""
    try:
        world, statuses = course(seed, weather, kill_every_s)
        totals = world.totals()
        assert statuses == [RunStatus.SUCCEEDED] * (ROWS + 1)
        assert totals["duplicates_total"] == 0, totals["duplicates"]
        assert_nothing_recorded_is_done_twice(world)
        assert totals["totals"] == {"assets": ROWS, "files": ROWS, "scripts": ROWS, "videos": ROWS}
    except BaseException as error:
        error.add_note(f"seed {seed}, killed every {kill_every_s} s, {weather}")
        raise


def test_a_calm_day_makes_one_video_a_row() -> None:
    """Without faults every row becomes one video, in about the time that its steps take."""
    world, statuses = course(1, Weather())
    assert statuses == [RunStatus.SUCCEEDED] * (ROWS + 1)
    assert world.totals()["totals"]["videos"] == ROWS
    assert len(world.downloads) == ROWS


@pytest.mark.parametrize("first", range(0, 200, 25))
def test_faults_and_kills_lose_nothing_and_double_nothing(first: int) -> None:
    """200 seeded schedules of every fault and of kills: each run ends, each thing exists once."""
    for seed in range(first, first + 25):
        check(seed, Weather.foul(0.05), kill_every_s=4.0)


def test_the_simulation_notices_doubles() -> None:
    """With too short a quiet time, servers that act late do make things twice: the check can fail."""
    hasty = Policy(max_unknowns=10, quiet_time_s=0.0, answer_within_s=0.0)
    worlds = [course(seed, Weather.foul(0.05), 4.0, hasty)[0] for seed in range(20)]
    assert sum(world.totals()["duplicates_total"] for world in worlds) > 0


def test_a_timeout_in_the_middle_of_anything_hangs_nothing() -> None:
    """Steps that are cut off at any await, also while their outcome is being written, end one way or the other."""

    async def main(seed: int) -> World:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        async with asyncio.timeout(86_400):
            return await play(loop, seed, rows=1, weather=Weather.foul(0.02), timeout_s=1.0)

    for seed in range(40):
        assert run_virtual(main(seed)).totals()["duplicates_total"] == 0, seed


def test_without_callbacks_the_poller_finds_every_video() -> None:
    """Callbacks that never come delay the end, nothing else."""
    check(3, Weather(callback_lost=1.0))


def test_doubled_callbacks_have_one_effect() -> None:
    """A callback that comes twice is journaled once."""
    world, _ = course(4, Weather(callback_doubled=1.0))
    journals = world.disk._journals.values()
    received = [sum(event.body.TYPE == "callback.received" for event in journal) for journal in journals]
    assert sorted(received) == [0, 1, 1]


def test_a_seed_replays_exactly() -> None:
    """The same seed makes the same requests in the same order at the same times."""
    one, two = (course(7, Weather.foul(0.05), 3.0)[0] for _ in range(2))
    assert list(one.emulator.journal) == list(two.emulator.journal)
    assert one.kills == two.kills > 0
