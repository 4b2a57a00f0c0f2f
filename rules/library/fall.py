"""Falls: reported by a device, or made out in the raw acceleration that it sent.

A device that has waited for a cancellation itself, and a fall that comes late, raise at once. Any other fall waits for
as long as the policy says: cancelled within that time it is recorded and nobody is told; cancelled later it stays for
a person, and says that it was cancelled. No absence holds it back. Once raised, it is looked at again a few times to
say what followed.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from alerts.findings import Finding, Kind, Reason, Severity, Verdict
from devices.model import EventKind
from rules.circumstances import circumstances, evidence_of, with_more
from rules.library import fall_followup
from rules.woken import LATE_AFTER, Answer, Event, Woken

CANCEL_WITHIN: Final = timedelta(seconds=120)
"""How long after a fall its cancellation counts."""


def judge(woken: Woken, now: datetime) -> Answer:
    """What a fall event means, and when to look at it again."""
    if woken.told is not None:
        cancelled = None if woken.cancelled_at is None else _cancelled(woken, woken.event, woken.cancelled_at)
        return fall_followup.judge(woken, woken.told, now, cancelled=cancelled)
    if woken.cancelled_at is not None and _is_in_time(woken, woken.event, woken.cancelled_at):
        return Answer(findings=(_recorded(woken, woken.event, woken.cancelled_at),))
    held_until = _held_until(woken)
    if woken.cancelled_at is None and held_until is not None and now < held_until:
        return Answer(again_at=held_until)
    again_at = None if woken.home_id is None else fall_followup.next_look(woken.event, now)
    return Answer(findings=(_raised(woken, woken.event, woken.cancelled_at, now),), again_at=again_at)


def judge_cancelled(woken: Woken, now: datetime) -> Answer:
    """What a cancelled fall means: a fall that nobody need be told of, or another reason; nothing if there was none."""
    fall, cancelled_at = woken.fall, woken.event.measured_at
    if fall is None:
        return Answer()
    if woken.told is not None:
        if not woken.told.is_open:
            return Answer()
        cancelled = _cancelled(woken, fall, cancelled_at)
        return Answer(findings=(fall_followup.updated(woken, woken.told, cancelled=cancelled),))
    if _is_in_time(woken, fall, cancelled_at):
        return Answer(findings=(_recorded(woken, fall, cancelled_at),))
    raised = _raised(woken, fall, cancelled_at, now)
    # The fall itself, should nobody have judged it yet; then the new reason, which is no second call for help.
    return Answer(findings=(raised, replace(raised, event_id=None)))


def judge_burst(woken: Woken, now: datetime) -> Answer:
    """What raw acceleration means: a fall, more about a fall that the device reported itself, or nothing."""
    if woken.motion is None:
        return Answer()
    if woken.fall is None:
        return judge(woken, now) if woken.motion.is_fall else Answer()
    if woken.told is None or not (woken.told.is_open and woken.told.is_newest):
        return Answer()  # who judges the fall looks at the burst as well
    return Answer(findings=(fall_followup.updated(woken, woken.told),))


def _is_in_time(woken: Woken, fall: Event, cancelled_at: datetime) -> bool:
    return not woken.waited_s and (cancelled_at - fall.measured_at).total_seconds() <= woken.cancel_s


def _held_until(woken: Woken) -> datetime | None:
    if woken.waited_s:
        return None
    wait = timedelta(seconds=woken.cancel_s)
    late = woken.event.received_at - woken.event.measured_at
    return None if late >= wait else woken.event.received_at + wait


def _recorded(woken: Woken, fall: Event, cancelled_at: datetime) -> Finding:
    return Finding(
        subject=woken.subject,
        kind=_kind(woken),
        verdict=Verdict.RECORD,
        severity=Severity.SOFT,
        since=fall.measured_at,
        reason=_cancelled(woken, fall, cancelled_at),
        evidence={**evidence_of(woken, fall), "event_id": fall.event_id},
    )


def _raised(woken: Woken, fall: Event, cancelled_at: datetime | None, now: datetime) -> Finding:
    return Finding(
        subject=woken.subject,
        kind=_kind(woken),
        verdict=Verdict.RAISE,
        severity=Severity.URGENT,
        since=fall.measured_at,
        reason=_detected(woken, fall, now) if cancelled_at is None else _cancelled(woken, fall, cancelled_at),
        evidence=evidence_of(woken, fall),
        event_id=fall.event_id,
    )


def _kind(woken: Woken) -> Kind:
    return Kind.FALL if woken.home_id is not None else Kind.FALL_UNKNOWN_DEVICE


def _cancelled(woken: Woken, fall: Event, cancelled_at: datetime) -> Reason:
    after_s = max(0, round((cancelled_at - fall.measured_at).total_seconds()))
    reason = Reason(id="fall_cancelled", values={"device": woken.device, "after_s": after_s})
    return with_more(reason, circumstances(woken))


def _detected(woken: Woken, fall: Event, now: datetime) -> Reason:
    if woken.kind == EventKind.ACCELERATION_BURST:
        message = "fall_motion" if woken.home_id is not None else "fall_motion_unknown_device"
    else:
        message = "fall_detected" if woken.home_id is not None else "fall_unknown_device"
    age = now - fall.measured_at
    wait = timedelta(seconds=0.0 if woken.waited_s else woken.cancel_s)
    if age > LATE_AFTER + wait:
        reason = Reason(id=f"{message}_late", values={"device": woken.device, "age_s": round(age.total_seconds())})
    else:
        reason = Reason(id=message, values={"device": woken.device})
    return with_more(reason, circumstances(woken))
