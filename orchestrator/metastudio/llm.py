"""Sans-IO: the questions that MetaStudio asks a third-party LLM, and the answers it takes (reference 7.1.1).

A question is signed as a video callback is: check it with `callbacks.verify` and the app key. It wants its answer in
one piece or as a stream; each has its own form, and an answer in the other one isn't taken.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from pydantic import ValidationError

from orchestrator.errors import OrchestratorError
from orchestrator.metastudio.models.common import ErrorResponse
from orchestrator.metastudio.models.llm import (
    ChatChoice,
    LlmChatChunk,
    LlmChatRequest,
    LlmChatResponse,
    LlmMessage,
    LlmMessageRead,
    LlmStreamChoice,
)
from orchestrator.metastudio.untrusted import MalformedMessage, mended, read_object

#: A long dialog fits: the reference bounds a turn, not their number.
MAX_QUESTION_BYTES: Final = 1024 * 1024
#: Longest text of an answer, or of one event of a stream (7-8), counted as the service does, in UTF-16 units.
MAX_CONTENT: Final = 4096

ANSWER_TYPE: Final = "application/json;charset=UTF-8"
STREAM_TYPE: Final = "text/event-stream;charset=UTF-8"

_END = b"data:[DONE]\n\n"


class MalformedQuestion(MalformedMessage):
    """The body of a question can't be read; to be answered with status 400 and `refusal`."""


class UnsuitableAnswer(OrchestratorError):  # noqa: N818  named for what it is, its base says that it is an error
    """An answer isn't one that the service takes."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A question with the answer that it got."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Question:
    """What a viewer asks, and what was said before."""

    #: What is to be answered now.
    text: str = field(repr=False)
    history: tuple[Turn, ...] = field(default=(), repr=False)
    app_id: str | None = None
    user: str | None = None
    #: Turns of one dialog share it.
    session_id: str | None = None
    #: The answer is wanted as a stream.
    streams: bool = False


def parse_question(body: bytes) -> Question:
    """The question in `body`. Questions and answers alternate, and the last message is what is asked now.

    Ids that are missing are None. Raises MalformedQuestion when there is nothing to answer.
    """
    try:
        data = mended(read_object(body, what="question", max_length=MAX_QUESTION_BYTES))
    except MalformedMessage as error:
        raise MalformedQuestion(error.message) from error
    try:
        request = LlmChatRequest.model_validate(data)
    except ValidationError as error:
        raise MalformedQuestion("The question doesn't have the shape that the reference gives.") from error
    texts = [message.content or "" for message in request.messages or ()]
    if not texts or not texts[-1]:
        raise MalformedQuestion("The question has no message to answer.")
    # Counted from the end, so that a dialog whose beginning was dropped still pairs up.
    said = texts[-3::-2][::-1]
    answered = texts[-2::-2][::-1][-len(said) :] if said else []
    return Question(
        text=texts[-1],
        history=tuple(Turn(*pair) for pair in zip(said, answered, strict=True)),
        app_id=request.app_id,
        user=request.user,
        session_id=request.session_id,
        streams=bool(request.is_stream),
    )


def answer(answer_id: str, text: str, at: datetime) -> bytes:
    """The body of an answer in one piece (7-6), of the type ANSWER_TYPE; `at` is the time it was made.

    Raises UnsuitableAnswer for an empty text and for one over MAX_CONTENT: a stream may be longer.
    """
    text = mended(text)
    if not 0 < _units(text) <= MAX_CONTENT:
        raise UnsuitableAnswer(
            f"An answer in one piece has 1 to {MAX_CONTENT} characters, this one has {_units(text)}.",
            hint="Shorten it, or have the answers streamed.",
        )
    body = LlmChatResponse(
        id=answer_id,
        # The form of the reference's example; a stream's example has milliseconds.
        created=int(at.astimezone(UTC).strftime("%Y%m%d%H%M%S")),
        choices=[ChatChoice(message=LlmMessage(content=text), index=0)],
    )
    return body.model_dump_json(by_alias=True, exclude_none=True).encode()


def refusal(code: str, message: str) -> bytes:
    """The body that goes with status 400, of the type ANSWER_TYPE (7-10). `message` is shown to the service."""
    said = ErrorResponse(error_code=code, error_msg=mended(message))
    return said.model_dump_json(by_alias=True, exclude_none=True).encode()


class AnswerStream:
    """Writes an answer as events, of the type STREAM_TYPE (7-9). One of them serves one answer.

    A stream that can't be finished is cut without `end`, so that the service doesn't take half an answer for a whole.
    """

    def __init__(self, answer_id: str) -> None:
        self._id = answer_id
        self._ended = False
        self._written = False

    def write(self, text: str, at: datetime) -> bytes:
        """The events that carry `text`; nothing for none. Raises UnsuitableAnswer after the end."""
        self._refuse_after_end()
        events = b"".join(self._event(part, at) for part in _parts(mended(text)))
        self._written = self._written or bool(events)
        return events

    def end(self) -> bytes:
        """The event that ends the stream. Raises UnsuitableAnswer for an answer without any text, or a second end."""
        self._refuse_after_end()
        if not self._written:
            raise UnsuitableAnswer("An answer has at least one character.")
        self._ended = True
        return _END

    def _refuse_after_end(self) -> None:
        if self._ended:
            raise UnsuitableAnswer("The answer has ended.")

    def _event(self, text: str, at: datetime) -> bytes:
        chunk = LlmChatChunk(
            id=self._id,
            created=round(at.timestamp() * 1000),
            choices=[LlmStreamChoice(message=LlmMessageRead(content=text))],
        )
        # JSON escapes line breaks, so an event is one line whatever the text holds.
        return f"data:{chunk.model_dump_json(by_alias=True, exclude_none=True)}\n\n".encode()


def _units(text: str) -> int:
    return len(text) + sum(character > "\uffff" for character in text)


def _parts(text: str) -> Iterator[str]:
    """`text` in pieces that an event may carry."""
    start = size = 0
    for at, character in enumerate(text):
        width = 2 if character > "\uffff" else 1
        if size + width > MAX_CONTENT:
            yield text[start:at]
            start, size = at, 0
        size += width
    if size:
        yield text[start:]
