"""The life of a case, and what each verdict of a rule does to it. What people do with it is in `alerts.life.handling`.

Pure: a case, its past, a finding and `now` go in; the changed case, its entry and its message come out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from pydantic import JsonValue

from alerts.life.moves import Move, move
from alerts.messages import MessageType
from alerts.model import Attending, Finding, Kind, Outcome, Reason, Severity, State, Verdict

#: A condition that holds after a person closed its case, and of which it is unknown whether it began anew, may be
#: raised again after this time.
REARM_AFTER: Final = timedelta(hours=12)


#: Reasons of cases that a person opened: what a rule does not see does not end them.
FOUND_BY_PERSON: Final = frozenset({"leak_found_by_person"})


class Action(StrEnum):
    """What an entry of the history says was done."""

    RAISED = "raised"
    RAISED_AGAIN = "raised_again"
    UPDATED = "updated"
    SIGN_OF_LIFE = "sign_of_life"
    CLEARED = "cleared"
    RECORDED = "recorded"
    ACKNOWLEDGED = "acknowledged"
    ON_THE_WAY = "on_the_way"
    ON_SCENE = "on_scene"
    DECLINED = "declined"
    GIVEN_BACK = "given_back"
    LAPSED = "lapsed"
    ASSIGNED = "assigned"
    COMMENTED = "commented"
    MUTED = "muted"
    UNMUTED = "unmuted"
    CLOSED = "closed"
    REOPENED = "reopened"
    HANDED_ON = "handed_on"


class Escalation(StrEnum):
    """What a change does to the telling of a case.

    START: from step one, at once, or when the case is not muted any more. AWAIT: somebody has it; what is not sent yet
    is withdrawn, reminders begin. HURRY: the next step at once. HOLD: nothing is sent before the case is not muted any
    more. STOP: it is over; what is not sent yet is withdrawn.
    """

    START = "start"
    AWAIT = "await"
    HURRY = "hurry"
    HOLD = "hold"
    STOP = "stop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One alert as it stands. `alert_id` is None until it is written; `version` counts its writings.

    Whoever takes it is `acknowledged_by`; who sees to it now is `assigned_to`, never empty in a case that is taken.
    """

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
    acknowledged_by: str | None = None
    assigned_to: str | None = None
    on_the_way_at: datetime | None = None
    on_scene_at: datetime | None = None
    muted_until: datetime | None = None
    closed_at: datetime | None = None
    outcome: Outcome | None = None
    sign_of_life_at: datetime | None = None

    @property
    def attending(self) -> Attending | None:
        """How far whoever goes there has come."""
        if self.on_scene_at is not None:
            return Attending.ON_SCENE
        return None if self.on_the_way_at is None else Attending.ON_THE_WAY

    def muted(self, now: datetime) -> bool:
        """Whether nobody is to be told yet."""
        return self.muted_until is not None and self.muted_until > now


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What went before, of the same subject and kind.

    Attributes:
        event_entered: The finding's press or fall is already in the history of a case, open or closed.
        since_known: A case with the very `since` of a RECORD exists, open or closed.
        closed_by_person: The case that a person closed last.
    """

    event_entered: bool = False
    since_known: bool = False
    closed_by_person: Case | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A case as it is to be, and what comes of it.

    Attributes:
        case: As it is to be.
        entry: What the history says was done; None: only figures were refreshed.
        tell: What is told of it; None: nothing.
        escalation: What becomes of the telling; None: it goes on as it did.
        detail: What the entry remembers besides.
    """

    case: Case
    entry: Action | None
    tell: MessageType | None = None
    escalation: Escalation | None = None
    detail: Mapping[str, JsonValue] = field(default_factory=dict)


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
