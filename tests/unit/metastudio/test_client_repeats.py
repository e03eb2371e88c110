"""When the client sends a call again, and when its time is over."""

import asyncio
from math import inf, nan

import pytest

from orchestrator.errors import RetryClass, UsageError
from orchestrator.limits.local import LocalLimiter
from orchestrator.metastudio.calling import CallOptions, DeadlineEndedError, delay_s
from orchestrator.metastudio.client import THROTTLE_TRIES
from orchestrator.metastudio.errors import (
    AnswerLost,
    ApiError,
    Busy,
    CallError,
    ConnectFailed,
    Executed,
    ServerError,
    Throttled,
)
from orchestrator.metastudio.operations import (
    create_digital_asset,
)
from orchestrator.metastudio.wire import Request, Response
from tests.simulation.loop import VirtualLoop, run_virtual
from tests.unit.metastudio.scripted import (
    BODY,
    OK,
    THROTTLE,
    Iam,
    OpenLimiter,
    Script,
    client,
    patient,
)

BROKEN = Response(503, {"X-Request-Id": "r2"}, b"upstream is gone")
FULL = Response(429, {"Retry-After": "45"}, b'{"error_code": "MSS.20010011", "error_msg": "Too many tasks"}')


async def test_a_throttled_call_is_sent_again_and_announced_each_time() -> None:
    """`before_send` runs before each sending, and the limiter learns of every throttle."""
    transport, limiter = Script(THROTTLE, THROTTLE, OK), OpenLimiter()
    announced = []

    async def before_send() -> None:
        announced.append(len(transport.sent))

    await client(transport, limiter).call(create_digital_asset, body=BODY, before_send=before_send)
    assert announced == [0, 1, 2]
    assert limiter.throttles == [3.0, 3.0]
    assert len(limiter.passed) == limiter.answered == 3


@pytest.mark.parametrize("status", [200, 503])
async def test_a_throttle_under_another_status_is_one(status: int) -> None:
    """It was not executed either, so it is sent again."""
    transport, limiter = Script(Response(status, {"Retry-After": "3"}, THROTTLE.body), OK), OpenLimiter()
    await client(transport, limiter).call(create_digital_asset, body=BODY)
    assert (len(transport.sent), limiter.throttles) == (2, [3.0])


async def test_a_throttle_that_may_have_been_executed_is_not_sent_again() -> None:
    """One rule for all: only what surely had no effect."""
    transport = Script(Throttled(status=200, operation="create_digital_asset", executed=Executed.UNKNOWN))
    with pytest.raises(Throttled):
        await client(transport).call(create_digital_asset, body=BODY)
    assert len(transport.sent) == 1


async def test_endless_throttling_fails_in_the_end() -> None:
    """After the last try the throttle is raised, surely not executed."""
    transport, limiter = Script(THROTTLE), OpenLimiter()
    with pytest.raises(Throttled):
        await client(transport, limiter).call(create_digital_asset, body=BODY)
    assert len(transport.sent) == len(limiter.throttles) == THROTTLE_TRIES


@pytest.mark.parametrize(
    "failure",
    [
        AnswerLost("gone"),
        Response(500, {}, b'{"error_code": "MSS.00000004", "error_msg": "Internal Error"}'),
        Response(400, {}, b'{"error_code": "MSS.00000003", "error_msg": "Invalid parameter"}'),
        Response(429, {}, b'{"error_code": "MSS.20010011", "error_msg": "Too many tasks"}'),
    ],
)
async def test_everything_else_is_raised_at_once(failure: Response | Exception) -> None:
    """Whether to try again is for the step to decide, which knows how to look first."""
    transport = Script(failure, OK)
    with pytest.raises((AnswerLost, ApiError)):
        await client(transport).call(create_digital_asset, body=BODY)
    assert len(transport.sent) == 1


