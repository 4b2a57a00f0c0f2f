"""The beacon: a message that a session sends to itself through the broker.

When a beacon of time t is committed, everything that the broker handed this session before t is committed too. So the
last committed beacon says until when we have really heard, whatever stood still meanwhile.
"""

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

BEACON_PREFIX: Final = "anju/_beacon/"
INTERVAL_S: Final = 10.0
# One lost beacon is a hiccup; a longer gap means that devices may have gone unheard.
GAP: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Beacon:
    """The beacon of one session. The nonce makes sure that nobody else's message moves `heard_until`."""

    session: str
    nonce: str = field(default_factory=lambda: secrets.token_hex(8), repr=False)

    @property
    def topic(self) -> str:
        """The topic it is published on and subscribed to; four levels, so that no driver's filter matches it.

        The same over restarts, since the broker's session remembers every subscription.
        """
        return f"{BEACON_PREFIX}{self.session}/now"

    def write(self, now: datetime) -> bytes:
        """The payload of a beacon sent now."""
        return f"{self.nonce} {now.timestamp():.6f}".encode()

    def read(self, topic: str, payload: bytes) -> datetime | None:
        """The time of a beacon of this session and process; None for any other message."""
        if topic != self.topic:
            return None
        nonce, _, stamp = payload.decode("ascii", "replace").partition(" ")
        if not secrets.compare_digest(nonce.encode(), self.nonce.encode()):
            return None
        try:
            return datetime.fromtimestamp(float(stamp), UTC)
        except (ValueError, OverflowError, OSError):
            return None


@dataclass(frozen=True, slots=True)
class Hearing:
    """How far, and since when without a break, a session has heard its broker."""

    since: datetime
    until: datetime


def advance(hearing: Hearing | None, beacon_at: datetime) -> Hearing:
    """The hearing after a beacon was committed.

    A beacon older than what is known changes nothing; a gap of more than a minute starts a new span, because what a
    device did not manage to publish meanwhile says nothing about its home.
    """
    if hearing is None or beacon_at - hearing.until > GAP:
        return Hearing(beacon_at, beacon_at)
    return Hearing(hearing.since, max(hearing.until, beacon_at))
