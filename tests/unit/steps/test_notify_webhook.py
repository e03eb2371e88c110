"""`notify.webhook` towards a receiver of every mood."""

from collections.abc import Mapping
from typing import Any

import pytest

from orchestrator.errors import RetryClass
from orchestrator.steps.base import Done, StepContext, StepError
from orchestrator.steps.notify_webhook import NotifyWebhook, NotifyWebhookParams


class Receiver:
    """Stands where a context would, as far as the kind looks at it."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.messages: list[Mapping[str, Any]] = []
        self.run_id, self.run_name, self.step_id = "r1", "cup-1", "note"
        self.around = self

    async def post_json(self, url: str, message: Mapping[str, Any]) -> int:
        self.messages.append(message)
        return self.status


async def notify(receiver: Receiver) -> Done:
    params = NotifyWebhookParams(url="https://example.com/hook", body={"text": "done"})
    context: StepContext = receiver  # type: ignore[assignment]  # the two share what the kind reads
    return await NotifyWebhook().act(params, context)


async def test_the_receiver_learns_which_run_it_was() -> None:
    """The run's own facts go with the user's."""
    receiver = Receiver(204)
    assert (await notify(receiver)).outputs == {"status": 204}
    assert receiver.messages == [{"run_id": "r1", "run": "cup-1", "step": "note", "text": "done"}]


@pytest.mark.parametrize(
    ("status", "retry"),
    [(500, RetryClass.LATER), (429, RetryClass.LATER), (404, RetryClass.NEVER), (301, RetryClass.NEVER)],
)
async def test_a_refusal_is_retried_only_where_it_may_help(status: int, retry: RetryClass) -> None:
    """5xx and 429 pass by themselves, the rest does not."""
    with pytest.raises(StepError, match=str(status)) as caught:
        await notify(Receiver(status))
    assert caught.value.retry is retry
