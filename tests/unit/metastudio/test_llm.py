"""Questions to a third-party LLM, and its answers."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from orchestrator.metastudio import llm
from orchestrator.metastudio.callbacks import Verdict, verify
from orchestrator.metastudio.llm import (
    AnswerStream,
    MalformedQuestion,
    Question,
    Turn,
    UnsuitableAnswer,
    answer,
    parse_question,
    refusal,
)
from orchestrator.metastudio.models.llm import LlmChatChunk

AT = datetime(2023, 5, 12, 8, 48, 43, 748000, UTC)
IDS = {"app_id": "a", "user": "u", "session_id": "s"}


def body(*texts: Any, **more: Any) -> bytes:
    return json.dumps({"messages": [{"content": text} for text in texts], **IDS, **more}).encode()


def test_the_worked_example_of_the_reference_verifies() -> None:
    """With the app key as it is printed there, and with no other."""
    query = "secret=a02fc32111795dc6f760e6bd15bb0cbc9a35921dc5dc86e57eea56ae644d793e&time_stamp=1963307d486"
    url, at = "https://metastudio-llm/digital-human/chat", 1744612873350
    assert verify(url, query, ["huawei_metaStudio"], at) is Verdict.VALID
    assert verify(url, query, ["huawei_metaStudio"], at + 10**6) is Verdict.STALE
    assert verify(url, query, ["metaStudio"], at) is Verdict.FORGED


def test_a_single_question() -> None:
    """With its ids; whether it wants a stream is said or not."""
    assert parse_question(body("Why?", is_stream=False)) == Question("Why?", (), "a", "u", "s", streams=False)
    assert not parse_question(body("Why?")).streams
    assert parse_question(body("Why?", is_stream=True, new_field=1)).streams


def test_a_dialog_pairs_questions_with_answers() -> None:
    """The last message is what is asked now."""
    question = parse_question(body("Q1", "A1", "Q2", "A2", "Q3"))
    assert question.text == "Q3"
    assert question.history == (Turn("Q1", "A1"), Turn("Q2", "A2"))
    assert parse_question(body("Q1", "A1", "Q2")).history == (Turn("Q1", "A1"),)


def test_a_dialog_without_its_beginning_still_pairs() -> None:
    """An answer whose question was dropped goes with it."""
    assert parse_question(body("A0", "Q1", "A1", "Q2")).history == (Turn("Q1", "A1"),)
    assert parse_question(body("A0", "Q1")).history == ()


def test_missing_ids_and_odd_types_do_not_matter() -> None:
    """What we receive is read leniently; an answer that was never given is empty."""
    read = parse_question(b'{"messages": [{"content": 5}, {"content": null}, {"content": "Q"}], "user": 7}')
    assert read == Question("Q", (Turn("5", ""),), None, "7", None)


def test_no_repr_tells_what_viewers_say() -> None:
    """Questions are personal data."""
    assert "private" not in repr(parse_question(body("private", "private", "private")))


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"null",
        b"[]",
        b"\xff",
        b"{}",
        b'{"messages": []}',
        b'{"messages": null}',
        b'{"messages": "Q"}',
        b'{"messages": ["Q"]}',
        b'{"messages": [{}]}',
        b'{"messages": [{"content": ""}]}',
        b'{"messages": [{"content": "Q"}], "messages": [{"content": "R"}]}',
        b'{"messages": [{"content": "Q", "x": NaN}]}',
        b'{"messages": [{"content": "Q", "x": ' + b"9" * 5000 + b"}]}",
        b'{"messages": ' + b"[" * 500000,
        b'{"messages": ' + b"[" * 100 + b"]" * 100 + b"}",
        b'{"messages": [{"content": "' + b"x" * llm.MAX_QUESTION_BYTES + b'"}]}',
    ],
    ids=range(17),
)
def test_a_malformed_question_is_one_kind_of_error(sent: bytes) -> None:
    """Whatever is wrong with it, the caller has one exception to refuse with."""
    with pytest.raises(MalformedQuestion):
        parse_question(sent)


def test_half_characters_of_a_question_are_mended() -> None:
    """A viewer's text can always be sent on."""
    assert parse_question(body("a\ud83d")).text == "a\ufffd"


