"""SOS: a press raises at once, whatever else is known.

Late, it says how old it is; from a device nobody installed, it says so; in an absence, it says whom to expect where.
"""

from datetime import datetime

from alerts.findings import Finding, Kind, Reason, Severity, Verdict
from rules.circumstances import circumstances, evidence_of, with_more
from rules.woken import LATE_AFTER, Answer, Woken


def judge(woken: Woken, now: datetime) -> Answer:
    """What a button press means."""
    age = now - woken.event.measured_at
    message = "sos_pressed" if woken.home_id is not None else "sos_unknown_device"
    if age > LATE_AFTER:
        reason = Reason(id=f"{message}_late", values={"device": woken.device, "age_s": round(age.total_seconds())})
    else:
        reason = Reason(id=message, values={"device": woken.device})
    finding = Finding(
        subject=woken.subject,
        kind=Kind.SOS if woken.home_id is not None else Kind.SOS_UNKNOWN_DEVICE,
        verdict=Verdict.RAISE,
        severity=Severity.URGENT,
        since=woken.event.measured_at,
        reason=with_more(reason, circumstances(woken)),
        evidence=evidence_of(woken, woken.event),
        event_id=woken.event.event_id,
    )
    return Answer(findings=(finding,))
