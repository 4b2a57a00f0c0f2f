"""What followed a fall: looked at again 2, 5, 15 and 60 minutes after it was heard, and said in its reason.

The case stays as grave as it is and nobody is told anew: who reads it, or is told of it later, reads what is known.
"""

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from alerts.findings import Finding, Kind, Reason, Severity, Verdict
from devices.model import EventKind
from rules.circumstances import circumstances, more_of, with_more
from rules.snapshot import Snapshot
from rules.water import cover
from rules.woken import Answer, Event, Told, Woken

LOOKS: Final = tuple(timedelta(minutes=minutes) for minutes in (2, 5, 15, 60))
_WATER, _MOTION, _PRESS, _NOTHING = (
    "followed_by_water",
    "followed_by_motion",
    "followed_by_press",
    "followed_by_nothing",
)
_FOLLOWED: Final = frozenset({_WATER, _MOTION, _PRESS, _NOTHING})
_PRESSES: Final = frozenset({EventKind.BUTTON_PRESS, EventKind.TEST_PRESS, EventKind.BUTTON_ACTION})
_USE_L: Final = 2.0
"""Less than this between two readings may be a drip."""


def next_look(event: Event, now: datetime) -> datetime | None:
    """When a fall is to be looked at again; None: never more."""
    return next((at for wait in LOOKS if (at := event.received_at + wait) > now), None)


def judge(woken: Woken, told: Told, now: datetime, *, cancelled: Reason | None) -> Answer:
    """What is to be said now of a fall that was raised; nothing once its case is closed or another fall came."""
    if not (told.is_open and told.is_newest):
        return Answer()
    return Answer(findings=(updated(woken, told, cancelled=cancelled),), again_at=next_look(woken.event, now))


def updated(woken: Woken, told: Told, *, cancelled: Reason | None = None) -> Finding:
    """The case as it is, with what is known by now in its reason.

    Args:
        woken: the fall, its cancellation or a burst of acceleration around it.
        told: the case.
        cancelled: what takes the place of the reason, if the fall was cancelled.
    """
    base = told.reason if cancelled is None else cancelled
    more = more_of(told.reason)
    known = {each.id for each in more}
    more += [each for each in circumstances(woken) if each.id not in known]
    if woken.followed is not None:
        more = [each for each in more if each.id not in _FOLLOWED] + list(woken.followed)
    return Finding(
        subject=woken.subject,
        kind=Kind.FALL if woken.home_id is not None else Kind.FALL_UNKNOWN_DEVICE,
        verdict=Verdict.RAISE,
        severity=Severity.URGENT,
        since=told.since,
        reason=with_more(base, more),
        evidence=told.evidence,
    )


def followed(snapshot: Snapshot, fall_at: datetime, now: datetime) -> tuple[Reason, ...]:
    """The signs of life that a home gave after a fall, each with how long after; else that there were none.

    Water counts from two readings that are both after the fall; a reading tells of use that may have ended earlier.
    """
    moved = [at for device in snapshot.installations if (at := device.motion_at) is not None and at > fall_at]
    pressed = [event.measured_at for event in snapshot.events if event.kind in _PRESSES and event.measured_at > fall_at]
    first = {
        _WATER: _first_use(snapshot, fall_at.timestamp()),
        _MOTION: min(moved).timestamp() if moved else None,
        _PRESS: min(pressed).timestamp() if pressed else None,
    }
    signs = [
        Reason(id=sign, values={"after_s": round(at_s - fall_at.timestamp())})
        for sign, at_s in sorted(first.items(), key=lambda item: item[1] or 0.0)
        if at_s is not None
    ]
    silent_s = max(0, round((now - fall_at).total_seconds()))
    return tuple(signs) or (Reason(id=_NOTHING, values={"silent_s": silent_s}),)


def _first_use(snapshot: Snapshot, fall_s: float) -> float | None:
    meters = [device for device in snapshot.installations if device.meters_water]
    return min(
        (
            segment.at_s[later]
            for segment in cover(meters)
            for earlier, later in pairwise(range(len(segment.at_s)))
            if segment.at_s[earlier] >= fall_s and segment.low_l[later] - segment.high_l[earlier] >= _USE_L
        ),
        default=None,
    )