def test_a_read_is_sent_again_after_what_passes_by_itself() -> None:
    """A lost answer and a broken server; two repeats, each later than the one before."""
    transport = Script(AnswerLost("gone", executed=Executed.NO), BROKEN, OK)

    async def read() -> float:
        await patient(transport).show_asset("a")
        return asyncio.get_running_loop().time()

    assert 0.75 <= run_virtual(read()) <= 1.5
    assert len(transport.sent) == 3


def test_repeats_end() -> None:
    """After the last one the error is raised, with the request id."""
    transport = Script(BROKEN)
    with pytest.raises(ServerError, match="request id r2"):
        run_virtual(patient(transport).show_asset("a"))
    assert len(transport.sent) == 3


@pytest.mark.parametrize("failure", [AnswerLost("gone", executed=Executed.UNKNOWN), BROKEN])
def test_a_create_is_never_blindly_sent_again(failure: Response | Exception) -> None:
    """It may have been executed: only its caller can look."""
    transport = Script(failure, OK)
    with pytest.raises(AnswerLost) as caught:
        run_virtual(patient(transport).create_digital_asset(BODY))
    assert caught.value.executed is Executed.UNKNOWN
    assert len(transport.sent) == 1


def test_a_create_that_surely_had_no_effect_is_sent_again() -> None:
    """It never left, or was refused for what passes; the wait that the server asks for is kept."""
    transport = Script(ConnectFailed("no route"), FULL, OK)

    async def create() -> float:
        await patient(transport).create_digital_asset(BODY)
        return asyncio.get_running_loop().time()

    assert 45.2 <= run_virtual(create()) <= 46
    assert len(transport.sent) == 3


@pytest.mark.parametrize(
    ("error", "repeats", "chance", "expected"),
    [
        (ConnectFailed("no"), 0, 0.0, 0.5),
        (ConnectFailed("no"), 2, 1.0, 1.0),
        (ConnectFailed("no"), 50, 0.0, 20.0),
        (ConnectFailed("no", retry_after_s=7.0), 0, 0.0, 7.0),
        (ConnectFailed("no", retry_after_s=90_000.0), 0, 0.0, 60.0),
        (AnswerLost("gone", executed=Executed.UNKNOWN), 0, 0.0, None),
        (ConnectFailed("no", retry=RetryClass.NEVER), 0, 0.0, None),
        (ConnectFailed("no", retry=RetryClass.QUOTA), 0, 0.0, None),
    ],
)
def test_when_a_call_is_sent_again(
    error: CallError, repeats: int, chance: float, expected: float | None
) -> None:
    """Doubling up to a bound, not before the server's own time up to a bound, and never what may have had an effect."""
    assert delay_s(error, repeats, chance) == expected


class Silent(Script):
    """Never answers."""

    async def send(self, request: Request, *, timeout_s: float) -> Response:
        self.sent.append(request)
        await asyncio.get_running_loop().create_future()
        raise AssertionError


def test_a_deadline_bounds_an_answer_that_does_not_come() -> None:
    """A write may have been executed then, a read was not."""
    for calling, executed in (
        (patient(Silent(OK)).create_digital_asset(BODY, deadline_s=5.0), Executed.UNKNOWN),
        (patient(Silent(OK)).show_asset("a", deadline_s=5.0), Executed.NO),
    ):
        with pytest.raises(AnswerLost, match="deadline") as caught:
            run_virtual(calling)
        assert caught.value.executed is executed


def test_a_deadline_bounds_the_wait_for_the_quota() -> None:
    """What waits in the queue surely had no effect."""

    async def crowd() -> None:
        limiter = LocalLimiter({"show_asset": 0.01})
        api = patient(Script(OK), limiter=limiter)
        await api.show_asset("a")
        with pytest.raises(DeadlineEndedError) as caught:
            await api.show_asset("a", deadline_s=20.0)
        assert caught.value.executed is Executed.NO
        assert asyncio.get_running_loop().time() == pytest.approx(20.0, abs=0.1)

    run_virtual(crowd())


