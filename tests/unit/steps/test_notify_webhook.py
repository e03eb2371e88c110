"""`notify.webhook` towards a receiver of every mood."""

from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import ValidationError

from orchestrator.errors import RetryClass
from orchestrator.steps.base import Done, StepContext, StepError
from orchestrator.steps.notify_webhook import NotifyWebhook, NotifyWebhookParams


class Receiver:
    """Stands where a context would, as far as the kind looks at it."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.messages: list[Mapping[str, Any]] = []
        self.headers: list[Mapping[str, str]] = []
        self.run_id, self.run_name, self.step_id = "r1", "cup-1", "note"
        self.around = self

    async def post_json(self, url: str, message: Mapping[str, Any], headers: Mapping[str, str]) -> int:
        self.messages.append(message)
        self.headers.append(headers)
        return self.status


async def notify(receiver: Receiver, **more: Any) -> Done:
    params = NotifyWebhookParams(url="https://example.com/hook", body={"text": "done"}, **more)
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


async def test_a_receiver_gets_the_headers_and_the_message_that_it_expects() -> None:
    """Headers of the user's, and nothing beside the body where a receiver is strict."""
    receiver = Receiver(204)
    await notify(receiver, headers={"Authorization": "Bearer x"}, facts=False)
    assert receiver.headers == [{"Authorization": "Bearer x"}]
    assert receiver.messages == [{"text": "done"}]


@pytest.mark.parametrize(
    "headers",
    [
        {"Bad Name": "x"},
        {"Host": "x"},
        {"content-length": "5"},
        {"X": "hush-hush\nY: z"},
        {"X": "hush-hushé"},
        {"": "x"},
    ],
)
def test_headers_that_no_message_may_have_are_refused(headers: dict[str, str]) -> None:
    """Neither a second header in a value nor how the message is sent; the value is not repeated."""
    with pytest.raises(ValidationError) as caught:
        NotifyWebhookParams(url="https://example.com/hook", headers=headers)
    assert "hush-hush" not in str(caught.value.errors(include_url=False, include_input=False))
