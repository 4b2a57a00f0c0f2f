"""A neighbourhood that publishes: `anju simulate`."""

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import cycle

from anju.neighbourhood import SimulatedHome
from anju.publishing import Message, Publisher, paced


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulateOptions:
    """How a neighbourhood publishes.

    Attributes:
        rate_per_s: meter messages a second, all homes together.
        seconds: how long; None until stopped.
    """

    rate_per_s: float
    seconds: float | None


def reading(home: SimulatedHome, at: datetime, *, dry_since: datetime | None = None) -> Message:
    """A meter's message at an instant."""
    payload = {
        "at": stamp(at),
        "water_total_l": home.water_total_l(at, dry_since=dry_since),
        "battery_pct": home.battery_pct(at),
    }
    return Message(f"anju/{home.meter}/reading", json.dumps(payload))


def upload(home: SimulatedHome, instants: Sequence[datetime], *, dry_since: datetime | None = None) -> Message:
    """A meter's message that brings many instants at once."""
    entries = [{"at": stamp(at), "water_total_l": home.water_total_l(at, dry_since=dry_since)} for at in instants]
    return Message(f"anju/{home.meter}/reading", json.dumps({"readings": entries}))


def event(device: str, kind: str, at: datetime, *, cancel_s: float | None = None) -> Message:
    """A press, or a fall whose device waited `cancel_s`; its id is the instant, which no device of ours uses twice."""
    payload = {"at": stamp(at), "event": kind, "id": f"{device}-{at.timestamp():.6f}", "battery_pct": 87}
    if cancel_s is not None:
        payload["cancel_s"] = cancel_s
    return Message(f"anju/{device}/event", json.dumps(payload))


def stamp(at: datetime) -> str:
    """An instant as devices write it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def simulate(
    publisher: Publisher,
    homes: Sequence[SimulatedHome],
    options: SimulateOptions,
    *,
    clock: Callable[[], datetime],
    stop: asyncio.Event,
) -> None:
    """Publishes a reading of one home after the other until the time is up or `stop` is set."""
    loop = asyncio.get_running_loop()
    until = None if options.seconds is None else loop.time() + options.seconds

    def messages() -> Iterator[Message]:
        for home in cycle(homes):
            if stop.is_set() or (until is not None and loop.time() >= until):
                return
            yield reading(home, clock())

    async for message in paced(messages(), per_s=options.rate_per_s):
        await publisher.submit(message)
    await publisher.drain()
