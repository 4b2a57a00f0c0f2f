"""What each verdict of a rule does to the life of a case. What people do with it is in `alerts.life.handling`.

Pure: a case, its past, a finding and `now` go in; the changed case, its entry and its message come out.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from pydantic import JsonValue

from alerts.life.case import Action, Case, Change, Escalation, Past
from alerts.life.moves import Move, move
from alerts.messages import MessageType
from alerts.model import Finding, Outcome, Reason, Severity, State, Verdict

#: A condition that holds after a person closed its case, and of which it is unknown whether it began anew, may be
#: raised again after this time.
REARM_AFTER: Final = timedelta(hours=12)


#: Reasons of cases that a person opened: what a rule does not see does not end them.
FOUND_BY_PERSON: Final = frozenset({"leak_found_by_person"})


def judge(finding: Finding, current: Case | None, past: Past, now: datetime) -> Change | None:
    """What a finding does to the case of its subject and kind; None: nothing.

    Args:
        finding: What a rule concluded.
        current: The case that is not closed, if there is one.
        past: What went before.
        now: When the finding is reported.
    """
    match finding.verdict:
        case Verdict.RAISE if finding.event_id is not None:
            return _call(finding, current, past, now)
        case Verdict.RAISE:
            return _hold(finding, current, past, now)
        case Verdict.CLEAR:
            return _clear(finding, current, past, now)
        case Verdict.RECORD:
            return _record(finding, past, now)


def _call(finding: Finding, current: Case | None, past: Past, now: datetime) -> Change | None:
    """A press or a fall: never held back, but each only once."""
    if past.event_entered:
        return None
    if current is None:
        return begin(finding, now)
    severity = max(current.severity, finding.severity, key=lambda severity: severity.rank)
    return Change(
        case=replace(
            current,
            state=move(current.state, Move.RAISE),
            severity=severity,
            muted_until=_still_muted(current, severity),
            since=min(current.since, finding.since),
            reason=_numbered(finding.reason, current.times_raised + 1),
            evidence=finding.evidence,
            times_raised=current.times_raised + 1,
        ),
        entry=Action.RAISED_AGAIN,
        tell=MessageType.RAISED_AGAIN,
        escalation=Escalation.START,
    )


def _still_muted(current: Case, severity: Severity) -> datetime | None:
    """Only what is for the technicians may be muted."""
    return current.muted_until if severity is Severity.TECHNICAL else None


def _numbered(reason: Reason, times: int) -> Reason:
    also = reason.values.get("also", [])
    number: JsonValue = {"id": "call_number", "values": {"times": times}}
    return replace(reason, values={**reason.values, "also": [*(also if isinstance(also, list) else []), number]})


def _hold(finding: Finding, current: Case | None, past: Past, now: datetime) -> Change | None:
    """A condition that lasts: raised once, then kept up to date."""
    if current is None:
        closed = past.closed_by_person
        if closed is not None and is_same_episode(finding, closed, now):
            return None
        return begin(finding, now)
    updated = replace(
        current,
        state=move(current.state, Move.RAISE),
        severity=finding.severity,
        since=finding.since,
        reason=finding.reason,
        evidence=finding.evidence,
        muted_until=_still_muted(current, finding.severity),
    )
    if current.sign_of_life_at is not None and finding.since > current.since:
        again = replace(updated, times_raised=current.times_raised + 1, sign_of_life_at=None)
        return Change(case=again, entry=Action.RAISED_AGAIN, tell=MessageType.RAISED_AGAIN, escalation=Escalation.START)
    if updated == current:
        return None
    if finding.severity.rank > current.severity.rank:
        return Change(case=updated, entry=Action.UPDATED, tell=MessageType.UPDATED, escalation=Escalation.START)
    told_apart = (updated.severity, updated.since, updated.reason.id) != (
        current.severity,
        current.since,
        current.reason.id,
    )
    return Change(case=updated, entry=Action.UPDATED if told_apart else None)


def _clear(finding: Finding, current: Case | None, past: Past, now: datetime) -> Change | None:
    if not finding.kind.clears:
        return None
    if current is None:
        closed = past.closed_by_person
        if closed is None or closed.sign_of_life_at is not None:
            return None
        # The next time the condition holds it is a new episode, whatever its exact beginning.
        return Change(case=replace(closed, sign_of_life_at=now), entry=Action.SIGN_OF_LIFE)
    if current.reason.id in FOUND_BY_PERSON:
        return None
    if move(current.state, Move.CLEAR) is State.CLOSED:
        ended = replace(current, state=State.CLOSED, closed_at=now, outcome=Outcome.RESOLVED_BY_SIGN_OF_LIFE)
        return Change(case=ended, entry=Action.CLEARED, tell=MessageType.CLEARED, escalation=Escalation.STOP)
    if current.sign_of_life_at is not None:
        return None
    return Change(case=replace(current, sign_of_life_at=now), entry=Action.SIGN_OF_LIFE)


def _record(finding: Finding, past: Past, now: datetime) -> Change | None:
    if past.since_known:
        return None
    case = replace(begin(finding, now).case, state=State.CLOSED, closed_at=now, outcome=Outcome.RECORDED)
    return Change(case=case, entry=Action.RECORDED)


def begin(finding: Finding, now: datetime) -> Change:
    """A case that a finding opens."""
    case = Case(
        alert_id=None,
        kind=finding.kind,
        severity=finding.severity,
        state=State.OPEN,
        since=finding.since,
        raised_at=now,
        reason=finding.reason,
        evidence=finding.evidence,
    )
    return Change(case=case, entry=Action.RAISED, tell=MessageType.RAISED, escalation=Escalation.START)


def is_same_episode(finding: Finding, closed: Case, now: datetime) -> bool:
    """Whether a lasting condition is the one whose case a person closed: raising it would make closing pointless.

    A `since` between the beginning of the closed case and its closing tells neither: the resident may have used water
    shortly before the case was closed and have fallen after it. Then a sign of life decides, and failing that, time.
    """
    if closed.closed_at is None or finding.since > closed.closed_at:
        return False
    if finding.since <= closed.since:
        return True
    return closed.sign_of_life_at is None and now - closed.closed_at < REARM_AFTER
