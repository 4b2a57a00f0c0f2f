"""`anju up`: the whole service with one command, on embedded servers unless real ones are named.

Every role is a process of its own, as in production. This process starts them in order, starts again what ends,
shows what happens, and stops everything in the opposite order of the flow. Should it be killed, the pipes it holds
close, and by that its children know.
"""

import asyncio
import base64
import fcntl
import secrets
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from anju import demo, schema
from anju.children import Child, ChildOptions, child_environment
from anju.duty_desk import DutyDesk, Received
from anju.embedded_broker import EmbeddedBroker
from anju.embedded_servers import embedded_broker, embedded_postgres, handed_over, remember_broker
from anju.errors import CommandError
from anju.publishing import Publisher
from anju.view import View
from ingest.mqtt.options import Endpoint
from storage.pool import connect

ROLES: Final = ("ingest", "rules", "alerts")
_PROOF: Final = "probe"
_KEEPER: Final = "keep"


@dataclass(frozen=True, slots=True, kw_only=True)
class UpOptions:
    """What `anju up` runs.

    Attributes:
        data_dir: where the embedded servers, logs and the demonstration keep their things.
        database_url: a real PostgreSQL; None for the embedded one.
        mqtt_url: one or more real brokers, separated by commas; None for the embedded one.
        mqtt_ca_file: whom to trust for `mqtts`.
        webhook_configured: the settings name a webhook of their own, which the demonstration then leaves alone.
        config_file: the settings file, for the roles.
        demo_homes: how many homes the simulated neighbourhood has; None for no demonstration.
        late_window_days: how old a reading may be; None leaves the setting.
    """

    data_dir: Path
    database_url: str | None
    mqtt_url: str | None
    mqtt_ca_file: Path | None
    webhook_configured: bool
    config_file: Path | None
    demo_homes: int | None
    late_window_days: float | None


async def run(options: UpOptions) -> None:
    """Runs until a signal asks to stop; a second one hurries.

    Raises:
        CommandError: something could not be started, or the demonstration could not go on.
    """
    with _own(options.data_dir):
        stop, hurry = asyncio.Event(), asyncio.Event()
        _on_signals(stop, hurry)
        view = View(
            title="Anju" if options.demo_homes is None else "Anju: a demonstration with a made-up neighbourhood"
        )
        async with AsyncExitStack() as servers:
            await _serve(options, view, servers, stop, hurry)
        view.tell("stopped; the next start goes on from here")


async def _serve(
    options: UpOptions, view: View, servers: AsyncExitStack, stop: asyncio.Event, hurry: asyncio.Event
) -> None:
    # What is entered first is left last: PostgreSQL outlives the broker, and the broker the roles.
    database_url = options.database_url
    if database_url is None:
        view.tell("starting PostgreSQL (the first start sets up its data folder)")
        database_url = await servers.enter_async_context(embedded_postgres(options.data_dir / "postgres"))
        servers.enter_context(handed_over(options.data_dir / "database_url", database_url, view.tell))
    mqtt_url = options.mqtt_url
    broker: EmbeddedBroker | None = None
    if mqtt_url is None:
        broker = await servers.enter_async_context(embedded_broker(options.data_dir / "broker.json", view.tell))
        mqtt_url = broker.url
    await asyncio.to_thread(schema.upgrade, database_url)
    if broker is not None:
        await remember_broker(options.data_dir / "broker.json", broker, database_url)
    overrides = {
        "ANJU_DATABASE_URL": database_url,
        "ANJU_MQTT_URL": mqtt_url,
        "ANJU_LOG_FORMAT": "json",
    }
    if options.config_file is not None:
        overrides["ANJU_CONFIG"] = str(options.config_file.absolute())
    if options.late_window_days is not None:
        overrides["ANJU_LATE_WINDOW_DAYS"] = f"{options.late_window_days:g}"
    if options.demo_homes is not None:
        overrides.update(demo.SETTINGS)
        if not options.webhook_configured:
            secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
            desk = await servers.enter_async_context(
                DutyDesk(secret, received=lambda came: view.tell(_desk_line(came)))
            )
            overrides |= {"ANJU_WEBHOOK_URL": desk.url, "ANJU_WEBHOOK_SECRET": secret}
    view.tell(f"logs are in {options.data_dir / 'logs'}")
    if not stop.is_set():
        children = _children(_roles(options), options.data_dir / "logs", overrides, view.tell)
        await servers.enter_async_context(_running(children, view.tell, hurry))
        with view.page():
            await _until_stopped(options, view, database_url, mqtt_url, stop)
    view.tell("stopping")


