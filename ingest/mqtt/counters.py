"""What is counted of one client's connections."""

from dataclasses import dataclass


@dataclass(slots=True)
class Counters:
    """What a connection has counted since it was made."""

    connects: int = 0
    losses: int = 0
    failed_attempts: int = 0
    violations: int = 0
    sessions_missing: int = 0
    reads: int = 0
    messages: int = 0
    message_bytes: int = 0
    acks: int = 0
    acks_dropped: int = 0
    pauses: int = 0
