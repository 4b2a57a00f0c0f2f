"""What tests of alerts share: a small registry, findings, a real HTTP receiver, and what the outbox holds."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from psycopg import AsyncConnection

from alerts.findings import Finding, Kind, Reason, Severity, Subject, Verdict, report

SECRET: Final = "whsec_" + "QW5qdSB0ZXN0IHNlY3JldCBvZiAzMiBieXRlcyAhISE="
OLD_SECRET: Final = "whsec_" + "QW5qdSB0ZXN0IHNlY3JldCwgdGhlIG9sZCBvbmUhISE="
NOON: Final = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def press(event_id: int, *, home_id: int | None = 1, device: str = "btn-1", since: datetime = NOON) -> Finding:
    """A button press in a home, or of a device that serves none."""
    return Finding(
        subject=Subject(home_id=home_id, device_name=device),
        kind=Kind.SOS if home_id is not None else Kind.SOS_UNKNOWN_DEVICE,
        verdict=Verdict.RAISE,
        severity=Severity.URGENT,
        since=since,
        reason=Reason(id="sos_pressed", values={"device": device}),
        evidence={"event_id": event_id},
        event_id=event_id,
    )


def dry(
    verdict: Verdict = Verdict.RAISE,
    *,
    home_id: int = 1,
    since: datetime = NOON,
    severity: Severity = Severity.HARD,
    dry_s: int = 46_800,
) -> Finding:
    """A home without water, or with water again."""
    values = {"dry_s": dry_s, "used_l": 2.0, "limit_l": 10, "window_s": 43_200, "heard_s": 720}
    calm = verdict is Verdict.CLEAR
    return Finding(
        subject=Subject(home_id=home_id),
        kind=Kind.INACTIVITY,
        verdict=verdict,
        severity=severity,
        since=since,
        reason=Reason(id="sign_of_life", values={}) if calm else Reason(id="inactivity_dry", values=values),
        evidence={"meter": "water-1"},
    )


async def register_homes(conn: AsyncConnection[Any], count: int = 1) -> list[int]:
    """Homes in one community; returns their ids."""
    await conn.execute("INSERT INTO area (name, path) VALUES ('Lane', 'City/District/Street/Lane')")
    cursor = await conn.execute(
        "INSERT INTO home (area_id, name, time_zone) SELECT area_id, 'Door ' || n, 'Asia/Shanghai'"
        " FROM area, generate_series(1, %s) n ORDER BY n RETURNING home_id",
        [count],
    )
    return [row[0] for row in await cursor.fetchall()]


async def report_now(conn: AsyncConnection[Any], *findings: Finding, now: datetime) -> None:
    """One look's findings, committed."""
    async with conn.transaction():
        await report(conn, findings, now)


async def soon(check: Callable[[], Awaitable[bool]], timeout_s: float = 10.0) -> None:
    """Waits until an asynchronous condition holds."""
    async with asyncio.timeout(timeout_s):
        while not await check():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def entries(conn: AsyncConnection[Any]) -> list[str]:
    """The actions of all entries, oldest first."""
    cursor = await conn.execute("SELECT action FROM alert_entry ORDER BY entry_id")
    return [row[0] for row in await cursor.fetchall()]


async def told(conn: AsyncConnection[Any]) -> list[str]:
    """The types of all messages, oldest first, without their common beginning."""
    cursor = await conn.execute(
        "SELECT body ->> 'type' FROM notification ORDER BY created_at, alert_id, priority, notification_id"
    )
    return [row[0].removeprefix("anju.alert.") for row in await cursor.fetchall()]


async def states(conn: AsyncConnection[Any]) -> list[tuple[str, str, str | None]]:
    """Kind, state and outcome of all alerts, oldest first."""
    cursor = await conn.execute("SELECT kind, state, outcome FROM alert ORDER BY alert_id")
    return [(row[0], row[1], row[2]) for row in await cursor.fetchall()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One request as it came."""

    at: float
    path: str
    headers: dict[str, str]
    body: bytes
    method: str = "POST"

    @property
    def event(self) -> dict[str, Any]:
        """The body as JSON."""
        parsed: dict[str, Any] = json.loads(self.body)
        return parsed


Answer = Callable[[Received, asyncio.StreamWriter], Awaitable[None]]


def status(code: int, *headers: str, body: bytes = b"") -> Answer:
    """Answers every request alike."""

    async def answer(_: Received, writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {code} Said", f"content-length: {len(body)}", *headers]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    return answer


@dataclass(slots=True, kw_only=True, eq=False)
class Receiver:
    """A real HTTP server on loopback that keeps what it gets and answers as it is told."""

    answer: Answer = field(default_factory=lambda: status(204))
    received: list[Received] = field(default_factory=list)
    port: int = 0
    connections: int = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}/desk"

    @property
    def events(self) -> list[dict[str, Any]]:
        """The bodies of all requests."""
        return [request.event for request in self.received]

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: requests one after the other."""
        self.connections += 1
        with contextlib.suppress(OSError, EOFError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                at = asyncio.get_running_loop().time()
                headers = {
                    name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)
                }
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                method, path, _ = head[0].split(" ")
                request = Received(at=at, path=path, headers=headers, body=body, method=method)
                self.received.append(request)
                await self.answer(request, writer)
                await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def receiver(answer: Answer | None = None) -> AsyncIterator[Receiver]:
    """Starts a receiver and ends it with all its connections."""
    desk = Receiver() if answer is None else Receiver(answer=answer)
    handlers: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(desk.handle(reader, writer))
        handlers.add(task)
        task.add_done_callback(handlers.discard)
        task.add_done_callback(lambda _: writer.close())

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    desk.port = server.sockets[0].getsockname()[1]
    try:
        yield desk
    finally:
        server.close()
        for task in list(handlers):
            task.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)
        await server.wait_closed()


@dataclass(slots=True, kw_only=True)
class Clock:
    """A clock that moves only when it is told to."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **span: float) -> datetime:
        """Moves on and returns the new time."""
        self.now += timedelta(**span)
        return self.now
