"""A service that acts later than the quiet time: what it makes then is found and removed."""

import asyncio

from orchestrator.domain.decide import Policy
from orchestrator.emulator.faults import Fault
from orchestrator.engine.engine import Engine, EngineSettings
from orchestrator.steps.base import kinds
from tests.contract.creating import SURE
from tests.contract.virtual_cloud import Cloud, in_the_cloud, last


def test_a_video_that_the_service_makes_too_late_is_cancelled() -> None:
    """The request was repeated after the quiet time; the journal tells of the double, and the run's own job stays."""
    one = next(one for one in SURE if one.uses == "video.produce")

    async def play(cloud: Cloud) -> None:
        await cloud.engine.stop()
        hasty = EngineSettings(policy=Policy(quiet_time_s=1.0, lookup_every_s=1.0))
        cloud.engine = Engine(cloud.store, kinds(), cloud.around, settings=hasty, clock=cloud.clock)
        await cloud.engine.start()
        cloud.goes_wrong(one.operation, Fault.LATE, seconds=60.0)
        state = await cloud.run("p", *one.steps({}))
        await asyncio.sleep(120)
        jobs = {job.id: job.state.value for job in cloud.emulator.world.jobs}
        assert len(jobs) == 2
        assert jobs.pop(last(state).outputs["job_id"]) == "WAITING"
        assert list(jobs.values()) == ["CANCELED"]
        types = [event.body.TYPE for event in await cloud.store.journal(state.id)]
        assert types.count("step.double_cancelled") == 1
        assert types[-1] == "step.double_cancelled"

    in_the_cloud(play)
