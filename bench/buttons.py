"""The buttons: single presses of many homes, at irregular moments, over a connection of their own.

A process of its own (``python -m bench.buttons``). Each press comes from another home's device, so the alert
that follows names the press by its home.
"""

import json
import random
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from bench import packets
from bench.children import hear, say


@dataclass(frozen=True, slots=True, kw_only=True)
class Presses:
    """Who presses and how often."""

    port: int
    first: int
    count: int
    rate_per_s: float = 10.0
    seed: int = 1


def button_name(number: int) -> str:
    """The device of one home's button."""
    return f"bench-sos-{number:05d}"


def home_name(number: int) -> str:
    """The home of one button."""
    return f"bench-home-{number:05d}"


def run(presses: Presses) -> None:
    """Connects, waits for ``go``, presses, reports when each press was handed to the socket."""
    session = packets.connect(presses.port, "bench-buttons")
    chance = random.Random(presses.seed)
    say({"kind": "ready"})
    hear()
    sent: list[tuple[int, float]] = []
    for i in range(presses.count):
        # Irregular gaps, so that presses do not fall in step with anybody's timer.
        time.sleep(chance.uniform(0.5, 1.5) / presses.rate_per_s)
        number = presses.first + i
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        payload = json.dumps({"at": at, "event": "button_press", "id": f"press-{number}", "battery_pct": 90})
        packet = packets.publish(f"anju/{button_name(number)}/event", payload.encode(), i % packets.MAX_PACKET_ID + 1)
        sent.append((number, time.monotonic()))
        session.sock.sendall(packet)
    say({"kind": "pressed", "sent": sent})
    hear()
    session.sock.close()


def main() -> None:
    """Entry point of the process: what to press is its only argument."""
    run(Presses(**json.loads(sys.argv[1])))


if __name__ == "__main__":
    main()
