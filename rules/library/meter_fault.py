"""Meter fault: a meter says that it is out of order, has air in it or runs backwards, or its register broke off.

A register that starts anew without a new installation was reset, exchanged or tampered with: use is told from the break
on, and what was used across it is lost. A person ends the case: nothing that the meter says later undoes it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from alerts.findings import Finding, Kind, Reason, Severity, Subject, Verdict
from devices import meters
from devices.model import EventKind
from rules.plainly import plain, while_rising
from rules.rule import Judgement
from rules.snapshot import OVERLAP, Installation, Snapshot, instant
from rules.standing import standing

_SAYINGS: Final = {
    EventKind.FAULT: "meter_out_of_order",
    EventKind.DRY: "meter_dry",
    EventKind.BACKFLOW: "meter_backflow",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fault:
    since: datetime
    device: str
    reason: Reason


class MeterFault:
    """Raises one case per home; a register that breaks off again is a new episode, a state that goes on is none."""

    name = "meter_fault"
    release = 2
    max_latency = timedelta(hours=24)

    def evaluate(self, snapshot: Snapshot, now: datetime) -> Judgement:
        """Judges every installed device: others than meters may say that they are out of order."""
        installed = [device for device in snapshot.installations if device.removed_at is None]
        # Where the span that is read begins, a senseless value may seem to be the register: what is older was judged.
        news_from = snapshot.judge_from(now) - OVERLAP
        broken = sorted(
            (found for device in installed for found in _broken(device) if found.since > news_from), key=_order
        )
        said = sorted((found for device in installed for found in _said(device)), key=_order)
        if not (broken or said):
            known = None if any(device.said for device in installed) else plain(snapshot)
            return while_rising(known, now, self.max_latency)
        known_since = snapshot.ongoing.get(self.name)
        if broken:
            told = broken[-1]
            since = told.since if known_since is None else max(told.since, known_since)
        else:
            told = said[0]
            since = known_since or told.since
        finding = Finding(
            subject=Subject(home_id=snapshot.home_id),
            kind=Kind.METER_FAULT,
            verdict=Verdict.RAISE,
            severity=Severity.TECHNICAL,
            since=since,
            reason=told.reason,
            evidence={
                "faults": [
                    {"device": fault.device, "what": fault.reason.id, "at": fault.since.isoformat()}
                    for fault in (*broken, *said)
                ]
            },
        )
        return Judgement(findings=(finding,), next_due=now + self.max_latency, ongoing_since=since)


def _order(fault: _Fault) -> tuple[datetime, str, str]:
    return fault.since, fault.device, fault.reason.id


def _broken(device: Installation) -> list[_Fault]:
    water = device.water
    found = meters.breaks(
        water.measured_s, water.totals_l, step_l=water.step_l, pulse_l=water.pulse_l, received_s=water.received_s
    )
    return [
        _Fault(
            since=instant(each.at_s),
            device=device.device,
            reason=Reason(
                id="meter_fell" if each.after_l < each.before_l else "meter_leapt",
                values={
                    "device": device.device,
                    "before_l": round(each.before_l, 3),
                    "after_l": round(each.after_l, 3),
                },
            ),
        )
        for each in found
    ]


def _said(device: Installation) -> list[_Fault]:
    return [
        _Fault(
            since=said.measured_at, device=device.device, reason=Reason(id=message, values={"device": device.device})
        )
        for kind, message in _SAYINGS.items()
        if (said := standing(device, kind)) is not None
    ]
