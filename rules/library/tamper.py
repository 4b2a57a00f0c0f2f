"""Tamper: somebody has opened, moved or held a magnet to a device.

That it has stopped says nothing of what was done, so a person ends the case.
"""

from datetime import datetime, timedelta

from alerts.findings import Finding, Kind, Reason, Severity, Subject, Verdict
from devices.model import EventKind
from rules.plainly import later, plain
from rules.rule import Judgement
from rules.snapshot import Snapshot
from rules.standing import standing


class Tamper:
    """Raises one case per home for all devices that say so; one that goes on saying so is told once."""

    name = "tamper"
    release = 1
    max_latency = timedelta(hours=24)

    def evaluate(self, snapshot: Snapshot, now: datetime) -> Judgement:
        """Judges every installed device."""
        said = {
            device.device: found.measured_at
            for device in snapshot.installations
            if device.removed_at is None and (found := standing(device, EventKind.TAMPER)) is not None
        }
        if not said:
            return later(plain(snapshot), now, self.max_latency)
        first = min(said.values())
        since = min(first, snapshot.ongoing.get(self.name, first))
        finding = Finding(
            subject=Subject(home_id=snapshot.home_id),
            kind=Kind.TAMPER,
            verdict=Verdict.RAISE,
            severity=Severity.TECHNICAL,
            since=since,
            reason=Reason(id="tamper", values={"devices": ", ".join(sorted(said))}),
            evidence={device: at.isoformat() for device, at in said.items()},
        )
        return Judgement(findings=(finding,), next_due=now + self.max_latency, ongoing_since=since)