def _roles(options: UpOptions) -> tuple[str, ...]:
    if options.demo_homes is not None:
        return ROLES  # it shows its neighbourhood alone
    # What is replayed from long ago is not to be deleted at once.
    return (*ROLES, _PROOF) if options.late_window_days is not None else (*ROLES, _PROOF, _KEEPER)


async def _until_stopped(options: UpOptions, view: View, database_url: str, mqtt_url: str, stop: asyncio.Event) -> None:
    tasks = [
        asyncio.create_task(stop.wait()),
        asyncio.create_task(view.follow(database_url, clock=_now)),
    ]
    if options.demo_homes is not None:
        tasks.append(asyncio.create_task(_demonstrate(options, view, database_url, mqtt_url)))
    done, running = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    for task in done:
        task.result()


async def _demonstrate(options: UpOptions, view: View, database_url: str, mqtt_url: str) -> None:
    parts = demo.cast(options.demo_homes or 0, options.data_dir, _now())
    # With several brokers, the neighbourhood is behind the first.
    endpoint = Endpoint.parse(mqtt_url.split(",", maxsplit=1)[0])
    async with await connect(database_url, application_name="anju demo", autocommit=True) as conn:
        await demo.move_in(conn, parts, _now())
        publisher = Publisher(endpoint, client_id=f"anju-demo-{secrets.token_hex(4)}", ca_file=options.mqtt_ca_file)
        async with publisher:
            await demo.play(conn, publisher, parts, clock=_now, tell=view.tell)


@contextmanager
def _own(data_dir: Path) -> Iterator[None]:
    """Holds the data folder for this process alone."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        (data_dir / "logs").mkdir(exist_ok=True)
        lock = (data_dir / "up.lock").open("a")
    except OSError as error:
        raise CommandError(
            f"cannot write to the data folder {data_dir}: {error.strerror}; choose one with --data-dir"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError(
                f"another `anju up` runs on the data folder {data_dir}; stop it, or choose another with --data-dir"
            ) from None
        yield


def _children(
    roles: Sequence[str], log_folder: Path, overrides: Mapping[str, str], tell: Callable[[str], None]
) -> list[Child]:
    environment = child_environment(overrides)
    return [
        Child(ChildOptions(name=role, arguments=(role,), environment=environment, log_folder=log_folder), tell=tell)
        for role in roles
    ]


@asynccontextmanager
async def _running(children: list[Child], tell: Callable[[str], None], hurry: asyncio.Event) -> AsyncIterator[None]:
    for child in children:
        child.start()

    async def kill_when_hurried() -> None:
        await hurry.wait()
        tell("stopping at once")
        for child in children:
            child.kill()

    hurrying = asyncio.create_task(kill_when_hurried())
    try:
        yield
    finally:
        # In the order of the flow: what a stage has handed on is still judged and told.
        for child in children:
            await child.stop()
        hurrying.cancel()


def _on_signals(stop: asyncio.Event, hurry: asyncio.Event) -> None:
    def asked() -> None:
        (hurry if stop.is_set() else stop).set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, asked)


def _desk_line(came: Received) -> str:
    if not came.genuine:
        return "duty desk: refused a webhook whose signature is not right"
    data = came.body.get("data")
    reason = data.get("reason") if isinstance(data, Mapping) else None
    text = reason.get("text") if isinstance(reason, Mapping) else None
    sentence = text.get("en") if isinstance(text, Mapping) else None
    return f"duty desk: signed webhook {came.kind}, signature verified: {sentence}"


def _now() -> datetime:
    return datetime.now(UTC)
