"""A button behind ChirpStack presses while the readings of the meters behind the same ChirpStack wait in their queue.

Both publish on topics of one form: only the subscription to that button alone brings its press past the backlog.
"""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from devices.quantities import WATER_TOTAL
from tests.chaos.presses import BACKLOG, environment, homes_told, judged_and_told, ready, told
from tests.servers import Mosquitto, eventually
from tests.stages import Hook, Stage
from tests.traffic import BUSY_BROKER, Meters, Publisher, assert_stored, count, install, stored

BUTTON = "24e124535b316056"
TOTALS = f"SELECT count(*) FROM reading WHERE quantity = {WATER_TOTAL.code}"


def uplink(eui: str, number: int, at: datetime, found: dict[str, object]) -> tuple[str, bytes]:
    """Topic and payload of an uplink as ChirpStack publishes it, without what nobody reads."""
    message = {
        "deduplicationId": f"9f6b3a52-53f0-4a3c-8b39-{number:012x}",
        "time": at.isoformat(timespec="milliseconds"),
        "deviceInfo": {"deviceProfileName": "Homes, class A", "devEui": eui},
        "object": found,
        "rxInfo": [{"gatewayId": "0016c001f153a14c", "rssi": -101}, {"gatewayId": "0016c001f153a14d", "rssi": -57}],
    }
    return f"application/17c82e96/device/{eui}/event/up", json.dumps(message, separators=(",", ":")).encode()


class LorawanMeters(Meters):
    """Meters behind ChirpStack."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.names = [f"24e124136c{number:06x}" for number in range(count)]
        self._first_at = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)

    def next(self) -> tuple[str, bytes]:
        number = len(self.published)
        name = self.names[number % len(self.names)]
        at = self._first_at + timedelta(milliseconds=number)
        self.published.add((name, at, float(number)))
        return uplink(name, number, at, {"decoded": {"totalVolume": float(number)}, "hexBytes": ""})


@pytest.mark.alone
async def test_a_chirpstack_button_is_not_held_up_by_chirpstack_meters(
    mosquitto: Callable[..., Mosquitto], database_url: str, database: AsyncConnection[TupleRow], folder: Path
) -> None:
    broker = mosquitto(BUSY_BROKER)
    meters = LorawanMeters(200)
    await install(database, [*meters.names, "probe", BUTTON])
    await database.execute("UPDATE device SET driver = 'chirpstack' WHERE name <> 'probe'")
    await database.execute("UPDATE device SET model = 'WS101' WHERE name = %s", [BUTTON])
    with Hook() as hook:
        options = environment(database_url, broker, hook)
        ingest = Stage("ingest", folder, options)
        async with judged_and_told(folder, options), Publisher(broker.port, in_flight=5000) as publisher:
            with ingest:
                await ready(database, publisher, hook, "ingest")
                await eventually(lambda: "call_buttons_changed" in ingest.log, 15)
                assert ingest.stop() == 0
            await meters.publish(publisher, BACKLOG)
            await publisher.drain(180)
            with ingest:

                async def draining() -> bool:
                    return await count(database, TOTALS) > 0

                await eventually(draining, 30, interval_s=0.005)
                pressed_at = time.monotonic()
                press = uplink(BUTTON, 2**40, datetime.now(UTC), {"button_event": {"status": "short press"}})
                await publisher.publish(*press)
                await eventually(lambda: BUTTON in homes_told(hook), 20, interval_s=0.005)
                to_go = BACKLOG - await count(database, TOTALS)
                (took_s,) = [at - pressed_at for home, _, at in told(hook) if home == f"home of {BUTTON}"]
                print(f"press told after {took_s * 1000:.0f} ms, with {to_go} readings to go")
                assert to_go > 50_000
                assert took_s < 2

                async def drained() -> bool:
                    return await count(database, TOTALS) >= BACKLOG

                await eventually(drained, 90, interval_s=0.2)
                # The press's copy came last in that queue. It is the same event.
                await meters.publish(publisher, 1)
                await publisher.drain()

                async def passed() -> bool:
                    return await count(database, TOTALS) > BACKLOG

                await eventually(passed, 20)
                assert await count(database, f"SELECT count(*) FROM event WHERE device_name = '{BUTTON}'") == 1
                assert [home for home, _, _ in told(hook)].count(f"home of {BUTTON}") == 1
                assert await count(database, "SELECT count(*) FROM quarantine_count") == 0
    assert_stored(await stored(database), meters.published)
