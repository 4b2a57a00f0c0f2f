"""How late this home's water would tell of a fall: "if she fell now, it would be noticed by 19:40 at the latest". Pure.

Water stops with the fall. It is noticed with the first reading after the line is crossed, once that has arrived. So the
latest moment is made up of the next reading (up to which there may have been use), the line from there, the reading
that shows it, and as late an upload as has been seen. The presses of a button are no part of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Final

from pydantic import JsonValue

from alerts.findings import Kind, Reason
from rules import presence
from rules.dry import tolerance_s
from rules.hidden import hidden
from rules.snapshot import Installation, Snapshot, instant
from rules.water import blur_l, spacing, stretches
from rules.zones import zone

LATE_SHARE: Final = 0.95
"""Of the uploads seen, so many came no later than what is counted with."""
_MISSED: Final = 3  # so many readings may be late before a meter counts as silent
_SECONDS: Final = 5.0

Notice = Callable[[datetime], datetime]
"""From the last use to the moment at which its lack is too long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """By when a fall at this moment would be noticed by water, and what that is made of.

    Attributes:
        noticed_by: at the latest; None where water would not tell.
        reason: the sentence.
        interval: how often the slowest meter reads.
        delay: how much later its readings arrive.
        line: how long without use is too long, from the next reading on.
    """

    noticed_by: datetime | None
    reason: Reason
    interval: timedelta | None = None
    delay: timedelta | None = None
    line: timedelta | None = None


def effective_latency(snapshot: Snapshot, now: datetime, *, notice: Notice | None = None) -> Latency:
    """By when water would tell of a fall now.

    Args:
        snapshot: the home, as a look reads it.
        now: the moment of the fall.
        notice: the home's first line; the soft window of its policy where it has none of its own.
    """
    meters = [device for device in snapshot.installations if device.meters_water and device.removed_at is None]
    blind = _blind(snapshot, meters, now)
    if blind is not None:
        return Latency(noticed_by=None, reason=blind)
    if Kind.INACTIVITY in snapshot.open_kinds:
        return Latency(noticed_by=now, reason=Reason(id="latency_already", values={}))
    interval = max(spacing(meter) for meter in meters)
    delay = max(_delay(meter) for meter in meters)
    window = snapshot.policy.inactivity_window
    window -= timedelta(seconds=tolerance_s(window.total_seconds()))
    last_use = max(_next_reading(meter, now) for meter in meters)
    crossed = notice(last_use) if notice is not None else last_use + window
    read = max(_reading_at(meter, crossed) for meter in meters)
    noticed_by = read + delay + timedelta(seconds=_SECONDS)
    line = crossed - last_use
    return Latency(
        noticed_by=noticed_by,
        reason=Reason(
            id="latency_by",
            values={
                "by": local_time(noticed_by, now, snapshot.time_zone),
                "interval_s": round(interval.total_seconds()),
                "delay_s": round(delay.total_seconds()),
                "line_s": round(line.total_seconds()),
            },
        ),
        interval=interval,
        delay=delay,
        line=line,
    )


def local_time(at: datetime, now: datetime, time_zone: str) -> str:
    """An instant by the home's clock, "19:40"; with its date where that is not today's."""
    local = zone(time_zone)
    there, here = at.astimezone(local), now.astimezone(local)
    return f"{there:%H:%M}" if there.date() == here.date() else f"{there:%Y-%m-%d %H:%M}"


def _blind(snapshot: Snapshot, meters: Sequence[Installation], now: datetime) -> Reason | None:
    """Why water would not tell."""
    if not meters:
        return Reason(id="latency_no_meter", values={})
    absence = presence.away_at(snapshot.absences, now)
    if absence is not None:
        return Reason(id="latency_away", values={"until": local_time(absence.until_at, now, snapshot.time_zone)})
    if snapshot.incidents:
        return Reason(id="latency_incident", values={})
    if snapshot.hearing is None:
        return Reason(id="latency_deaf", values={})
    for meter in meters:
        covered = stretches(meter)
        if meter.pulses_unknown or blur_l(meters) > snapshot.policy.inactivity_volume_l:
            return Reason(id="latency_impaired", values={"device": meter.device})
        covered_until = instant(covered[-1].at_s[-1]) if covered else meter.installed_at
        silent = now - covered_until
        if not covered or silent > _delay(meter) + max(
            _MISSED * meter.interval, snapshot.policy.silence_limit(meter.interval.total_seconds())
        ):
            values: dict[str, JsonValue] = {"device": meter.device, "silent_s": round(silent.total_seconds())}
            return Reason(id="latency_meter_silent", values=values)
        if hidden(snapshot, meter, covered[-1], now) is not None:
            return Reason(id="latency_impaired", values={"device": meter.device})
    return None


def _delay(meter: Installation) -> timedelta:
    """How late its readings arrive, but for the latest few."""
    water = meter.water
    if water.received_s:
        late_s = sorted(received - at_s for received, at_s in zip(water.received_s, water.measured_s, strict=True))
        return timedelta(seconds=max(0.0, late_s[ceil(LATE_SHARE * len(late_s)) - 1]))
    if meter.heard_at is None or not water.measured_s:
        return timedelta()
    return max(timedelta(), meter.heard_at - instant(water.measured_s[-1]))


def _next_reading(meter: Installation, after: datetime) -> datetime:
    """The first reading to be expected after an instant, on from the last one known."""
    return _on_grid(meter, after, strictly=True)


def _reading_at(meter: Installation, at: datetime) -> datetime:
    return _on_grid(meter, at, strictly=False)


def _on_grid(meter: Installation, at: datetime, *, strictly: bool) -> datetime:
    last = instant(meter.water.measured_s[-1])
    apart = spacing(meter)
    steps = ceil((at - last) / apart)
    if strictly and last + steps * apart <= at:
        steps += 1
    return last + max(0, steps) * apart
