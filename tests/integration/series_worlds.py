"""Made-up meters for the views of use: late, gappy, reset, rolled over, moved to another home, on days of 25 h."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from hypothesis import strategies as st

#: Around the ends of daylight saving: New York 1 November 2026 (25 h), Berlin 25 October 2026, and none in Shanghai.
START = datetime(2026, 10, 24, 3, 17, tzinfo=UTC)
ZONES = ("Asia/Shanghai", "America/New_York", "Europe/Berlin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One that a meter sent; a late one comes when the hours were aggregated already."""

    at: datetime
    total_l: float
    late: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """A meter in a home of a time zone; moved at an instant to a second one, or never."""

    zone: str
    readings: tuple[Reading, ...]
    moved_at: datetime | None


@st.composite
def meters(draw: st.DrawFn) -> Meter:
    at, total_l = START + timedelta(minutes=draw(st.integers(0, 600))), float(draw(st.sampled_from([0, 7000, 999_900])))
    found = []
    for _ in range(draw(st.integers(1, 60))):
        found.append(Reading(at=at, total_l=total_l, late=draw(st.integers(0, 9)) == 0))
        minutes = draw(st.sampled_from([1, 15, 15, 15, 60, 61, 600, 3000]))
        at += timedelta(minutes=minutes, seconds=draw(st.integers(0, 59)))
        match draw(st.integers(0, 19)):
            case 0:
                total_l = 0.0  # reset, or another register
            case 1:
                total_l = max(0.0, total_l - draw(st.integers(1, 20)))  # backflow
            case 2:
                total_l += 3.1e9  # a glitch
            case 3:
                total_l = (total_l + draw(st.integers(0, 300))) % 1e6  # six digits
            case _:
                total_l += draw(st.integers(0, 120))
    moved = draw(st.one_of(st.none(), st.integers(0, 10_000)))
    return Meter(
        zone=draw(st.sampled_from(ZONES)),
        readings=tuple(found),
        moved_at=None if moved is None else START + timedelta(minutes=moved, seconds=1),
    )


def register(conn: psycopg.Connection[Any], world: list[Meter]) -> list[int]:
    """Writes homes, devices and installations; returns the devices, in order."""
    conn.execute("INSERT INTO area (name, path) VALUES ('a', 'a') ON CONFLICT DO NOTHING")
    devices = []
    for meter in world:
        homes = [
            _one(
                conn,
                "INSERT INTO home (area_id, name, time_zone) SELECT area_id, gen_random_uuid()::text, %s FROM area"
                " WHERE path = 'a' RETURNING home_id",
                meter.zone,
            )
            for _ in range(1 if meter.moved_at is None else 2)
        ]
        device = _one(
            conn, "INSERT INTO device (name, driver) VALUES (gen_random_uuid()::text, 'native') RETURNING device_id"
        )
        spans = [(START, None)] if meter.moved_at is None else [(START, meter.moved_at), (meter.moved_at, None)]
        for home, (from_at, to) in zip(homes, spans, strict=True):
            conn.execute(
                "INSERT INTO installation (device_id, home_id, installed_at, removed_at) VALUES (%s, %s, %s, %s)",
                (device, home, from_at, to),
            )
        devices.append(device)
    return devices


def send(conn: psycopg.Connection[Any], devices: list[int], world: list[Meter], *, late: bool) -> None:
    """Appends the readings that came in time, or those that came late."""
    with conn.cursor() as cursor, cursor.copy("COPY reading FROM STDIN") as copy:
        for device, meter in zip(devices, world, strict=True):
            for reading in meter.readings:
                if reading.late is late:
                    copy.write_row((device, 1, reading.at, reading.at, reading.total_l))


def _one(conn: psycopg.Connection[Any], query: str, *values: object) -> Any:
    row = conn.execute(query.encode(), values).fetchone()
    assert row is not None
    return row[0]