def test_an_answer_in_one_piece() -> None:
    """In the form of the reference's example, UTF-8 as it is."""
    text = 'Der Jangtse: 6.300 km, "lang"\n长江'
    sent = answer("id1", text, AT)
    assert json.loads(sent) == {
        "id": "id1",
        "created": 20230512084843,
        "choices": [{"message": {"content": text}, "index": 0}],
    }
    assert "长江".encode() in sent


@pytest.mark.parametrize("text", ["", "x" * 4097, "😀" * 2049])
def test_an_answer_that_does_not_fit_is_refused(text: str) -> None:
    """Characters are counted as the service does."""
    with pytest.raises(UnsuitableAnswer, match="1 to 4096 characters"):
        answer("id1", text, AT)
    answer("id1", "😀" * 2048, AT)


def events(sent: bytes) -> list[str]:
    """What a reader of server-sent events makes of it."""
    assert sent.endswith(b"\n\n")
    lines = sent.decode().split("\n\n")[:-1]
    assert all(line.startswith("data:") and "\n" not in line and "\r" not in line for line in lines)
    return [line.removeprefix("data:") for line in lines]


def test_a_stream_reads_as_the_example_does() -> None:
    """An event a piece, then the end."""
    stream = AnswerStream("id1")
    sent = stream.write("The Yangtze River", AT) + stream.write("is", AT) + stream.end()
    *chunks, last = events(sent)
    assert last == "[DONE]"
    assert sent.endswith(b"data:[DONE]\n\n")
    assert json.loads(chunks[0]) == {
        "id": "id1",
        "created": 1683881323748,
        "choices": [{"message": {"content": "The Yangtze River"}}],
    }
    assert content(chunks) == "The Yangtze Riveris"


def content(chunks: list[str]) -> str:
    read = [LlmChatChunk.model_validate_json(chunk) for chunk in chunks]
    return "".join(
        choice.message.content or ""
        for chunk in read
        for choice in chunk.choices or ()
        if choice.message is not None
    )


@pytest.mark.parametrize("text", ["\n", "a\r\nb\n\ndata:[DONE]\n\n", "\u2028\x85", '"\\', "{}", "  "])
def test_text_cannot_break_out_of_its_event(text: str) -> None:
    """Line breaks are escaped, blanks are kept."""
    assert content(events(AnswerStream("i").write(text, AT))) == text


@pytest.mark.parametrize("text", ["x" * 10000, "😀" * 5000, "a" + "😀" * 4096, "ab" * 2048])
def test_a_long_text_becomes_several_events(text: str) -> None:
    """Each within the bound, no character cut, none lost."""
    chunks = events(AnswerStream("i").write(text, AT))
    assert content(chunks) == text
    for chunk in chunks:
        assert 0 < len(content([chunk]).encode("utf-16-le")) // 2 <= llm.MAX_CONTENT


def test_a_stream_has_an_order() -> None:
    """Nothing comes of an empty text; there is no end without text, nothing behind the end."""
    stream = AnswerStream("i")
    assert stream.write("", AT) == b""
    with pytest.raises(UnsuitableAnswer, match="at least one"):
        stream.end()
    stream.write("x", AT)
    stream.end()
    for late in (stream.end, lambda: stream.write("x", AT)):
        with pytest.raises(UnsuitableAnswer, match="has ended"):
            late()


def test_half_characters_of_an_answer_are_mended() -> None:
    """A model may cut its text anywhere."""
    assert content(events(AnswerStream("i").write("a\ud83d", AT))) == "a\ufffd"
    assert "\ufffd".encode() in answer("i", "\ud83d", AT)


def test_a_refusal_has_code_and_message() -> None:
    """As errors of the API do."""
    assert json.loads(refusal("LLM.0001", "No such app.")) == {
        "error_code": "LLM.0001",
        "error_msg": "No such app.",
    }
