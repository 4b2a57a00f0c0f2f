"""An alert that somebody has: reminders, and the lapse that lets the telling begin anew. Pure."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from pydantic import JsonValue

from alerts.escalation.composing import RETRY, message, nobody, not_before, only_due
from alerts.escalation.model import Action, Circle, Due, Entry, Load, Planned
from alerts.escalation.policy import Tell
from alerts.escalation.reach import Someone, by_key, reach
from alerts.messages import MessageType
from alerts.model import State

_LOOK_AGAIN: Final = timedelta(days=1)
_LAST_REMINDER: Final = 32_000


def follow_up(due: Due, circle: Circle, loads: Mapping[int, Load], now: datetime) -> Planned:
    """What is done with an alert that somebody has; see `alerts.escalation.plan.plan`."""
    row, ladder = due.row, circle.ladder
    if due.case.state is State.ACKNOWLEDGED:
        since, remind_s, lapse_s = due.case.acknowledged_at, ladder.remind_s, ladder.lapse_s
    elif due.case.on_scene_at is None:
        since, remind_s, lapse_s = due.case.on_the_way_at, ladder.scene_remind_s, ladder.scene_lapse_s
    else:
        since, remind_s, lapse_s = due.case.on_scene_at, ladder.close_remind_s, None
    # After a further press somebody takes it again, whoever took it first.
    since = row.started_at if since is None else max(since, row.started_at)
    lapse_at = None if lapse_s is None else since + timedelta(seconds=lapse_s)
    if lapse_at is not None and now >= lapse_at:
        return replace(only_due(due, row), lapses=True)
    if remind_s is None:
        return only_due(due, replace(row, due_at=now + _LOOK_AGAIN if lapse_at is None else lapse_at))
    every = timedelta(seconds=remind_s)
    remind_at = since + every * (row.reminders + 1)
    if now < remind_at:
        return only_due(due, replace(row, due_at=_earlier(remind_at, lapse_at)))
    reminders = min(max(row.reminders + 1, (now - since) // every), _LAST_REMINDER)
    next_at = max(since + every * (reminders + 1), now + timedelta(seconds=1))
    row = replace(row, reminders=reminders, due_at=_earlier(next_at, lapse_at))
    people, fell = _holders(due, circle)
    if not people:
        return replace(nobody(due, circle, fell, now), row=replace(due.row, due_at=now + RETRY))
    found = tuple(
        message(
            due,
            (someone, someone.ways[0]),
            MessageType.FOLLOW_UP,
            leaves_at=not_before(due, None if someone.person is None else someone.person.person_id, loads, now),
            step=row.step,
            now=now,
        )
        for someone in people
    )
    keys: list[JsonValue] = ["desk" if someone.person is None else someone.person.key for someone in people]
    detail: dict[str, JsonValue] = {"reminders": reminders, "people": keys}
    if fell:
        detail["fell_upward"] = fell
    return Planned(
        row=row, run=row.run, round=row.round, messages=found, entry=Entry(action=Action.REMINDED, detail=detail)
    )


def _holders(due: Due, circle: Circle) -> tuple[tuple[Someone, ...], list[JsonValue]]:
    """Who is reminded: whoever has it, where that is a person with an address; else who is on duty."""
    for key in due.holders:
        if (someone := by_key(key, circle, turn=due.row.reminders)) is not None:
            return (someone,), []
    reached = reach(Tell(who="duty"), circle, due.case.severity, turn=due.row.reminders, place=0)
    return reached.people, [] if reached.fell is None else [reached.fell.detail()]


def _earlier(at: datetime, limit: datetime | None) -> datetime:
    return at if limit is None else min(at, limit)
