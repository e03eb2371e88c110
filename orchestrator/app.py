"""The composition root: the one file that names concrete classes and wires them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp

from orchestrator.definition.kinds import StepKinds
from orchestrator.domain.decide import Policy
from orchestrator.domain.nearest import did_you_mean
from orchestrator.emulator.config import EmulatorConfig
from orchestrator.emulator.server import EmulatorServer
from orchestrator.engine.engine import Engine, EngineSettings, utc_now
from orchestrator.engine.poller import PollPolicy
from orchestrator.engine.retention import Retention
from orchestrator.errors import RetryClass, UsageError
from orchestrator.limits.local import LocalLimiter
from orchestrator.metastudio.auth.credentials import AkSk, Credentials, Token, TokenLogin
from orchestrator.metastudio.client import REPEATS, MetaStudio
from orchestrator.metastudio.operations import OPERATIONS, RATES
from orchestrator.metastudio.regions import iam_endpoint, is_local
from orchestrator.server.addresses import CallbackAddresses, callback_keys, start_on_kept_port
from orchestrator.server.admin import AdminServer
from orchestrator.server.controls import Controls
from orchestrator.server.engine_reads import EngineReads, EngineSink
from orchestrator.server.public import CallbackSink, PublicServer
from orchestrator.server.replay_changes import Replays
from orchestrator.server.whereabouts import announce, withdraw
from orchestrator.settings import RegionSettings, Settings
from orchestrator.steps.base import StepError, Surroundings, kinds
from orchestrator.store.sqlite import SqliteStore
from orchestrator.transfer.download import Downloader
from orchestrator.transfer.files import Files
from orchestrator.transfer.upload import Uploader

#: The emulator of this process carries out a request at once or, killed with us, not at all.
_EMULATOR_PATIENCE = Policy(quiet_time_s=2.0, lookup_every_s=1.0, answer_within_s=0.0)


@dataclass(frozen=True, slots=True)
class Application:
    """Everything that runs, wired."""

    settings: Settings
    store: SqliteStore
    engine: Engine
    api: MetaStudio
    limiter: LocalLimiter
    emulator: EmulatorServer | None
    #: What callbacks are received under.
    public_url: str
    #: Address of the dashboard, when it is on.
    admin_url: str | None
    #: Runs that were taken up where an earlier process left them.
    resumed: int


def kind_infos() -> StepKinds:
    """What a definition has to know of each step kind."""
    return kinds()


def state_path(settings: Settings) -> Path:
    """The file of the embedded store. Raises UsageError for any other kind of state."""
    scheme, _, path = settings.state.partition(":///")
    if scheme != "sqlite":
        raise UsageError(
            "This version keeps its state in SQLite only.", hint="Set state to sqlite:///path/to/state.db."
        )
    return Path(path)


@asynccontextmanager
async def application(
    settings: Settings, *, emulator: bool = False, admin: bool = False, everything: bool = False
) -> AsyncIterator[Application]:
    """Start everything, and on leaving stop it in the reverse order.

    `emulator`: MetaStudio is played by an emulator inside this process, its world kept beside the state.
    `everything`: the state's unfinished runs are all taken up, and the public listener has its configured address;
    without it only runs that are submitted to the engine are carried.
    """
    path = state_path(settings)
    limiter = _limiter(settings)
    async with AsyncExitStack() as stack:
        # Who we are is settled before the state is touched.
        api = None if emulator else await stack.enter_async_context(_client(settings, limiter))
        project_id = await api.project_id() if api else ""
        store = await SqliteStore(path).open()
        stack.push_async_callback(store.close)
        withdraw(path)  # what a killed process left
        cloud = None
        # Opened here, so that what is put into it later is closed after the engine has stopped.
        opened = await stack.enter_async_context(AsyncExitStack())
        if api is None:
            cloud = await stack.enter_async_context(_emulator(settings, path))
            api = await stack.enter_async_context(_emulated_client(cloud, limiter))
            project_id = cloud.config.project_id
        await _claim(store, path, f"{settings.region}/{project_id}")
        keys = callback_keys(settings, path)
        address = CallbackAddresses(keys[0], None if cloud else settings.public.url)
        engine = Engine(
            store,
            kinds(),
            await _surroundings(
                settings,
                api,
                address,
                stack,
                _OtherRegions(settings, opened, path, emulated=cloud is not None),
            ),
            settings=_engine_settings(settings, emulated=cloud is not None),
        )
        sink, emulated = EngineSink(engine), cloud is not None
        public = await _public_server(settings, sink, keys, path, emulated=emulated, everything=everything)
        stack.push_async_callback(public.stop)
        if address.base is None and (cloud is not None or is_local(settings.endpoint)):
            address.base = public.url
        resumed = await engine.start(everything=everything)
        stack.push_async_callback(engine.stop)
        if everything and (keep := settings.retention.finished) is not None:
            stack.push_async_callback(_beside(Retention(store, keep, clock=utc_now).run()))
        admin_url = None
        if admin:
            server = _admin_server(settings, engine, store, limiter)
            await server.start()
            stack.push_async_callback(server.stop)
            admin_url = server.url
            announce(path, admin_url)
            stack.callback(withdraw, path)
        yield Application(settings, store, engine, api, limiter, cloud, public.url, admin_url, resumed)


@asynccontextmanager
async def api_client(settings: Settings, *, emulator: bool = False) -> AsyncIterator[MetaStudio]:
    """The client of the account that the settings name, for calls outside of runs.

    `emulator`: of the emulator whose world is kept beside the state, as `application` has it. Raises UsageError when
    the settings name no account or an unknown operation.
    """
    limiter = _limiter(settings)
    async with AsyncExitStack() as stack:
        if emulator:
            cloud = await stack.enter_async_context(_emulator(settings, state_path(settings)))
            client = _emulated_client(cloud, limiter)
        else:
            client = _client(settings, limiter, repeats=REPEATS)
        yield await stack.enter_async_context(client)


def _client(settings: Settings, limiter: LocalLimiter, *, repeats: int = 0) -> MetaStudio:
    # The engine has its own way to try again, which looks first and is written down.
    return MetaStudio(
        credentials(settings),
        region=settings.region,
        endpoint=settings.endpoint,
        project_id=settings.project_id,
        iam_endpoint=settings.iam_endpoint,
        large_bodies=_token(settings),
        limiter=limiter,
        repeats=repeats,
    )


def _emulated_client(cloud: EmulatorServer, limiter: LocalLimiter) -> MetaStudio:
    config = cloud.config
    return MetaStudio(
        AkSk(config.ak, config.sk),
        region=config.region,
        endpoint=cloud.endpoint,
        project_id=config.project_id,
        limiter=limiter,
        repeats=0,
    )


def _limiter(settings: Settings) -> LocalLimiter:
    rates = {**RATES[settings.region], **checked_limits(settings)}
    return LocalLimiter(rates, categories={one.id: one.category for one in OPERATIONS.values()})


def credentials(settings: Settings) -> Credentials:
    """How calls are authenticated. Raises UsageError when nothing is set."""
    auth = settings.auth
    if auth.ak is not None and auth.sk is not None:
        session = auth.security_token.get_secret_value() if auth.security_token else None
        return AkSk(auth.ak.get_secret_value(), auth.sk.get_secret_value(), session)
    if (token := _token(settings)) is not None:
        return token
    raise UsageError(
        "There are no credentials for MetaStudio.",
        hint="Set auth.ak and auth.sk (ORCHESTRATOR_AUTH__AK, ORCHESTRATOR_AUTH__SK), or try it with --emulator.",
    )


def _token(settings: Settings) -> Token | TokenLogin | None:
    """Token authentication, when it is set; beside a key pair it serves the bodies that are too large to sign."""
    token = settings.auth.token
    if token.value is not None:
        return Token(token.value.get_secret_value())
    if token.user is not None and token.password is not None and token.domain is not None:
        return TokenLogin(
            user=token.user,
            password=token.password.get_secret_value(),
            domain=token.domain,
            project=token.project or settings.region,
            iam_endpoint=settings.iam_endpoint,
        )
    return None


def checked_limits(settings: Settings) -> Mapping[str, float]:
    """The overridden rates. Raises UsageError for one of an operation that is not there."""
    for name in settings.limits:
        if name not in OPERATIONS:
            raise UsageError(
                f"limits names {name!r}, which is no operation of the API.",
                hint=did_you_mean(name, OPERATIONS) or "`docs/reference/operations.md` lists them.",
            )
    return settings.limits


async def _claim(store: SqliteStore, path: Path, owner: str) -> None:
    """Refuse to carry on the runs of an emulator at the real service, or those of another project."""
    known = await store.claim(owner)
    if known != owner:
        raise UsageError(
            f"The state {path} holds runs of {known}, not of {owner}.",
            hint="Pass another --state: each project, and the emulator, needs its own.",
        )


@asynccontextmanager
async def _emulator(settings: Settings, path: Path) -> AsyncIterator[EmulatorServer]:
    config = EmulatorConfig(region=settings.region, data_dir=path.with_name(path.name + ".emulator"))
    async with EmulatorServer(config) as server:
        yield server


async def _public_server(
    settings: Settings,
    sink: CallbackSink,
    keys: Sequence[str],
    path: Path,
    *,
    emulated: bool,
    everything: bool,
) -> PublicServer:
    public = settings.public
    url = None if emulated else public.url

    def made(port: int) -> PublicServer:
        return PublicServer(sink, keys=keys, public_url=url, host=public.listen.host, port=port)

    if url is None and not everything and settings.origins["public.listen"] == "default":
        # Nobody was told an address, so any port serves, and several orchestrators can run beside each other.
        return await start_on_kept_port(made, path)
    server = made(public.listen.port)
    await server.start()
    return server


def _beside(work: Coroutine[Any, Any, None]) -> Callable[[], Awaitable[None]]:
    """Begins the work, which has no end of its own; what is returned ends it."""
    task = asyncio.get_running_loop().create_task(work)

    async def end() -> None:
        task.cancel()
        await asyncio.wait({task})

    return end


def _admin_server(
    settings: Settings, engine: Engine, store: SqliteStore, limiter: LocalLimiter
) -> AdminServer:
    listen, token = settings.admin.listen, settings.admin.token
    reads = EngineReads(engine, store, limiter)
    replays = Replays(store, kinds(), settings.region, settings.files.roots)
    return AdminServer(
        reads,
        controls=Controls(engine, reads, replays),
        host=listen.host,
        port=listen.port,
        token=token.get_secret_value() if token else None,
    )


def _engine_settings(settings: Settings, *, emulated: bool) -> EngineSettings:
    engine = settings.engine
    policy = Policy(quiet_time_s=engine.quiet_time_s, lookup_every_s=engine.lookup_every_s)
    if emulated and settings.origins["engine.quiet_time_s"] == "default":
        policy = _EMULATOR_PATIENCE
    return EngineSettings(
        policy=policy,
        polls=PollPolicy(first_s=engine.poll_first_s, max_s=engine.poll_max_s),
        concurrency=engine.concurrency,
        grace_s=engine.grace_s,
        out=str(settings.out.resolve()),
        region=settings.region,
    )


class _OtherRegions:
    """Clients of the same account in other regions, each opened when somebody first asks for it."""

    def __init__(self, settings: Settings, opened: AsyncExitStack, path: Path, *, emulated: bool) -> None:
        """`opened` closes them; `emulated`: each other region is played by an emulator of its own, beside the state."""
        self._settings, self._opened, self._path, self._emulated = settings, opened, path, emulated
        self._clients: dict[str, MetaStudio] = {}
        self._lock = asyncio.Lock()

    async def __call__(self, region: str) -> MetaStudio:
        """As `Surroundings.api_in`."""
        async with self._lock:
            if region not in self._clients:
                self._clients[region] = await self._opened.enter_async_context(await self._made(region))
            return self._clients[region]

    async def _made(self, region: str) -> MetaStudio:
        limiter = LocalLimiter(
            RATES[region], categories={one.id: one.category for one in OPERATIONS.values()}
        )
        if self._emulated:
            folder = self._path.with_name(f"{self._path.name}.emulator-{region}")
            server = EmulatorServer(EmulatorConfig(region=region, data_dir=folder))
            return _emulated_client(await self._opened.enter_async_context(server), limiter)
        settings = self._settings
        there = next((one for name, one in settings.regions.items() if name == region), RegionSettings())
        if not there.endpoint and is_local(settings.endpoint):
            raise UsageError(
                f"The settings do not say where the region {region} is played.",
                hint=f"Set regions.{region}.endpoint to the address of an emulator of that region.",
            )
        return MetaStudio(
            credentials_in(settings, region),
            region=region,
            endpoint=there.endpoint,
            project_id=there.project_id,
            limiter=limiter,
            repeats=0,
        )


def credentials_in(settings: Settings, region: str) -> Credentials:
    """How calls to another region are authenticated: keys are the account's, a token is made for each region's project.

    Raises UsageError as `credentials`, and for a ready token.
    """
    own = credentials(settings)
    match own:
        case AkSk():
            return own
        case TokenLogin():
            return replace(own, project=region, iam_endpoint=iam_endpoint(region, settings.endpoint))
        case Token():
            raise UsageError(
                "A ready token is good for one region only.",
                hint="Set auth.ak and auth.sk, or auth.token.user, auth.token.password and auth.token.domain.",
            )


async def _surroundings(
    settings: Settings,
    api: MetaStudio,
    address: CallbackAddresses,
    stack: AsyncExitStack,
    others: _OtherRegions,
) -> Surroundings:
    session = await stack.enter_async_context(
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False)
    )
    pool = stack.enter_context(ThreadPoolExecutor(max_workers=4, thread_name_prefix="transfer"))
    transfer = settings.transfer
    files = Files(
        Uploader(session, executor=pool, concurrency=transfer.concurrency, part_bytes=transfer.part_bytes),
        Downloader(session, executor=pool, concurrency=transfer.concurrency),
        executor=pool,
        single_put_max_bytes=transfer.single_put_max_bytes,
    )

    async def post_json(url: str, message: Mapping[str, Any], headers: Mapping[str, str]) -> int:
        try:
            async with session.post(
                url,
                json=message,
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=30),
            ) as response:
                return response.status
        # ValueError: a header or an address that a secret has made unusable.
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise StepError(
                f"The webhook's receiver did not answer ({type(error).__name__}).",
                hint="Check its address.",
                code="NO_ANSWER",
                retry=RetryClass.LATER,
            ) from error

    return Surroundings(
        api,
        files,
        address,
        post_json,
        settings.files.roots,
        live_address=address.live,
        api_in=others,
        secrets={name: value.get_secret_value() for name, value in settings.secrets.items()},
    )
