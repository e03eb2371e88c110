"""The project of a region, asked from IAM when only the region is known (reference 11.3)."""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

from orchestrator.errors import UsageError
from orchestrator.metastudio.auth.once import Once
from orchestrator.metastudio.errors import CallError
from orchestrator.metastudio.operation import Operation
from orchestrator.metastudio.wire import Request, Response, malformed, read_json

#: IAM isn't part of the rate table; the row gives its errors a name.
LIST_PROJECTS: Operation[None, None] = Operation(
    id="iam_list_projects",
    method="GET",
    path="/v3/projects",
    category="IAM",
    section="11.3",
    summary="List the projects of the account",
    reads=True,
)

#: An account may have hundreds of projects; a message names so many.
_NAMED = 20
_HINT = "Set `project_id`; the console shows it under My Credentials."


class ProjectSource:
    """Finds the id of the project that stands for `region`: IAM gives it the region's name."""

    def __init__(
        self, region: str, iam_endpoint: str, exchange: Callable[[Request], Awaitable[Response]]
    ) -> None:
        """`iam_endpoint` is `https://` and IAM's host; `exchange` authorizes a request, sends it and returns the answer."""
        self._region = region
        self._url = iam_endpoint.rstrip("/") + LIST_PROJECTS.path
        self._exchange = exchange
        self._found: str | None = None
        self._ask = Once(self._look_up)

    @property
    def found(self) -> str | None:
        """The project's id if it is known by now."""
        return self._found

    async def get(self) -> str:
        """The project's id, asked for once and then known for good.

        Raises UsageError when the region has no project or several, CallError as the exchange does: Unauthorized for
        wrong credentials, ConnectFailed, AnswerLost. A failure isn't kept: the next call asks again.
        """
        if self._found is None:
            self._found = await self._ask()
        return self._found

    async def _look_up(self) -> str:
        named = [
            one
            for one in await self._list(f"?name={quote(self._region, safe='~')}")
            if one[0] == self._region
        ]
        match named:
            case [(_, project_id)]:
                return project_id
            case []:
                raise UsageError(
                    f"There is no project for the region {self._region}{await self._others()}.", hint=_HINT
                )
            case _:
                ids = ", ".join(project_id for _, project_id in named)
                raise UsageError(f"The region {self._region} has several projects: {ids}.", hint=_HINT)

    async def _others(self) -> str:
        """What the account has instead, for the message; nothing when IAM doesn't say."""
        try:
            names = sorted({name for name, _ in await self._list("")})
        except CallError:
            return ""
        if not names:
            return ": IAM shows none at all"
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        return f"; IAM knows {', '.join(names[:_NAMED])}{more}"

    async def _list(self, query: str) -> list[tuple[str, str]]:
        """Names and ids of the enabled projects."""
        request = Request(
            method=LIST_PROJECTS.method,
            url=self._url + query,
            headers={"Content-Type": "application/json", "Accept": "application/json"},
            operation=LIST_PROJECTS.id,
            reads=True,
        )
        response = await self._exchange(request)
        data = read_json(LIST_PROJECTS, response)
        listed = data.get("projects") if isinstance(data, dict) else None
        if not isinstance(listed, list):
            raise malformed(LIST_PROJECTS, response, "has no list of projects")
        return [pair for one in listed if (pair := _pair(one)) is not None]


def _pair(project: Any) -> tuple[str, str] | None:
    if not isinstance(project, dict) or project.get("enabled") is False:
        return None
    name, project_id = project.get("name"), project.get("id")
    return (
        (name, project_id) if isinstance(name, str) and isinstance(project_id, str) and project_id else None
    )
