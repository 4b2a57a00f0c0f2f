"""How people end a case, take that back, and hand on what they found: pure, by the table in `alerts.life.moves`.

Each function returns the change, or raises IllegalMove and changes nothing.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from alerts.errors import IllegalMove
from alerts.life.case import Action, Case, Change, Escalation
from alerts.life.moves import Move, move
from alerts.life.verdicts import begin
from alerts.messages import MessageType
from alerts.model import Finding, Kind, Outcome, Reason, Severity, Subject, Verdict

#: How long after its end a case may be reopened by a person; later it is better to look anew.
REOPEN_WITHIN: Final = timedelta(hours=24)

_NOT_REOPENED: Final = frozenset({Outcome.RECORDED, Outcome.PROBE})


def close(case: Case, outcome: Outcome, now: datetime) -> Change:
    """A person ends the case and says how it ended.

    Raises:
        IllegalMove: The case is closed already, or the outcome is one that only the service gives.
    """
    if not outcome.by_person:
        raise IllegalMove(f"outcome {outcome} is given by the service, not by a person")
    return replace(_closed(case, outcome, now), tell=MessageType.CLOSED)


def close_probe(case: Case, now: datetime) -> Change:
    """The service ends the case of a press of its own; nobody hears of it.

    Raises:
        IllegalMove: The case is closed already.
    """
    return _closed(case, Outcome.PROBE, now)


def _closed(case: Case, outcome: Outcome, now: datetime) -> Change:
    ended = replace(case, state=move(case.state, Move.CLOSE), closed_at=now, outcome=outcome)
    return Change(case=ended, entry=Action.CLOSED, escalation=Escalation.STOP)


def reopen(case: Case, now: datetime, *, newer: int | None = None) -> Change:
    """It was closed by mistake: it stands open again, nobody has it, and the telling begins anew.

    Args:
        case: As it stands.
        now: The time.
        newer: The open case of the same subject and kind, if there is one.

    Raises:
        IllegalMove: It is not closed, was closed too long ago, was never told, or a newer one is open.
    """
    state = move(case.state, Move.REOPEN)
    if case.outcome in _NOT_REOPENED:
        raise IllegalMove(f"cannot reopen an alert that was {case.outcome}: nobody was ever told of it")
    if newer is not None:
        raise IllegalMove(f"cannot reopen this alert: a newer one of its kind is open, number {newer}")
    if case.closed_at is None or now - case.closed_at > REOPEN_WITHIN:
        hours = REOPEN_WITHIN // timedelta(hours=1)
        raise IllegalMove(f"cannot reopen an alert that was closed more than {hours} h ago")
    again = replace(
        case,
        state=state,
        closed_at=None,
        outcome=None,
        acknowledged_at=None,
        acknowledged_by=None,
        assigned_to=None,
        on_the_way_at=None,
        on_scene_at=None,
        muted_until=None,
    )
    return Change(
        case=again,
        entry=Action.REOPENED,
        tell=MessageType.REOPENED,
        escalation=Escalation.START,
        detail={"outcome_was": str(case.outcome)},
    )


def hand_on(leak: Case | None, home_id: int, alert_id: int, now: datetime) -> Change:
    """A leak that a person found while seeing to another case: the home's leak case is opened, or it is entered there.

    Args:
        leak: The home's leak case that is not closed, if there is one.
        home_id: Where.
        alert_id: The other case.
        now: When it was said.
    """
    if leak is not None:
        return Change(case=leak, entry=Action.HANDED_ON, detail={"found_in_alert": alert_id})
    found = Finding(
        subject=Subject(home_id=home_id),
        kind=Kind.LEAK,
        verdict=Verdict.RAISE,
        severity=Severity.SOFT,
        since=now,
        reason=Reason(id="leak_found_by_person", values={"alert": alert_id}),
        evidence={"found_in_alert": alert_id},
    )
    return begin(found, now)
