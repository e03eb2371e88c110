from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from orchestrator.app import api_client, application
from orchestrator.emulator.config import EmulatorConfig
from orchestrator.emulator.server import EmulatorServer
from orchestrator.errors import UsageError
from orchestrator.metastudio import ApiError
from orchestrator.metastudio.models.digital_asset import CreateDigitalAssetRequestBody
from orchestrator.settings import Settings

LARGE = CreateDigitalAssetRequestBody.model_construct(
    asset_name="a", asset_type="IMAGE", asset_description="x" * (12 * 1024 * 1024)
)


@pytest.fixture
async def server() -> AsyncIterator[EmulatorServer]:
    async with EmulatorServer(EmulatorConfig(render=False)) as server:
        yield server


def _login(server: EmulatorServer) -> dict[str, str]:
    config = server.config
    return {
        "endpoint": server.endpoint,
        "auth.token.user": config.user,
        "auth.token.password": config.password,
        "auth.token.domain": config.domain,
    }


def _keys(server: EmulatorServer) -> dict[str, str]:
    return {"endpoint": server.endpoint, "auth.ak": server.config.ak, "auth.sk": server.config.sk}


async def test_a_client_needs_no_project_id(server: EmulatorServer) -> None:
    """Key pair or login: the project is the one that IAM has for the region."""
    for flags in (_keys(server), _login(server)):
        async with api_client(Settings.load(flags, environ={})) as api:
            assert (await api.list_assets()).count == 0
            assert await api.project_id() == server.config.project_id


async def test_a_state_belongs_to_the_project_that_was_found(server: EmulatorServer, tmp_path: Path) -> None:
    """The same state serves with the id given and looked up, and no other project."""
    state = {"state": f"sqlite:///{tmp_path}/state.db", "out": str(tmp_path), **_keys(server)}
    async with application(Settings.load(state, environ={})):
        pass
    async with application(Settings.load({**state, "project_id": server.config.project_id}, environ={})):
        pass
    with pytest.raises(UsageError, match="holds runs of"):
        async with application(Settings.load({**state, "project_id": "other"}, environ={})):
            pass


async def test_a_body_too_large_to_sign_takes_the_token_beside_the_key_pair(server: EmulatorServer) -> None:
    """Without one the error names the setting."""
    async with api_client(Settings.load(_keys(server), environ={})) as api:
        with pytest.raises(UsageError, match=r"auth\.token"):
            await api.create_digital_asset(LARGE)
    async with api_client(Settings.load({**_keys(server), **_login(server)}, environ={})) as api:
        # The service's models allow no such asset, but it took the token.
        with pytest.raises(ApiError, match="HTTP 4") as caught:
            await api.create_digital_asset(LARGE)
    assert caught.value.status not in {401, 403}
