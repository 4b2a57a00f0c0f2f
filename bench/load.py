"""The load: 100 meters publish packets that were built before the clock starts.

A process of its own (``python -m bench.load``), told what to send by a JSON object. It opens one connection per meter,
writes as many packets as the in-flight window allows in one ``send``, and counts PUBACKs by position. Its own CPU time
is in its report: a load generator that is the limit measures itself.
"""

import contextlib
import json
import resource
import selectors
import socket
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from bench import packets
from bench.children import hear, say

METERS: Final = 100
TICK_S: Final = 0.005
PACED_TICK_S: Final = 0.001
_SWEEP_S: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to publish."""

    port: int
    messages: int
    rate_per_s: float = 0.0
    """Messages a second over all meters; 0 = as fast as the broker takes them."""
    window: int = 500
    """Unacknowledged messages per meter; the broker's Receive Maximum lowers it."""
    tick_s: float = TICK_S
    """Rest between two rounds, so that one system call serves several messages."""
    meters: int = METERS
    step_ms: int = 200


def meter_names(count: int) -> list[str]:
    """The ids under which the meters of the bench publish."""
    return [f"bench-m{i:05d}" for i in range(count)]


@dataclass(slots=True)
class _Publisher:
    sock: socket.socket
    view: memoryview
    packet_bytes: int
    count: int
    window: int
    sent_bytes: int = 0
    acked: int = 0
    rest: bytes = b""

    def send(self, allowed: int) -> None:
        """Writes what window and rate allow."""
        end = min(self.acked + self.window, allowed, self.count) * self.packet_bytes
        if self.sent_bytes < end:
            with contextlib.suppress(BlockingIOError):
                self.sent_bytes += self.sock.send(self.view[self.sent_bytes : end])

    def read(self) -> tuple[int, int]:
        """Takes the PUBACKs that have arrived: how many, and how many of them refuse."""
        data = self.sock.recv(65_536)
        if not data:
            raise ConnectionResetError("the broker closed a publisher's connection")
        count, failed, self.rest = packets.count_pubacks(self.rest + data)
        self.acked += count
        return count, failed


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def run(plan: Plan) -> None:
    """Builds, connects, waits for ``go``, publishes until every message is acknowledged, reports."""
    per_meter = plan.messages // plan.meters
    names = meter_names(plan.meters)
    last_at = datetime.now(UTC).replace(microsecond=0)
    streams = packets.meter_streams(
        names, messages_per_device=per_meter, last_at=last_at, step=timedelta(milliseconds=plan.step_ms)
    )
    publishers = []
    with selectors.DefaultSelector() as selector:
        for name, stream in zip(names, streams, strict=True):
            session = packets.connect(plan.port, f"bench-load-{name}")
            session.sock.setblocking(False)
            publisher = _Publisher(
                sock=session.sock,
                view=memoryview(stream.data),
                packet_bytes=stream.packet_bytes,
                count=stream.count,
                window=min(plan.window, session.receive_max),
            )
            publishers.append(publisher)
            selector.register(session.sock, selectors.EVENT_READ, publisher)
        total = per_meter * plan.meters
        say(
            {
                "kind": "ready",
                "messages": total,
                "payload_bytes": packets.payload_bytes(names[0], streams[0]),
                "window": publishers[0].window,
                "last_at": last_at.isoformat(),
            }
        )
        hear()
        cpu_before_s = _cpu_s()
        started_s = time.monotonic()
        acked, failed = _publish(plan, publishers, selector, total=total, started_s=started_s)
        ended_s = time.monotonic()
        say(
            {
                "kind": "done",
                "started_s": started_s,
                "ended_s": ended_s,
                "acked": acked,
                "failed": failed,
                "cpu_s": _cpu_s() - cpu_before_s,
            }
        )
        hear()
        for publisher in publishers:
            publisher.sock.close()


def _publish(
    plan: Plan, publishers: list[_Publisher], selector: selectors.BaseSelector, *, total: int, started_s: float
) -> tuple[int, int]:
    acked = failed = 0
    swept_s = 0.0
    meters = len(publishers)
    paced = plan.rate_per_s > 0
    while acked < total:
        now_s = time.monotonic()
        if paced:
            due = int((now_s - started_s) * plan.rate_per_s)
            # Spread over the meters: the first `extra` of them are one message ahead of the others.
            base, extra = divmod(due, meters)
            for i, publisher in enumerate(publishers):
                publisher.send(base + (i < extra))
        elif now_s - swept_s > _SWEEP_S:
            # A first packet cut by a full buffer gets no PUBACK that would wake its publisher.
            swept_s = now_s
            for publisher in publishers:
                publisher.send(publisher.count)
        for key, _ in selector.select(0.001 if paced else _SWEEP_S):
            publisher = key.data
            got, refused = publisher.read()
            acked += got
            failed += refused
            if not paced:
                publisher.send(publisher.count)
        if plan.tick_s:
            time.sleep(plan.tick_s)
    return acked, failed


def main() -> None:
    """Entry point of the process: the plan is its only argument."""
    run(Plan(**json.loads(sys.argv[1])))


if __name__ == "__main__":
    main()
