"""Where settings come from, which one wins, and what is said about wrong ones."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from orchestrator.errors import UsageError
from orchestrator.settings import Listen, Settings

SAMPLE = Path(__file__).parents[2] / "config" / "orchestrator.yaml"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def load(text: str | None = None, environ: dict[str, str] | None = None, **flags: Any) -> Settings:
    config = None
    if text is not None:
        config = Path("my.yaml")
        config.write_text(text)
    return Settings.load(
        {name.replace("__", "."): value for name, value in flags.items()}, config, environ or {}
    )


def problems(text: str | None = None, environ: dict[str, str] | None = None, **flags: Any) -> list[str]:
    with pytest.raises(UsageError) as caught:
        load(text, environ, **flags)
    assert caught.value.exit_code == 2
    return caught.value.message.splitlines()


def test_defaults() -> None:
    """Without anything given everything has its default, and says so."""
    settings = load()
    assert settings.region == "cn-north-4"
    assert settings.endpoint == "https://metastudio.cn-north-4.myhuaweicloud.com"
    assert settings.iam_endpoint == "https://iam.cn-north-4.myhuaweicloud.com"
    assert settings.state == "sqlite:///.orchestrator/state.db"
    assert settings.admin.listen == Listen("127.0.0.1", 8490)
    assert settings.transfer.single_put_max_bytes == 5 * 1024**3
    assert (settings.engine.concurrency, settings.engine.quiet_time_s) == (100, 75)
    assert set(settings.origins.values()) == {"default"}
    assert settings.origins.keys() == settings.shown().keys()


def test_precedence() -> None:
    """Flags win over the environment, the environment over the file, the file over the SDK's names and defaults."""
    text = "region: cn-east-3\nproject_id: from-file\nengine: {concurrency: 7, poll_max_s: 9}\nstate: sqlite:///f.db\n"
    environ = {
        "ORCHESTRATOR_REGION": "ap-southeast-3",
        "ORCHESTRATOR_ENGINE__CONCURRENCY": "8",
        "HUAWEICLOUD_SDK_PROJECT_ID": "from-sdk",
    }
    settings = load(text, environ, engine__concurrency=9, project_id=None)
    assert settings.region == "ap-southeast-3"
    assert settings.endpoint == "https://metastudio.ap-southeast-3.myhuaweicloud.com"
    assert (settings.engine.concurrency, settings.engine.poll_max_s) == (9, 9)
    assert settings.project_id == "from-file"
    origins = settings.origins
    assert origins["engine.concurrency"] == "command line"
    assert origins["region"] == "ORCHESTRATOR_REGION"
    assert origins["state"] == "my.yaml:4:1"
    assert origins["engine.poll_max_s"] == "my.yaml:3:26"
    assert origins["engine.poll_first_s"] == "default"


def test_default_file() -> None:
    """`config/orchestrator.yaml` is read when it is there; a file that is asked for must be."""
    Path("config").mkdir()
    Path("config/orchestrator.yaml").write_text("region: cn-east-3\n")
    assert load().region == "cn-east-3"
    with pytest.raises(UsageError, match=r"missing\.yaml: No such file"):
        Settings.load({}, Path("missing.yaml"), {})


def test_sample_file() -> None:
    """The shipped file changes nothing, and every line of it is a valid setting once uncommented."""
    assert Settings.load({}, SAMPLE, {}) == load()
    live = re.sub(r"(?m)^#(?=\s*[a-z_]+:)", "", SAMPLE.read_text())
    for name in re.findall(r"/run/secrets/[\w-]+", live):
        secret = Path(name.strip("/").replace("/", "-"))
        secret.write_text("secret-value\n")
        live = live.replace(name, str(secret))
    settings = load(live)
    origins = settings.origins
    assert [name for name, origin in origins.items() if origin == "default"] == []


def test_secrets_from_files() -> None:
    """A secret can be read from a file, named in the environment or in the config file; lists are one a line."""
    Path("sk").write_text("file-sk\n")
    Path("keys").write_text("one-key\n\ntwo-key\n")
    settings = load("auth: {ak: AK, sk_file: sk}\n", {"ORCHESTRATOR_PUBLIC__CALLBACK_KEYS_FILE": "keys"})
    assert settings.auth.sk == SecretStr("file-sk")
    assert [key.get_secret_value() for key in settings.public.callback_keys] == ["one-key", "two-key"]
    assert settings.origins["public.callback_keys"] == "ORCHESTRATOR_PUBLIC__CALLBACK_KEYS_FILE"
    assert sorted(settings.secret_values()) == ["AK", "file-sk", "one-key", "two-key"]
    assert problems(environ={"ORCHESTRATOR_AUTH__SK_FILE": "nowhere"})[0].startswith(
        "ORCHESTRATOR_AUTH__SK_FILE: "
    )


