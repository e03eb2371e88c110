"""Where colour and marks are right."""

import io

import pytest

from orchestrator.cli import output


class Terminal(io.StringIO):
    """Pretends to be one."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environment", "plain"),
    [({}, False), ({"NO_COLOR": "1"}, True), ({"NO_COLOR": ""}, False), ({"TERM": "dumb"}, True)],
)
def test_a_terminal_may_ask_for_plain_text(
    environment: dict[str, str], plain: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NO_COLOR counts unless it is empty."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert output.is_plain(Terminal()) is plain


def test_a_pipe_is_plain() -> None:
    """No terminal, no colour."""
    assert output.is_plain(io.StringIO())


def test_an_error_and_its_hint_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """Without colour, in two lines."""
    output.complain("It is broken.", "Mend it.")
    assert capsys.readouterr() == ("", "error: It is broken.\n hint: Mend it.\n")
