"""Battery low: a device will soon fall silent for want of power.

By what it measures, where it says a figure; else by the device's own word for it. One case per home names them all.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pydantic import JsonValue

from alerts.findings import Finding, Kind, Reason, Severity, Subject, Verdict
from devices.model import EventKind
from rules.plainly import later, plain
from rules.rule import Judgement
from rules.snapshot import Installation, Snapshot
from rules.standing import standing

_MARGIN_PCT: Final = 5.0
"""A battery that was told to be low trembles around the limit with the warmth of the room."""
_OVER_WITHIN: Final = timedelta(hours=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Low:
    device: str
    since: datetime
    pct: float | None

    @property
    def named(self) -> str:
        return self.device if self.pct is None else f"{self.device} ({self.pct:.0f} %)"


class BatteryLow:
    """Raises one case per home; it ends when all its batteries were charged or exchanged, or their devices were."""

    name = "battery_low"
    release = 1
    max_latency = timedelta(hours=24)

    def evaluate(self, snapshot: Snapshot, now: datetime) -> Judgement:
        """Judges every installed device that has said anything of its battery."""
        installed = [device for device in snapshot.installations if device.removed_at is None]
        limit_pct = snapshot.policy.battery_low_pct
        low = sorted(
            (found for device in installed if (found := _low(device, limit_pct)) is not None),
            key=lambda found: (found.since, found.device),
        )
        known_since = snapshot.ongoing.get(self.name)
        if low:
            since = known_since or low[0].since
            finding = _finding(snapshot, Verdict.RAISE, since, _reason(low), _evidence(low))
            return Judgement(findings=(finding,), next_due=now + _OVER_WITHIN, ongoing_since=since)
        if known_since is None and Kind.BATTERY_LOW not in snapshot.open_kinds:
            return later(plain(snapshot), now, self.max_latency)
        if any(_unsure(device, limit_pct, known_since) for device in installed):
            return Judgement(next_due=now + _OVER_WITHIN, ongoing_since=known_since)
        charged_at = max((d.battery.measured_at for d in installed if d.battery is not None), default=now)
        reason = Reason(id="battery_fine", values={})
        return Judgement(
            findings=(_finding(snapshot, Verdict.CLEAR, charged_at, reason, {}),), next_due=now + self.max_latency
        )


def _low(device: Installation, limit_pct: float) -> _Low | None:
    said, battery = standing(device, EventKind.LOW_BATTERY), device.battery
    if battery is not None and (said is None or battery.measured_at >= said.measured_at):
        if battery.pct > limit_pct:
            return None
        return _Low(device=device.device, since=battery.measured_at, pct=battery.pct)
    return None if said is None else _Low(device=device.device, since=said.measured_at, pct=None)


def _unsure(device: Installation, limit_pct: float, known_since: datetime | None) -> bool:
    """Whether it may be the one of which it was told, and still low."""
    if device.battery is not None:
        return device.battery.pct <= limit_pct + _MARGIN_PCT
    # Nothing is heard of it any more: its battery may be flat.
    silent = device.heard_at is None or (known_since is not None and device.heard_at <= known_since)
    return silent and known_since is not None and device.installed_at <= known_since


def _reason(low: list[_Low]) -> Reason:
    return Reason(id="battery_low", values={"devices": ", ".join(found.named for found in low)})


def _evidence(low: list[_Low]) -> dict[str, JsonValue]:
    return {found.device: {"pct": found.pct, "measured_at": found.since.isoformat()} for found in low}


def _finding(
    snapshot: Snapshot, verdict: Verdict, since: datetime, reason: Reason, evidence: dict[str, JsonValue]
) -> Finding:
    return Finding(
        subject=Subject(home_id=snapshot.home_id),
        kind=Kind.BATTERY_LOW,
        verdict=verdict,
        severity=Severity.TECHNICAL,
        since=since,
        reason=reason,
        evidence=evidence,
    )
