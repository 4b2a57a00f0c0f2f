"""The alerts role as a process that tests may kill and freeze; arguments: database URL, webhook URL, secret."""

import asyncio
import signal
import sys

from alerts.channels.webhook import WebhookChannel
from alerts.worker import AlertsOptions, run


async def main(database_url: str, webhook_url: str, secret: str) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    webhook = WebhookChannel(url=webhook_url, secrets=[secret], source="anju")
    options = AlertsOptions(database_url=database_url, worker="tested", channels=[webhook])
    await run(options, stop=stop)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
