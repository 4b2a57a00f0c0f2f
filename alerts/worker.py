"""The alerts role: plans who is told, carries messages to their channels, and listens for what comes back."""

import asyncio
import secrets
import ssl
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from alerts.channels.results import Channel
from alerts.dispatch import Dispatcher
from alerts.escalation.escalator import Escalator
from alerts.web.app import make_app
from alerts.web.options import WebOptions
from alerts.web.server import WebServer

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertsOptions:
    """What the alerts role must know.

    Attributes:
        database_url: Where alerts and outbox are.
        worker: A name for this machine or process; it is made unique here.
        channels: The ways out, not yet entered, each of another name. Messages for others stay pending, and the log
            and a metric say so.
        web: What the listener must know; None: nothing listens, and people cannot answer by it.
        web_address: Where it listens ...
        web_port: ... and on which port; 0 takes a free one.
        web_tls: What it shows who connects; None: it speaks without TLS, to a proxy that has it.
        language: Of recipients who are no registered persons: `zh` or `en`.
        urgent_slots: How many urgent messages each channel sends at once.
        other_slots: How many others.
    """

    database_url: str = field(repr=False)
    worker: str
    channels: Sequence[AbstractAsyncContextManager[Channel]] = ()
    web: WebOptions | None = None
    web_address: str = "127.0.0.1"
    web_port: int = 0
    web_tls: ssl.SSLContext | None = None
    language: str = "zh"
    urgent_slots: int = 48
    other_slots: int = 16


async def run(options: AlertsOptions, *, stop: asyncio.Event) -> None:
    """Tells people until `stop` is set; outages of database, providers and receivers are sat out.

    Raises:
        AlertError: A channel cannot be used as it is set.
        OSError: The listener's address cannot be listened on.
        psycopg.Error: The database reports a fault that would not pass, such as a schema that is not there.
    """
    # Two processes on one machine, or one before and after its restart, are different holders of leases.
    worker = f"{options.worker}/{secrets.token_hex(4)}"
    async with AsyncExitStack() as stack:
        channels = [await stack.enter_async_context(channel) for channel in options.channels]
        names = frozenset(channel.name for channel in channels)
        dispatcher = Dispatcher(
            database_url=options.database_url,
            channels=channels,
            worker=worker,
            clock=_utc_now,
            urgent_slots=options.urgent_slots,
            other_slots=options.other_slots,
            language=options.language,
        )
        escalator = Escalator(database_url=options.database_url, worker=worker, clock=_utc_now, channels=names)
        log.info("alerts_started", worker=worker, channels=sorted(names))
        async with asyncio.TaskGroup() as group:
            group.create_task(dispatcher.run(stop), name="dispatch")
            group.create_task(escalator.run(stop), name="escalate")
            if options.web is not None:
                server = WebServer(make_app(options.web), options.web_address, options.web_port, options.web_tls)
                group.create_task(server.run(stop), name="web")
    log.info("alerts_stopped", worker=worker)


def _utc_now() -> datetime:
    return datetime.now(UTC)