def test_secrets_for_inputs_go_by_their_names() -> None:
    """From the environment, from a file, from the config file; capitals make no difference, none is shown."""
    Path("token").write_text("from-a-file\n")
    settings = load(
        "secrets: {Key: in-the-config-file, other_file: token}\n",
        {"ORCHESTRATOR_SECRETS__TEAM": "in-the-environment", "ORCHESTRATOR_SECRETS__TOKEN_FILE": "token"},
    )
    assert {name: value.get_secret_value() for name, value in settings.secrets.items()} == {
        "key": "in-the-config-file",
        "other": "from-a-file",
        "team": "in-the-environment",
        "token": "from-a-file",
    }
    assert settings.shown()["secrets.team"] == "***"
    assert "in-the-environment" in settings.secret_values()
    assert "in-the-" not in f"{settings!r} {settings.shown()}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("secrets: {pin: hush}", "pin should have 8 characters or more"),
        ("secrets: {no name: hush-hush}", "the name 'no name' should be letters"),
        ("secrets: {a: hush-hush, A: hush-hush}", "a stands twice, with other capitals"),
        ("secrets: {a: 12345678}", "my.yaml:1:11: secrets.a: Input should be a valid string"),
        ("secrets: hush-hush", "my.yaml:1:1: secrets is a group of settings"),
        ("secrets_file: nowhere", "my.yaml:1:1: there is no setting secrets_file"),
    ],
)
def test_secrets_that_cannot_serve(text: str, said: str) -> None:
    """Each refusal says why and never repeats the value."""
    (problem,) = problems(text)
    assert said in problem
    assert "hush" not in problem


def test_sdk_names_serve_as_one() -> None:
    """The SDK's credentials serve when nothing else gives any, and are never mixed with others."""
    sdk = {"HUAWEICLOUD_SDK_AK": "a", "HUAWEICLOUD_SDK_SK": "s", "HUAWEICLOUD_SDK_SECURITY_TOKEN": "t"}
    auth = load(environ=sdk).auth
    assert auth.ak == SecretStr("a")
    assert auth.security_token == SecretStr("t")
    own = load(environ={**sdk, "ORCHESTRATOR_AUTH__AK": "x", "ORCHESTRATOR_AUTH__SK": "y"})
    assert own.auth.security_token is None
    assert own.origins["auth.ak"] == "ORCHESTRATOR_AUTH__AK"


def test_nothing_shows_a_secret() -> None:
    """Neither reprs nor the shown values nor problems hold a secret."""
    settings = load(
        "state: postgresql://me:dbpass@db/x\n",
        {
            "ORCHESTRATOR_AUTH__AK": "AKAKAK",
            "ORCHESTRATOR_AUTH__SK": "SKSKSK",
            "ORCHESTRATOR_PUBLIC__CALLBACK_KEYS": "KEYONE,KEYTWO",
        },
    )
    text = f"{settings!r} {settings} {settings.shown()} {settings.origins}"
    for secret in ("AKAKAK", "SKSKSK", "KEYONE", "KEYTWO", "dbpass"):
        assert secret not in text
    assert settings.shown()["state"] == "postgresql://***@db/x"
    for said in (
        problems("auth: {sk: SKSKSK, sk: SKSKSK}\n"),
        problems("auth: {sk: [SKSKSK]}\n"),
        problems("auth: {sk: 'SKSKSK\n"),
        problems(environ={"ORCHESTRATOR_PUBLIC__CALLBACK_KEYS": '["SKSKSK'}),
    ):
        assert "SKSKSK" not in "".join(said)


def test_lists_and_mappings() -> None:
    """Lists take commas, JSON or a single value; limits are given one by one or as JSON."""
    assert load(environ={"ORCHESTRATOR_FILES__ROOTS": "a, b"}).files.roots == (Path("a"), Path("b"))
    assert load(environ={"ORCHESTRATOR_FILES__ROOTS": '["a,b"]'}).files.roots == (Path("a,b"),)
    assert load("files: {roots: inbox}\n").files.roots == (Path("inbox"),)
    assert Settings.load({"files.roots": ["x"]}, None, {}).files.roots == (Path("x"),)
    settings = load(
        "limits: {list_assets: 3, show_asset: 4}\n",
        {"ORCHESTRATOR_LIMITS__SHOW_ASSET": "5"},
        limits={"create_file": 1.5},
    )
    assert settings.limits == {"list_assets": 3, "show_asset": 5, "create_file": 1.5}
    assert settings.origins["limits.show_asset"] == "ORCHESTRATOR_LIMITS__SHOW_ASSET"
    assert load(environ={"ORCHESTRATOR_LIMITS": '{"list_assets": 2}'}).limits == {"list_assets": 2}


