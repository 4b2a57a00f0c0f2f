"""How a long-running command hears that it shall stop."""

import asyncio
import signal


def on_signals() -> asyncio.Event:
    """An event that SIGINT, SIGTERM and SIGHUP set; call it inside the event loop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    return stop
