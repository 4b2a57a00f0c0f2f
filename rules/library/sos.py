"""SOS: a press raises at once, whatever else is known.

Late, it says how old it is; from a device nobody installed, it says so.
"""

from datetime import datetime

from alerts.findings import Finding, Kind, Reason, Severity, Verdict
from rules.woken import LATE_AFTER, Woken


def judge(woken: Woken, now: datetime) -> tuple[Finding, ...]:
    """What a button press means."""
    age = now - woken.event.measured_at
    late = age > LATE_AFTER
    message = "sos_pressed" if woken.home_id is not None else "sos_unknown_device"
    age_s = round(age.total_seconds())
    return (
        Finding(
            subject=woken.subject,
            kind=Kind.SOS if woken.home_id is not None else Kind.SOS_UNKNOWN_DEVICE,
            verdict=Verdict.RAISE,
            severity=Severity.URGENT,
            since=woken.event.measured_at,
            reason=Reason(
                id=f"{message}_late" if late else message,
                values={"device": woken.device, "age_s": age_s} if late else {"device": woken.device},
            ),
            evidence={"device": woken.device, "received_at": woken.event.received_at.isoformat()},
            event_id=woken.event.event_id,
        ),
    )
