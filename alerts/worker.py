"""The alerts role: the channels that the settings name, and a dispatcher that carries the outbox to them."""

import asyncio
import secrets
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from alerts.channels.results import Channel
from alerts.channels.webhook import WebhookChannel
from alerts.dispatch import Dispatcher

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertsOptions:
    """What the alerts role must know.

    Attributes:
        database_url: Where the outbox is.
        worker: A name for this machine or process; it is made unique here.
        webhook_url: Who is told; without it messages stay pending, and the log and a metric say so.
        webhook_secrets: `whsec_...`, each signs every message; at least one when there is a URL.
        source: Which installation this is: the `source` of the CloudEvents, a URI reference.
        send_timeout_s: How long one attempt may take.
        urgent_slots: How many urgent messages are sent at once.
        other_slots: How many others.
    """

    database_url: str = field(repr=False)
    worker: str
    webhook_url: str | None = field(default=None, repr=False)
    webhook_secrets: tuple[str, ...] = field(default=(), repr=False)
    source: str = "anju"
    send_timeout_s: float = 10.0
    urgent_slots: int = 32
    other_slots: int = 16


async def run(options: AlertsOptions, *, stop: asyncio.Event) -> None:
    """Carries messages until `stop` is set; outages of database and receivers are sat out.

    Raises:
        BadWebhook: The webhook's address or secrets cannot be used.
        psycopg.Error: The database reports a fault that would not pass, such as a schema that is not there.
    """
    # Two processes on one machine, or one before and after its restart, are different holders of leases.
    worker = f"{options.worker}/{secrets.token_hex(4)}"
    async with AsyncExitStack() as stack:
        channels: list[Channel] = []
        if options.webhook_url is None:
            log.error("no_webhook_configured", remedy="set ANJU_WEBHOOK_URL and ANJU_WEBHOOK_SECRET")
        else:
            channel = WebhookChannel(
                url=options.webhook_url,
                secrets=options.webhook_secrets,
                source=options.source,
                timeout_s=options.send_timeout_s,
                max_connections=options.urgent_slots + options.other_slots,
            )
            channels.append(await stack.enter_async_context(channel))
        log.info("alerts_started", worker=worker, channels=len(channels))
        await Dispatcher(
            database_url=options.database_url,
            channels=channels,
            worker=worker,
            clock=lambda: datetime.now(UTC),
            urgent_slots=options.urgent_slots,
            other_slots=options.other_slots,
        ).run(stop)
    log.info("alerts_stopped", worker=worker)
