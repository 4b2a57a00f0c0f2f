"""What one session is told."""

from dataclasses import dataclass

from devices.model import Lane
from ingest.intake import Limits
from ingest.rates import RateLimit


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOptions:
    """What a session is and how it works.

    Attributes:
        lane: urgent or bulk.
        worker: the worker that runs it.
        client_id: under which the broker keeps its queue.
        max_batch: messages per transaction at most.
        max_outstanding: messages read and not acknowledged at most; beyond it the broker keeps them.
        session_expiry_s: how long the broker keeps the queue while nobody is connected.
        rest_s: how long the socket rests after a small read, so that messages come in larger gulps: fewer reads and
            fewer commits, at the cost of that much latency. Full reads are followed by the next one at once.
        limits: which times are plausible.
        rate: what one device may send; None: whatever it likes.
    """

    lane: Lane
    worker: str
    client_id: str
    max_batch: int
    max_outstanding: int
    session_expiry_s: int
    rest_s: float
    limits: Limits
    rate: RateLimit | None = None
