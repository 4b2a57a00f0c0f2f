"""Falls: a device's fall event raises at once.

One cancelled on the device stays for a person, and says that it was cancelled.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from alerts.findings import Finding, Kind, Reason, Severity, Verdict
from rules.woken import LATE_AFTER, Event, Woken

CANCEL_WITHIN: Final = timedelta(seconds=120)
"""How long after a fall its cancellation counts."""


def judge(woken: Woken, now: datetime) -> tuple[Finding, ...]:
    """What a fall event means."""
    return (_finding(woken, woken.event, woken.cancelled_at, now),)


def judge_cancelled(woken: Woken, now: datetime) -> tuple[Finding, ...]:
    """What a cancelled fall means: the fall, with another reason; nothing if there was none."""
    if woken.fall is None:
        return ()
    fall = _finding(woken, woken.fall, woken.event.measured_at, now)
    # The fall itself, should nobody have judged it yet; then the new reason, which is no second call for help.
    return (fall, replace(fall, event_id=None))


def _finding(woken: Woken, fall: Event, cancelled_at: datetime | None, now: datetime) -> Finding:
    return Finding(
        subject=woken.subject,
        kind=Kind.FALL if woken.home_id is not None else Kind.FALL_UNKNOWN_DEVICE,
        verdict=Verdict.RAISE,
        severity=Severity.URGENT,
        since=fall.measured_at,
        reason=_reason(woken, fall, cancelled_at, now),
        evidence={"device": woken.device, "received_at": fall.received_at.isoformat()},
        event_id=fall.event_id,
    )


def _reason(woken: Woken, fall: Event, cancelled_at: datetime | None, now: datetime) -> Reason:
    if cancelled_at is not None:
        after_s = max(0, round((cancelled_at - fall.measured_at).total_seconds()))
        return Reason(id="fall_cancelled", values={"device": woken.device, "after_s": after_s})
    message = "fall_detected" if woken.home_id is not None else "fall_unknown_device"
    age = now - fall.measured_at
    if age > LATE_AFTER:
        return Reason(id=f"{message}_late", values={"device": woken.device, "age_s": round(age.total_seconds())})
    return Reason(id=message, values={"device": woken.device})
