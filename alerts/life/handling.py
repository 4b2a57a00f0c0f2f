"""What people do with a case while it lasts, and the escalation in their stead: by the table in `alerts.life.moves`.

Pure: each function returns the change, or raises IllegalMove and changes nothing; AlreadySo says that what was asked
for holds already. `telling` is whether nobody has answered the newest call yet: a further press in a case that somebody
has starts the telling again, and is answered like the first one. How a case ends is in `alerts.life.closing`.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from alerts.errors import AlreadySo, IllegalMove
from alerts.life.case import Action, Case, Change, Escalation
from alerts.life.moves import Move, move
from alerts.messages import MessageType
from alerts.model import Severity, State

#: Whoever wants to hear nothing for longer should mend it, or close it.
LONGEST_MUTE: Final = timedelta(days=30)


def acknowledge(case: Case, actor: str, now: datetime, *, telling: bool = False) -> Change:
    """Somebody has taken notice and sees to it.

    Raises:
        AlreadySo: The actor has it already.
        IllegalMove: The case is closed, or somebody else has it.
    """
    state = move(case.state, Move.ACKNOWLEDGE)
    handed_to_actor = case.assigned_to == actor and case.acknowledged_by != actor
    if case.state is not State.OPEN and not telling and not handed_to_actor:
        if actor == case.assigned_to:
            raise AlreadySo(f"{actor} has this alert already")
        raise IllegalMove(f"cannot acknowledge an alert that is {case.state}: {case.assigned_to or 'somebody'} has it")
    taken = replace(case, state=state)
    if case.state is not State.ATTENDING:  # who is on the way stays the one who goes
        taken = replace(taken, acknowledged_at=now, acknowledged_by=actor, assigned_to=actor)
    elif handed_to_actor:
        taken = replace(taken, acknowledged_by=actor)
    return Change(case=taken, entry=Action.ACKNOWLEDGED, tell=MessageType.ACKNOWLEDGED, escalation=Escalation.AWAIT)


def on_the_way(case: Case, actor: str, now: datetime, *, telling: bool = False) -> Change:
    """Somebody is on the way.

    Raises:
        AlreadySo: The actor is already.
        IllegalMove: The case is closed.
    """
    state = move(case.state, Move.ON_THE_WAY)
    if case.state is State.ATTENDING and not telling:
        if actor == case.assigned_to and case.on_the_way_at is not None:
            raise AlreadySo(f"{actor} is on the way already")
        # A second one who goes: nothing that others must learn.
        return Change(case=case, entry=Action.ON_THE_WAY)
    return _attend(replace(case, state=state, on_the_way_at=case.on_the_way_at or now), Action.ON_THE_WAY, actor, now)


def on_scene(case: Case, actor: str, now: datetime, *, telling: bool = False) -> Change:
    """Somebody has arrived.

    Raises:
        AlreadySo: The actor has already.
        IllegalMove: The case is closed.
    """
    state = move(case.state, Move.ON_SCENE)
    if case.on_scene_at is not None and not telling:
        if actor == case.assigned_to:
            raise AlreadySo(f"{actor} is on the scene already")
        return Change(case=case, entry=Action.ON_SCENE)
    arrived = replace(case, state=state, on_scene_at=case.on_scene_at or now, assigned_to=actor)
    return _attend(arrived, Action.ON_SCENE, actor, now)


def _attend(case: Case, entry: Action, actor: str, now: datetime) -> Change:
    attended = replace(
        case,
        acknowledged_at=case.acknowledged_at or now,
        acknowledged_by=case.acknowledged_by or actor,
        assigned_to=actor,
    )
    return Change(case=attended, entry=entry, tell=MessageType.ATTENDING, escalation=Escalation.AWAIT)


def decline(case: Case, actor: str, *, telling: bool = False, already: bool = False) -> Change:
    """Somebody cannot come: the next step of the telling follows at once; who had the case gives it back.

    Args:
        case: As it stands.
        actor: Who cannot.
        telling: Nobody has answered the newest call yet.
        already: The actor said so before, since the telling began.

    Raises:
        AlreadySo: The actor said so before.
        IllegalMove: The case is closed.
    """
    if case.state in (State.ACKNOWLEDGED, State.ATTENDING) and actor == case.assigned_to:
        return Change(
            case=_given_back(case, Move.GIVE_BACK),
            entry=Action.GIVEN_BACK,
            tell=MessageType.LAPSED,
            escalation=Escalation.START,
            detail={"had": actor},
        )
    state = move(case.state, Move.DECLINE)
    if already:
        raise AlreadySo(f"{actor} said so already")
    return Change(
        case=replace(case, state=state, assigned_to=None if case.assigned_to == actor else case.assigned_to),
        entry=Action.DECLINED,
        escalation=Escalation.HURRY if telling or state is State.OPEN else None,
    )


def lapse(case: Case) -> Change:
    """Nobody followed up: the telling begins anew. The escalation decides when.

    Raises:
        IllegalMove: Nobody has the case, or somebody is on the scene.
    """
    if case.on_scene_at is not None:
        raise IllegalMove(f"cannot {Move.LAPSE} an alert while somebody is on the scene")
    return Change(
        case=_given_back(case, Move.LAPSE),
        entry=Action.LAPSED,
        tell=MessageType.LAPSED,
        escalation=Escalation.START,
        detail={"had": case.assigned_to},
    )


def _given_back(case: Case, how: Move) -> Case:
    return replace(
        case,
        state=move(case.state, how),
        acknowledged_at=None,
        acknowledged_by=None,
        assigned_to=None,
        on_the_way_at=None,
        on_scene_at=None,
    )


def assign(case: Case, to: str) -> Change:
    """Names who is to see to it, or hands it over; the state stays, and with it the telling.

    Raises:
        AlreadySo: It is theirs.
        IllegalMove: The case is closed.
    """
    state = move(case.state, Move.ASSIGN)
    if case.assigned_to == to:
        raise AlreadySo(f"this alert is assigned to {to} already")
    return Change(
        case=replace(case, state=state, assigned_to=to),
        entry=Action.ASSIGNED,
        tell=MessageType.ASSIGNED,
        detail={"to": to, "from": case.assigned_to},
    )


def comment(case: Case) -> Change:
    """Somebody has something to say; also of a case that is closed."""
    return Change(case=replace(case, state=move(case.state, Move.COMMENT)), entry=Action.COMMENTED)


def mute(case: Case, until: datetime, now: datetime) -> Change:
    """Nobody is told before `until`, then from step one. Only what is for the technicians.

    Raises:
        AlreadySo: It is muted until then.
        IllegalMove: The case is closed or not technical, or `until` is past or too far off.
    """
    state = move(case.state, Move.MUTE)
    if case.severity is not Severity.TECHNICAL:
        raise IllegalMove(f"cannot mute an alert that is {case.severity}; only technical ones can wait")
    if until <= now:
        raise IllegalMove("cannot mute an alert until a time that is past")
    if until > now + LONGEST_MUTE:
        raise IllegalMove(f"cannot mute an alert for more than {LONGEST_MUTE.days} days")
    if case.muted_until == until:
        raise AlreadySo("this alert is muted until then already")
    return Change(
        case=replace(case, state=state, muted_until=until),
        entry=Action.MUTED,
        escalation=Escalation.HOLD if state is State.OPEN else None,
        detail={"until": until.isoformat()},
    )


def unmute(case: Case, now: datetime) -> Change:
    """It is told again, from step one.

    Raises:
        AlreadySo: It is not muted.
        IllegalMove: The case is closed.
    """
    state = move(case.state, Move.UNMUTE)
    if not case.muted(now):
        raise AlreadySo("this alert is not muted")
    return Change(
        case=replace(case, state=state, muted_until=None),
        entry=Action.UNMUTED,
        escalation=Escalation.START if state is State.OPEN else None,
    )
