"""`orchestrator api`, with the emulator in this process as the service."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli.main import run
from orchestrator.metastudio.operations import OPERATIONS, RATES

Output = pytest.CaptureFixture[str]

_ACCOUNT = {
    "ORCHESTRATOR_AUTH__AK": "AK",
    "ORCHESTRATOR_AUTH__SK": "sesame",
    "ORCHESTRATOR_PROJECT_ID": "p1",
}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def document(output: Output, *argv: str) -> Any:
    assert run(["api", *argv]) == 0
    return json.loads(output.readouterr().out)


@contextmanager
def server(monkeypatch: pytest.MonkeyPatch, answer: bytes) -> Iterator[None]:
    """The account's endpoint: it reads one request, says `answer`, and closes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setenv("ORCHESTRATOR_ENDPOINT", f"http://127.0.0.1:{listener.getsockname()[1]}")
        for name, value in _ACCOUNT.items():
            monkeypatch.setenv(name, value)

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        thread.join()


def test_the_list_has_every_operation(capsys: Output) -> None:
    """A line each in a pipe, an object each with --json."""
    assert run(["api", "list"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["OPERATION", "METHOD", "RATE", "DOES", "STEP", "PATH", "CATEGORY"]
    assert [line.split()[0] for line in lines] == list(OPERATIONS)

    listed = document(capsys, "list", "--json")
    assert [one["operation"] for one in listed] == list(OPERATIONS)
    assert listed[0] == {
        "operation": "create_digital_asset",
        "summary": "Create an asset",
        "method": "POST",
        "path": "/v1/{project_id}/digital-assets",
        "category": "Digital Asset Management",
        "section": "4.1.1",
        "rate": 10,
        "step": "asset.create",
        "does": "creates",
    }
    assert listed[1]["step"] == "asset.list"


def test_the_list_is_of_one_category_and_the_own_region(
    capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rates are those of the settings; a part of the category's name will do."""
    monkeypatch.setenv("ORCHESTRATOR_REGION", "ap-southeast-3")
    monkeypatch.setenv("ORCHESTRATOR_LIMITS", '{"create_product": 1.5}')
    listed = document(capsys, "list", "--category", "product m", "--json")
    rates = {one["operation"]: one["rate"] for one in listed}
    assert len(rates) == 6
    assert rates["create_product"] == 1.5
    assert rates["list_products"] == RATES["ap-southeast-3"]["list_products"]


def test_a_whole_word_goes_before_a_part_of_one(capsys: Output) -> None:
    """Products are no production."""
    listed = document(capsys, "list", "--category", "product", "--json")
    assert {row["category"] for row in listed} == {"Live Product Management"}


def test_a_category_that_is_none_is_told_with_what_was_meant(capsys: Output) -> None:
    """Exit code 2."""
    assert run(["api", "list", "--category", "Prodct"]) == 2
    assert "did you mean 'Product'?" in capsys.readouterr().err


@pytest.mark.parametrize(("columns", "shown"), [(80, 4), (120, 5), (220, 6)])
def test_a_narrow_terminal_shows_fewer_columns(
    columns: int, shown: int, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No line is wrapped, and the category stands above its operations."""
    monkeypatch.setattr("orchestrator.cli.output.is_plain", lambda _: False)
    monkeypatch.setenv("COLUMNS", str(columns))
    assert run(["api", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines[0].split()) == shown
    assert max(map(len, lines)) <= columns
    assert "TTS Management" in lines


def test_an_operation_is_explained(capsys: Output) -> None:
    """Limits, choices, defaults, nested fields, an example, errors; 80 columns."""
    assert run(["api", "show", "CreateProduct"]) == 0
    page = capsys.readouterr().out
    for part in (
        "create_product: Create a product\n",
        "  POST /v1/{project_id}/products\n",
        "4 calls per second in cn-north-4",
        "product.create\n",
        "  name*                   string\n",
        "list of strings (at most 16 characters); at most 50",
        "    asset_type            string; one of IMAGE, VIDEO, AUDIO\n",
        "0 to 300; default 0 - 0 or absent",
        '    "name": "Animated realistic",\n',
        "MSS.00000003 Invalid parameter",
    ):
        assert part in page


def test_conditions_between_fields_are_told(capsys: Output) -> None:
    """Those of the body and of every object in it."""
    assert run(["api", "show", "create_video_scripts"]) == 0
    page = capsys.readouterr().out
    assert "\nConditions\n" in page
    assert "  - No two scenes have the same number." in page
    shown = document(capsys, "show", "create_video_scripts", "--json")
    assert {one["schema"] for one in shown["conditions"]} <= set(shown["body"]["$defs"])
    assert document(capsys, "show", "list_assets", "--json")["conditions"] == []


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_page_fits_a_terminal(operation: str, capsys: Output) -> None:
    """Only addresses and examples, which are copied, may be longer than 80 columns."""
    assert run(["api", "show", operation]) == 0
    page = capsys.readouterr().out
    explained = page.split("\nExample of")[0].splitlines()
    assert [line for line in explained if len(line) > 80 and "/v1/" not in line] == []


def test_the_schemas_are_printed_as_json(capsys: Output) -> None:
    """With parameters, examples and what references lead to."""
    shown = document(capsys, "show", "list_smart_live", "--json")
    assert [(one["name"], one["in"], one["required"]) for one in shown["parameters"][:2]] == [
        ("room_id", "path", True),
        ("offset", "query", False),
    ]
    assert (shown["items"], shown["body"]) == ("smart_live_jobs", None)
    assert "SmartLiveJob" in shown["answer"]["$defs"]
    assert shown["examples"]["answer"]["smart_live_jobs"]
    assert {"400", "500"} <= {one["status"] for one in shown["errors"]}


def test_a_call_prints_what_the_service_said(capsys: Output) -> None:
    """The emulated world is that of the state, so that what was made is there afterwards."""
    made = document(
        capsys, "call", "create_digital_asset", "-p", "asset_name=Cup", "-p", "asset_type=IMAGE", "--emulator"
    )
    shown = document(
        capsys, "call", "ShowAsset", "-p", f"asset_id={made['asset_id']}", "--emulator", "--json"
    )
    assert (shown["asset_name"], shown["asset_type"]) == ("Cup", "IMAGE")
    assert "reason" not in shown

    body = json.dumps(
        {
            "asset_id": made["asset_id"],
            "file_name": "cup.png",
            "file_md5": "6sxnj34jQZFvuJhXRwD7nw==",
            "file_size": 3,
            "file_type": "png",
            "asset_file_category": "MAIN",
        }
    )
    assert run(["api", "call", "create_file", "--body", body, "--emulator"]) == 0
    out, err = capsys.readouterr()
    assert "?" in json.loads(out)["upload_url"]
    assert err == ""


def test_a_call_without_an_answer_says_that_it_is_done(capsys: Output) -> None:
    """On stderr for people, `null` for programs."""
    for more, expected in (((), ("", "delete_asset: done\n")), (("--json",), ("null\n", ""))):
        made = document(
            capsys,
            "call",
            "create_digital_asset",
            "-p",
            "asset_name=A",
            "-p",
            "asset_type=IMAGE",
            "--emulator",
        )
        assert (
            run(["api", "call", "delete_asset", "-p", f"asset_id={made['asset_id']}", "--emulator", *more])
            == 0
        )
        assert capsys.readouterr() == expected


def test_all_pages_are_a_line_an_item(capsys: Output) -> None:
    """However many there are on a page."""
    for number in range(3):
        document(
            capsys,
            *(
                "call",
                "create_digital_asset",
                "-p",
                f"asset_name={number}",
                "-p",
                "asset_type=IMAGE",
                "--emulator",
            ),
        )
    arguments = ["-p", "asset_type=IMAGE", "-p", "limit=2", "--all-pages", "--emulator"]
    assert run(["api", "call", "list_assets", *arguments]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sorted(json.loads(line)["asset_name"] for line in lines) == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["list_asets"], "did you mean 'list_assets'?"),
        (["list_assets", "-p", "limt=1"], "did you mean 'limit'?"),
        (["list_assets", "-p", "limit=0"], "limit has to be greater than or equal to 1"),
        (["show_asset"], "asset_id is missing"),
        (["show_asset", "-p", "asset_id=a", "--all-pages"], "show_asset has no pages."),
        (["list_assets", "-p", "offset=1", "--all-pages"], "--all-pages begins with the first page."),
        (["create_product", "--body", '{"nam": "a"}'], "did you mean 'name'?"),
        (["list_assets"], "There are no credentials for MetaStudio."),
    ],
)
def test_wrong_usage_ends_before_anything_is_called(argv: list[str], said: str, capsys: Output) -> None:
    """Exit code 2, even without an account."""
    assert run(["api", "call", *argv]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err


def test_a_refusal_ends_with_one(capsys: Output) -> None:
    """The code and the request id are told."""
    assert run(["api", "call", "show_asset", "-p", "asset_id=none", "--emulator"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "HTTP 404" in err
    assert "request id" in err


def test_a_service_that_cannot_be_reached_ends_with_three(
    capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with every command."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    for name, value in {**_ACCOUNT, "ORCHESTRATOR_ENDPOINT": f"http://127.0.0.1:{port}"}.items():
        monkeypatch.setenv(name, value)
    assert run(["api", "call", "create_product", "-p", "name=a"]) == 3
    assert "sesame" not in capsys.readouterr().err


def test_a_lost_answer_is_no_reason_to_call_again(capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    """What creates may have created."""
    with server(monkeypatch, b""):
        assert run(["api", "call", "create_product", "-p", "name=a"]) == 1
    assert "may have been carried out all the same" in capsys.readouterr().err


def test_fields_that_the_reference_does_not_know_are_printed(
    capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service is ahead of its document."""
    body = b'{"product_id": "1", "new": {"a": [1]}, "cover": null}'
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with server(monkeypatch, head.encode() + body):
        assert document(capsys, "call", "create_product", "-p", "name=a") == json.loads(body)


def test_the_pipeline_of_the_guide_is_valid(tmp_path: Path, capsys: Output) -> None:
    """Whoever copies it can run it."""
    guide = Path(__file__).resolve().parents[3] / "docs" / "howto" / "call-the-api.md"
    file = tmp_path / "guide.yaml"
    file.write_text(guide.read_text("utf-8").split("```yaml\n")[1].split("```")[0], encoding="utf-8")
    assert run(["validate", str(file)]) == 0, capsys.readouterr().out
