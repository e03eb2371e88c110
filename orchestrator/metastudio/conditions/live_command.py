"""What the commands of a running livestream take (reference 6.2.5, 11.5)."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import ValidationError

from orchestrator.metastudio.conditions.base import Unmet, holds_for

if TYPE_CHECKING:
    from orchestrator.metastudio.models.base import RequestModel
    from orchestrator.metastudio.models.live_task import ControlSmartLiveReq


@holds_for("ControlSmartLiveReq")
def params_fit_the_command(request: "ControlSmartLiveReq") -> Iterator[Unmet]:
    """Three commands have parameters with a structure; that of the others isn't described. Tables 6-321, 11-2 to 11-8."""
    model = _parameters_of(request.command)
    if model is None or request.params is None:
        return
    try:
        model.model_validate(request.params)
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_input=False, include_context=False):
            place = ".".join(map(str, detail["loc"]))
            yield Unmet(
                ("params", *detail["loc"]),
                f"{place}: {detail['msg']} (params of {request.command} are a {model.__name__})",
            )


def _parameters_of(command: str) -> "type[RequestModel] | None":
    from orchestrator.metastudio.models import (  # noqa: PLC0415 - most users of live tasks never meet a command
        live_command,
    )

    models: dict[str, type[RequestModel]] = {
        "INSERT_PLAY_SCRIPT": live_command.PlayTextInfo,
        "INSERT_PLAY_AUDIO": live_command.PlayAudioInfo,
        "CLEAN_UP_INSERT_COMMAND": live_command.CleanUpInsertCommand,
    }
    return models.get(command)
