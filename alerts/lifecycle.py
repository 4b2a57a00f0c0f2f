"""The life of a case: every move there is, and what each verdict does to it. All that decides about state is here.

Pure: a case, its past, a finding and `now` go in; the changed case, its entry and its message come out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from pydantic import JsonValue

from alerts.errors import IllegalMove
from alerts.messages import MessageType
from alerts.model import Finding, Kind, Outcome, Reason, Severity, State, Verdict


class Move(StrEnum):
    """What may happen to a case."""

    RAISE = "raise"
    CLEAR = "clear"
    ACKNOWLEDGE = "acknowledge"
    ATTEND = "attend"
    CLOSE = "close"


MOVES: Final[Mapping[tuple[State, Move], State]] = MappingProxyType(
    {
        (State.OPEN, Move.RAISE): State.OPEN,
        (State.ACKNOWLEDGED, Move.RAISE): State.ACKNOWLEDGED,
        (State.ATTENDING, Move.RAISE): State.ATTENDING,
        (State.OPEN, Move.CLEAR): State.CLOSED,
        # Who took a case ends it: the service only notes that the condition is over.
        (State.ACKNOWLEDGED, Move.CLEAR): State.ACKNOWLEDGED,
        (State.ATTENDING, Move.CLEAR): State.ATTENDING,
        (State.OPEN, Move.ACKNOWLEDGE): State.ACKNOWLEDGED,
        (State.OPEN, Move.ATTEND): State.ATTENDING,
        (State.ACKNOWLEDGED, Move.ATTEND): State.ATTENDING,
        (State.OPEN, Move.CLOSE): State.CLOSED,
        (State.ACKNOWLEDGED, Move.CLOSE): State.CLOSED,
        (State.ATTENDING, Move.CLOSE): State.CLOSED,
    }
)

#: A condition that holds after a person closed its case, and of which it is unknown whether it began anew, may be
#: raised again after this time.
REARM_AFTER: Final = timedelta(hours=12)


class Action(StrEnum):
    """What an entry of the history says was done."""

    RAISED = "raised"
    RAISED_AGAIN = "raised_again"
    UPDATED = "updated"
    SIGN_OF_LIFE = "sign_of_life"
    CLEARED = "cleared"
    RECORDED = "recorded"
    ACKNOWLEDGED = "acknowledged"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One alert as it stands. `alert_id` is None until it is written; `version` counts its writings."""

    alert_id: int | None
    version: int = 0
    kind: Kind
    severity: Severity
    state: State
    since: datetime
    raised_at: datetime
    reason: Reason
    evidence: Mapping[str, JsonValue]
    times_raised: int = 1
    acknowledged_at: datetime | None = None
    closed_at: datetime | None = None
    outcome: Outcome | None = None
    sign_of_life_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What went before, of the same subject and kind.

    Attributes:
        event_entered: The finding's press or fall is already in the history of a case, open or closed.
        since_known: A case with the finding's very `since` exists, open or closed.
        closed_by_person: The case that a person closed last.
    """

    event_entered: bool = False
    since_known: bool = False
    closed_by_person: Case | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A case as it is to be, the entry that says so (None: only figures were refreshed), and what is told of it."""

    case: Case
    entry: Action | None
    tell: MessageType | None = None


def move(state: State, wanted: Move) -> State:
    """The state after a move.

    Raises:
        IllegalMove: The table has no such move.
    """
    try:
        return MOVES[state, wanted]
    except KeyError:
        raise IllegalMove(f"cannot {wanted} an alert that is {state}") from None


def acknowledge(case: Case, now: datetime) -> Change:
    """Somebody has taken notice and sees to it.

    Raises:
        IllegalMove: The case is not open.
    """
    state = move(case.state, Move.ACKNOWLEDGE)
    return Change(
        case=replace(case, state=state, acknowledged_at=now), entry=Action.ACKNOWLEDGED, tell=MessageType.ACKNOWLEDGED
    )


def close(case: Case, outcome: Outcome, now: datetime) -> Change:
    """A person ends the case and says how it ended.

    Raises:
        IllegalMove: The case is closed already, or the outcome is one that only the service gives.
    """
    if not outcome.by_person:
        raise IllegalMove(f"outcome {outcome} is given by the service, not by a person")
    state = move(case.state, Move.CLOSE)
    return Change(
        case=replace(case, state=state, closed_at=now, outcome=outcome), entry=Action.CLOSED, tell=MessageType.CLOSED
    )


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
        return Change(case=_begin(finding, now), entry=Action.RAISED, tell=MessageType.RAISED)
    return Change(
        case=replace(
            current,
            state=move(current.state, Move.RAISE),
            severity=max(current.severity, finding.severity, key=lambda severity: severity.rank),
            since=min(current.since, finding.since),
            reason=_numbered(finding.reason, current.times_raised + 1),
            evidence=finding.evidence,
            times_raised=current.times_raised + 1,
        ),
        entry=Action.RAISED_AGAIN,
        tell=MessageType.RAISED_AGAIN,
    )


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
        return Change(case=_begin(finding, now), entry=Action.RAISED, tell=MessageType.RAISED)
    updated = replace(
        current,
        state=move(current.state, Move.RAISE),
        severity=finding.severity,
        since=finding.since,
        reason=finding.reason,
        evidence=finding.evidence,
    )
    if current.sign_of_life_at is not None and finding.since > current.since:
        again = replace(updated, times_raised=current.times_raised + 1, sign_of_life_at=None)
        return Change(case=again, entry=Action.RAISED_AGAIN, tell=MessageType.RAISED_AGAIN)
    if updated == current:
        return None
    if finding.severity.rank > current.severity.rank:
        return Change(case=updated, entry=Action.UPDATED, tell=MessageType.UPDATED)
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
    if move(current.state, Move.CLEAR) is State.CLOSED:
        ended = replace(current, state=State.CLOSED, closed_at=now, outcome=Outcome.RESOLVED_BY_SIGN_OF_LIFE)
        return Change(case=ended, entry=Action.CLEARED, tell=MessageType.CLEARED)
    if current.sign_of_life_at is not None:
        return None
    return Change(case=replace(current, sign_of_life_at=now), entry=Action.SIGN_OF_LIFE)


def _record(finding: Finding, past: Past, now: datetime) -> Change | None:
    if past.since_known:
        return None
    case = replace(_begin(finding, now), state=State.CLOSED, closed_at=now, outcome=Outcome.RECORDED)
    return Change(case=case, entry=Action.RECORDED)


def _begin(finding: Finding, now: datetime) -> Case:
    return Case(
        alert_id=None,
        kind=finding.kind,
        severity=finding.severity,
        state=State.OPEN,
        since=finding.since,
        raised_at=now,
        reason=finding.reason,
        evidence=finding.evidence,
    )


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
