"""The alerts role as a process that tests may kill and freeze; arguments: database URL, webhook URL, secret."""

import asyncio
import signal
import sys

from alerts.worker import AlertsOptions, run


async def main(database_url: str, webhook_url: str, secret: str) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    options = AlertsOptions(
        database_url=database_url, worker="tested", webhook_url=webhook_url, webhook_secrets=(secret,)
    )
    await run(options, stop=stop)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
