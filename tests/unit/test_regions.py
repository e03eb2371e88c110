"""Other regions of the same account: how they are set, and with which credentials they are called."""

from pathlib import Path

import pytest

from orchestrator import app
from orchestrator.errors import UsageError
from orchestrator.metastudio.auth.credentials import AkSk, TokenLogin
from orchestrator.settings import Settings

LOGIN = {"auth.token.user": "u", "auth.token.password": "p", "auth.token.domain": "d"}


def test_regions_are_set_in_the_file_and_in_the_environment(tmp_path: Path) -> None:
    """By their names; what is left out follows from the name."""
    file = tmp_path / "my.yaml"
    file.write_text("regions:\n  cn-east-3: {project_id: abc}\n")
    settings = Settings.load(config=file, environ={})
    assert settings.regions["cn-east-3"].project_id == "abc"
    assert settings.regions["cn-east-3"].endpoint == ""
    json = '{"cn-east-3": {"endpoint": "http://127.0.0.1:9/"}}'
    settings = Settings.load(environ={"ORCHESTRATOR_REGIONS": json})
    assert settings.regions["cn-east-3"].endpoint == "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("regions: {cn-east-9: {}}", "my.yaml:1:11: regions.cn-east-9"),
        ("regions: {cn-east-3: {project: abc}}", "my.yaml:1:11: regions.cn-east-3"),
    ],
)
def test_a_wrong_region_is_told_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    """A region that there is not, and a setting that it has not."""
    file = tmp_path / "my.yaml"
    file.write_text(text)
    with pytest.raises(UsageError, match=told):
        Settings.load(config=file, environ={})


def test_keys_are_good_for_all_regions_and_a_token_is_made_for_each() -> None:
    """A ready token is for one project, and is refused before a call."""
    keys = Settings.load({"auth.ak": "a", "auth.sk": "s"}, environ={})
    assert isinstance(app.credentials_in(keys, "cn-east-3"), AkSk)
    login = app.credentials_in(Settings.load(LOGIN, environ={}), "cn-east-3")
    assert isinstance(login, TokenLogin)
    assert (login.project, login.iam_endpoint) == ("cn-east-3", "https://iam.cn-east-3.myhuaweicloud.com")
    with pytest.raises(UsageError, match="one region only"):
        app.credentials_in(Settings.load({"auth.token.value": "t"}, environ={}), "cn-east-3")
