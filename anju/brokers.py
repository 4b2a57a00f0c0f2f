"""The brokers that ingest has heard, and forgetting one that is no longer in use.

Silence is judged up to where every known broker has been heard. A broker that was taken out of the settings stays known
and is never heard again: until it is forgotten, no silence is judged at any home.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from anju.errors import NotPossible
from storage.sql import load

_SQL = load("anju", "brokers.sql")

HEARD_WITHIN: Final = timedelta(minutes=2)
"""A session's beacon comes every 10 s: one heard longer ago is not heard now."""


class Ear(NamedTuple):
    """A session of ingest: a lane of a broker.

    Attributes:
        worker: who hears the urgent lane; empty for the bulk lane, which one worker owns at a time.
        heard_since: since when without a break; None where nothing was heard yet.
        heard_until: until when.
        owner: who owns the bulk session.
        owned_until: and until when, unless it renews that.
    """

    broker: str
    lane: str
    worker: str
    heard_since: datetime | None
    heard_until: datetime | None
    owner: str | None
    owned_until: datetime | None


async def ears(conn: AsyncConnection[TupleRow]) -> list[Ear]:
    """Every session known."""
    return [Ear(*row) async for row in await conn.execute(_SQL.hearing)]


def left_behind(known: Sequence[Ear], configured: Collection[str], now: datetime) -> list[str]:
    """The brokers that are known, not in the settings, and not heard now (pure).

    Args:
        known: every session.
        configured: the brokers in the settings, as `host:port`.
        now: the time.
    """
    brokers = dict.fromkeys(ear.broker for ear in known)
    return [broker for broker in brokers if broker not in configured and not _in_use(known, broker, now)]


def check_forget(known: Sequence[Ear], broker: str, configured: Collection[str], now: datetime) -> None:
    """Whether a broker may be forgotten (pure).

    Raises:
        NotPossible: it is unknown, or in the settings, or still heard.
    """
    brokers = list(dict.fromkeys(ear.broker for ear in known))
    if broker not in brokers:
        there = ", ".join(brokers) or "none"
        raise NotPossible(f"there is no broker {broker!r}; known are: {there}")
    if broker in configured:
        raise NotPossible(f"{broker} is in the settings: take it out of ANJU_MQTT_URL first")
    if _in_use(known, broker, now):
        raise NotPossible(f"{broker} is heard: a worker still has it in its settings; stop that one first")


async def forget(conn: AsyncConnection[TupleRow], broker: str, *, configured: Collection[str], now: datetime) -> int:
    """Forgets a broker that is no longer in use, and has every home looked at anew.

    Returns:
        How many sessions and claims there were.

    Raises:
        NotPossible: see `check_forget`.
    """
    async with conn.transaction():
        check_forget(await ears(conn), broker, configured, now)
        row = await (await conn.execute(_SQL.forget, {"broker": broker, "now": now})).fetchone()
    return 0 if row is None else int(row[0])


def _in_use(known: Sequence[Ear], broker: str, now: datetime) -> bool:
    return any(
        ear.broker == broker
        and (
            (ear.heard_until is not None and now - ear.heard_until <= HEARD_WITHIN)
            or (ear.owned_until is not None and ear.owned_until >= now)
        )
        for ear in known
    )