def test_sizes_and_addresses() -> None:
    """Sizes take units, addresses take names and IPv6."""
    settings = load("transfer: {part_bytes: 100MiB}\npublic: {listen: '[::1]:0', url: 'https://h/x/'}\n")
    assert settings.transfer.part_bytes == 100 * 1024**2
    assert settings.public.listen == Listen("::1", 0)
    assert str(settings.public.listen) == "[::1]:0"
    assert settings.public.url == "https://h/x"
    assert [Listen(host, 1).loopback for host in ("localhost", "127.9.9.9", "::1", "0.0.0.0", "h")] == [
        True,
        True,
        True,
        False,
        False,
    ]


def test_kubernetes_variables_are_no_settings() -> None:
    """What Kubernetes injects for a Service called orchestrator is passed over, and so are empty variables."""
    load(
        environ={
            "ORCHESTRATOR_SERVICE_HOST": "10.0.0.1",
            "ORCHESTRATOR_SERVICE_PORT": "80",
            "ORCHESTRATOR_SERVICE_PORT_HTTP": "80",
            "ORCHESTRATOR_PORT": "tcp://10.0.0.1:80",
            "ORCHESTRATOR_PORT_80_TCP_ADDR": "10.0.0.1",
            "ORCHESTRATOR_REGION": "",
        }
    )


def test_all_problems_at_once() -> None:
    """Every wrong value and unknown key is reported with its place, and the likely name."""
    text = "regoin: cn-east-3\nengine:\n  concurency: 5\n  quiet_time_s: soon\nadmin: yes\n"
    said = problems(
        text, {"ORCHESTRATOR_ENDPIONT": "x", "ORCHESTRATOR_REGION": "mars"}, public__listen="8080"
    )
    assert said == [
        "my.yaml:1:1: there is no setting regoin. Did you mean region?",
        "my.yaml:3:3: there is no setting engine.concurency. Did you mean engine.concurrency?",
        "my.yaml:5:1: admin is a group of settings, not a value.",
        "ORCHESTRATOR_ENDPIONT: there is no setting endpiont. Did you mean ORCHESTRATOR_ENDPOINT?",
        "ORCHESTRATOR_REGION: region: Input should be 'cn-north-4', 'cn-east-3' or 'ap-southeast-3'.",
        "command line: public.listen: should be HOST:PORT, such as 127.0.0.1:8490 or [::1]:0.",
        "my.yaml:4:3: engine.quiet_time_s: Input should be a valid number, unable to parse string as a number.",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("admin: {listen: '0.0.0.0:8490'}", "admin.listen is open to other machines: admin.token is needed."),
        ("auth: {ak: x}", "auth: ak and sk belong together."),
        ("auth: {token: {user: x}}", "auth.token: user, password and domain belong together."),
        ("endpoint: metastudio", "my.yaml:1:1: endpoint: should be a URL such as https://host/path, without a query."),
        ("limits: {list_assets: 0}", "my.yaml:1:10: limits.list_assets: Input should be greater than 0."),
        ("limits: 5", "my.yaml:1:1: limits is a group of settings, not a value."),
        ("state: mysql://x", "my.yaml:1:1: state: should be sqlite:///PATH or postgresql://USER:PASSWORD@HOST/DATABASE."),
        ("transfer: {single_put_max_bytes: 6GiB}", "my.yaml:1:12: transfer.single_put_max_bytes: Input should be less than or equal to 5368709120."),
        ("transfer: {concurrency: 0}", "my.yaml:1:12: transfer.concurrency: Input should be greater than or equal to 1."),
        ("- a", "my.yaml: should be a mapping of settings."),
        ("a: 1\na: 2", "my.yaml:2:1: this key stands twice."),
        ("public: {listen: 'h:99999'}", "my.yaml:1:10: public.listen: should be HOST:PORT, such as 127.0.0.1:8490 or [::1]:0."),
    ],
)  # fmt: skip
def test_wrong_values(text: str, said: str) -> None:
    """A wrong value is reported with its place and what it should be."""
    assert problems(text) == [said]
