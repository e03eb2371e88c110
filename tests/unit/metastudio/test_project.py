import asyncio
import json
from typing import Any

import pytest

from orchestrator.errors import UsageError
from orchestrator.metastudio.auth.project import ProjectSource
from orchestrator.metastudio.errors import AnswerLost, ConnectFailed, Unauthorized
from orchestrator.metastudio.wire import Request, Response


class Iam:
    """Lists projects as IAM does, filtered by name."""

    def __init__(self, *names: str, **more: Any) -> None:
        self.projects = [
            {"name": name, "id": f"id-{n}", "enabled": True, **more} for n, name in enumerate(names)
        ]
        self.requests: list[Request] = []
        self.gate, self.arrived = asyncio.Event(), asyncio.Event()
        self.gate.set()
        self.answer: Response | Exception | None = None

    async def exchange(self, request: Request) -> Response:
        self.requests.append(request)
        self.arrived.set()
        await self.gate.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is not None:
            return self.answer
        wanted = request.url.partition("?name=")[2]
        listed = [one for one in self.projects if not wanted or one["name"].startswith(wanted)]
        return Response(200, {}, json.dumps({"projects": listed, "links": {}}).encode())

    def source(self, region: str = "cn-north-4") -> ProjectSource:
        return ProjectSource(region, "https://iam.example/", self.exchange)


async def test_the_project_of_the_region_is_asked_once_for_many_and_kept() -> None:
    """A hundred calls at the start ask IAM once, in the documented form."""
    iam = Iam("cn-north-4_team", "cn-north-4")
    source = iam.source()
    assert set(await asyncio.gather(*(source.get() for _ in range(100)))) == {"id-1"}
    assert await source.get() == "id-1"
    (request,) = iam.requests
    assert (request.method, request.url) == ("GET", "https://iam.example/v3/projects?name=cn-north-4")
    assert request.reads


async def test_a_cancelled_waiter_leaves_the_others_their_answer() -> None:
    """Also when it was the first."""
    iam = Iam("cn-north-4")
    iam.gate.clear()
    source = iam.source()
    first, second = asyncio.create_task(source.get()), asyncio.create_task(source.get())
    await iam.arrived.wait()
    first.cancel()
    iam.gate.set()
    assert await second == "id-0"
    assert len(iam.requests) == 1


async def test_without_a_project_what_there_is_is_named() -> None:
    """A typo in the region, or a region without a project."""
    with pytest.raises(
        UsageError, match=r"no project for the region cn-nord-4.*cn-east-3, cn-north-4"
    ) as caught:
        await Iam("cn-north-4", "cn-east-3").source("cn-nord-4").get()
    assert "project_id" in caught.value.hint
    with pytest.raises(UsageError, match="none at all"):
        await Iam().source().get()
    with pytest.raises(UsageError, match=r"r29.* and 10 more|and 10 more"):
        await Iam(*(f"r{n}" for n in range(30))).source().get()


async def test_a_disabled_project_is_none() -> None:
    """It would refuse every call."""
    with pytest.raises(UsageError, match="no project"):
        await Iam("cn-north-4", enabled=False).source().get()


async def test_several_projects_are_a_choice_that_is_not_ours() -> None:
    """Both ids are named."""
    with pytest.raises(UsageError, match="several projects: id-0, id-1"):
        await Iam("cn-north-4", "cn-north-4").source().get()


async def test_a_refusal_is_raised_and_not_kept() -> None:
    """Wrong credentials say so; the next call asks again."""
    iam = Iam("cn-north-4")
    iam.answer = Response(
        401, {"X-IAM-Trace-Id": "t1"}, b'{"error": {"code": 401, "message": "AK/SK is wrong."}}'
    )
    source = iam.source()
    with pytest.raises(Unauthorized, match=r"AK/SK is wrong.*t1"):
        await source.get()
    iam.answer = ConnectFailed("unreachable")
    with pytest.raises(ConnectFailed):
        await source.get()
    iam.answer = None
    assert await source.get() == "id-0"


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"projects": {}}', b"<html>"])
async def test_what_is_no_list_of_projects_is_an_answer_lost(body: bytes) -> None:
    """A proxy's page is no project."""
    iam = Iam()
    iam.answer = Response(200, {}, body)
    with pytest.raises(AnswerLost):
        await iam.source().get()


async def test_what_is_no_project_in_the_list_is_passed_over() -> None:
    """Fields of the wrong type don't break the rest."""
    iam = Iam()
    projects = [1, {}, {"name": "cn-north-4"}, {"name": "cn-north-4", "id": "x"}, {"name": 4, "id": "y"}]
    iam.answer = Response(200, {}, json.dumps({"projects": projects}).encode())
    assert await iam.source().get() == "x"
