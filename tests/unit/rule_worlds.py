"""Homes made up for the tests of rules: snapshots as a look would read them."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from registry.policy import Policy
from rules.snapshot import Hearing, Installation, Snapshot, WaterSeries

NOON = datetime(2026, 3, 28, 12, tzinfo=UTC)
H = timedelta(hours=1)
MIN = timedelta(minutes=1)


def meter(
    readings: Iterable[tuple[datetime, float]],
    *,
    device: str = "meter-1",
    installed_at: datetime = NOON - 60 * 24 * H,
    removed_at: datetime | None = None,
    interval_s: int | None = 900,
    heard_at: datetime | None = None,
) -> Installation:
    """A water meter with its readings (instant, total in litres)."""
    pairs = list(readings)
    return Installation(
        device=device,
        installed_at=installed_at,
        removed_at=removed_at,
        interval_s=interval_s,
        heard_at=heard_at or (pairs[-1][0] if pairs else None),
        meters_water=True,
        water=WaterSeries(
            measured_s=[at.timestamp() for at, _ in pairs], totals_l=[float(total_l) for _, total_l in pairs]
        ),
    )


def hourly(use_l: Iterable[float], *, ends: datetime = NOON, start_l: float = 1000.0) -> list[tuple[datetime, float]]:
    """Hourly readings that end at `ends`; the n-th value is what the n-th hour used."""
    uses = list(use_l)
    readings = [(ends - len(uses) * H, start_l)]
    for hour, used_l in enumerate(uses, 1):
        readings.append((ends - (len(uses) - hour) * H, readings[-1][1] + used_l))
    return readings


def home(*installations: Installation, now: datetime = NOON, **known: object) -> Snapshot:
    """A home that is heard up to now and has been for ever."""
    facts: dict[str, object] = {
        "home_id": 7,
        "time_zone": "Asia/Shanghai",
        "policy": Policy(),
        "hearing": Hearing(until=now, since=now - 365 * 24 * H),
        "looked_until": now - 2 * H,
    }
    return Snapshot(**{**facts, "installations": installations, **known})  # type: ignore[arg-type]