def test_a_throttled_call_keeps_its_place() -> None:
    """Who came later, with the same order, is sent later."""
    transport = Script(THROTTLE, OK)

    async def queue() -> list[str]:
        api = patient(transport, limiter=LocalLimiter({"show_asset": 2.0}))
        async with asyncio.TaskGroup() as group:
            for name in "abcd":
                group.create_task(api.show_asset(name))
                await asyncio.sleep(0)
        return [request.url[-1] for request in transport.sent]

    sent = run_virtual(queue())
    assert sent.count("a") == 2
    assert sent.index("a", 1) < sent.index("c") < sent.index("d")


def test_a_deadline_ends_the_repeats() -> None:
    """A wait that would outlast it isn't begun: what failed is raised at once."""
    transport = Script(FULL)

    async def create() -> float:
        with pytest.raises(Busy, match="Too many tasks"):
            await patient(transport).create_digital_asset(BODY, deadline_s=10.0)
        return asyncio.get_running_loop().time()

    assert run_virtual(create()) < 1
    assert len(transport.sent) == 1


def test_what_failed_is_raised_when_no_time_is_left_for_the_queue() -> None:
    """A throttled call whose next turn comes too late says that it was throttled."""

    async def crowd() -> None:
        limiter = LocalLimiter({"show_asset": 0.01})
        with pytest.raises(Throttled) as caught:
            await patient(Script(THROTTLE), limiter=limiter).show_asset("a", deadline_s=20.0)
        assert isinstance(caught.value.__cause__, DeadlineEndedError)

    run_virtual(crowd())


@pytest.mark.parametrize("deadline_s", [0.0, -1.0])
def test_after_the_deadline_nothing_is_sent(deadline_s: float) -> None:
    """Nor is IAM asked, nor does anybody announce it."""
    transport, announced = Iam(OK), []

    async def before_send() -> None:
        announced.append(True)

    for project_id in ("p", None):
        api = patient(transport, project_id=project_id)
        with pytest.raises(DeadlineEndedError) as caught:
            run_virtual(api.create_digital_asset(BODY, deadline_s=deadline_s, before_send=before_send))
        assert caught.value.executed is Executed.NO
    assert (transport.sent, transport.asked, announced) == ([], [], [])


def test_a_deadline_that_ends_without_a_wait_is_noticed() -> None:
    """As when writing the announcement held up the loop: the permit is free again, and nothing is sent."""
    transport, limiter = Script(OK), OpenLimiter()

    async def slow() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop._passed.passed_s += 60.0

    with pytest.raises(DeadlineEndedError):
        run_virtual(
            patient(transport, limiter=limiter).create_digital_asset(BODY, deadline_s=5.0, before_send=slow)
        )
    assert (transport.sent, limiter.unused) == ([], 1)


@pytest.mark.parametrize(
    "options",
    [{"timeout_s": 0}, {"timeout_s": -1}, {"timeout_s": inf}, {"timeout_s": nan}, {"deadline_s": nan}],
)
async def test_times_that_are_none_are_refused(options: CallOptions) -> None:
    """No time is not for ever."""
    transport, limiter = Script(OK), OpenLimiter()
    with pytest.raises(UsageError, match="seconds"):
        await patient(transport, limiter=limiter).show_asset("a", **options)
    assert (transport.sent, limiter.passed) == ([], [])


def test_a_look_up_that_fails_is_repeated_as_any_read() -> None:
    """After a while, within the call's repeats; then its error is raised."""
    transport = Iam(OK)
    transport.faults = [AnswerLost("gone", operation="iam_list_projects"), ConnectFailed("no route")]
    api = patient(transport, project_id=None)
    assert run_virtual(api.create_digital_asset(BODY)).asset_id == "a"
    assert (len(transport.asked), len(transport.sent)) == (3, 1)

    transport.faults = [ConnectFailed("no route") for _ in range(3)]
    with pytest.raises(ConnectFailed):
        run_virtual(patient(transport, project_id=None).show_asset("a"))
    assert (len(transport.asked), len(transport.sent)) == (6, 1)
