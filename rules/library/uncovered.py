"""Uncovered: a water meter is heard, yet sends no reading that inactivity could be judged by.

Neither silence nor calm.
"""

from datetime import datetime, timedelta
from typing import Final

from alerts.findings import Reason
from rules.rule import Impairment, Judgement
from rules.snapshot import Installation, Snapshot, instant

_WINDOWS: Final = 2


class Uncovered:
    """Finds meters that are heard but have not covered anything for two windows."""

    name = "uncovered"
    release = 1
    max_latency = timedelta(hours=24)

    def evaluate(self, snapshot: Snapshot, now: datetime) -> Judgement:
        """Judges every installed water meter."""
        meters = [d for d in snapshot.installations if d.meters_water and d.removed_at is None]
        if not meters:
            return Judgement(next_due=now + self.max_latency)
        if snapshot.hearing is None:
            return Judgement(next_due=now + min(meter.interval for meter in meters), impairments_known=False)
        impairments: list[Impairment] = []
        next_due = now + self.max_latency
        heard_all = True
        for meter in meters:
            silence = snapshot.policy.silence_limit(meter.interval.total_seconds())
            covered = max([meter.installed_at, *map(instant, meter.water.measured_s[-1:])])
            bound = max(_WINDOWS * snapshot.policy.inactivity_window, snapshot.policy.inactivity_window + silence)
            if now <= covered + bound:
                next_due = min(next_due, max(covered + bound, now + meter.interval))
                continue
            next_due = min(next_due, now + meter.interval)
            # One that is not heard at all is lost, which is not ours to say; what was said of it stays.
            if meter.heard_at is not None and snapshot.hearing.until <= meter.heard_at + silence:
                impairments.append(_impairment(meter, covered, now))
            else:
                heard_all = False
        return Judgement(next_due=next_due, impairments=tuple(impairments), impairments_known=heard_all)


def _impairment(meter: Installation, covered: datetime, now: datetime) -> Impairment:
    return Impairment(
        about=meter.device,
        since=covered,
        reason=Reason(
            id="monitoring_no_water_reading",
            values={"device": meter.device, "uncovered_s": round((now - covered).total_seconds())},
        ),
    )
