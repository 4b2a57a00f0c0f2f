"""Whether telling works, from what the database and the settings say. Pure."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from alerts.channels.results import Fault
from anju import trial
from anju.checks import Check, State

_PRESS_LIMIT: Final = timedelta(seconds=30)
_NAMED: Final = 5


class Area(NamedTuple):
    """An area, the one above it, and whether anybody lives in it."""

    area_id: int
    parent_id: int | None
    path: str
    inhabited: bool


class Waiting(NamedTuple):
    """How many messages wait: for their time, to be sent now, untried for too long, for what is not in the settings."""

    later: int
    due: int
    overdue: int
    unserved: int


class Lost(NamedTuple):
    """How many messages of a channel were given up for one reason; without one nobody was asked in time."""

    channel: str
    reason: str
    messages: int


def messages_check(waiting: Waiting) -> Check:
    """Judges what waits to be sent: digests and what is tried again wait for their time."""
    name, found = "notifications", f"{waiting.due} waiting to be sent now, {waiting.later} for their time"
    if waiting.overdue:
        found = f"{waiting.overdue} overdue, {found}"
        return Check(name=name, state=State.FAULT, found=found, advice="does `anju alerts` run? see its log")
    if waiting.unserved:
        found += f", {waiting.unserved} for a channel or receiver that nothing in the settings serves"
        advice = "set ANJU_WEBHOOK_URL, or what else was taken out of the settings: docs/channels.md"
        return Check(name=name, state=State.WARNING, found=found, advice=advice)
    if waiting.due:
        return Check(name=name, state=State.WARNING, found=found, advice="see that `anju alerts` runs")
    return Check(name=name, state=State.GOOD, found=found)


def telling_check(overdue_since: datetime | None, now: datetime) -> Check:
    """Judges whether escalations are carried out when they are due."""
    if overdue_since is None:
        return Check(name="escalation", state=State.GOOD, found="nothing overdue")
    age_s = (now - overdue_since).total_seconds()
    return Check(
        name="escalation",
        state=State.FAULT,
        found=f"a step is overdue by {age_s:.0f} s: people are not told",
        advice="does `anju alerts` run? its log says why it cannot",
    )


def given_up_check(lost: Sequence[Lost]) -> Check:
    """Judges what was given up in the last day; the most frequent reason says what to do."""
    if not lost:
        return Check(name="given up", state=State.GOOD, found="no message in the last day")
    by_channel: dict[str, int] = {}
    for each in lost:
        by_channel[each.channel] = by_channel.get(each.channel, 0) + each.messages
    counts = ", ".join(f"{channel} {count}" for channel, count in sorted(by_channel.items()))
    worst = max(lost, key=lambda each: each.messages)
    found = f"messages that never got through in the last day: {counts}; most often by {worst.channel}"
    if worst.reason in list(Fault):
        advice = trial.ADVICE[Fault(worst.reason)]
        return Check(name="given up", state=State.FAULT, found=f"{found}: {worst.reason}", advice=advice)
    return Check(
        name="given up",
        state=State.FAULT,
        found=f"{found}: nobody was asked in time",
        advice="did `anju alerts` run all the time, with every channel in its settings?",
    )


def proof_check(every: timedelta, pressed_at: datetime | None, through_at: datetime | None, now: datetime) -> Check:
    """Judges when a synthetic press last came through.

    Args:
        every: How often one is made; zero: never.
        pressed_at: When the newest was made.
        through_at: When the newest that came through was handed over.
        now: Aware.
    """
    name = "proof of life"
    if not every:
        advice = "set ANJU_PROBE_INTERVAL_S to 60, or it shows only in an emergency that presses do not come through"
        return Check(name=name, state=State.WARNING, found="switched off", advice=advice)
    if pressed_at is None:
        return Check(name=name, state=State.WARNING, found="the probe has never run here", advice="start `anju probe`")
    if through_at is None:
        found = "no synthetic press has ever come through"
    else:
        found = f"a synthetic press came through {max(0.0, (now - through_at).total_seconds()):.0f} s ago"
        if now - through_at <= 3 * every + _PRESS_LIMIT:
            return Check(name=name, state=State.GOOD, found=found)
    if now - pressed_at > 3 * every + _PRESS_LIMIT:
        return Check(name=name, state=State.FAULT, found=found, advice="`anju probe` does not run: start it")
    advice = "presses are made but get lost: do ingest, rules and alerts run? see their logs"
    return Check(name=name, state=State.FAULT, found=found, advice=advice)


def duty_check(without: Sequence[str], *, desk: bool) -> Check:
    """Judges whether somebody of the service is there for every area in which people live.

    Args:
        without: The paths of areas for which nobody is, up to the site.
        desk: Whether a duty desk hears of every alert by webhook.
    """
    if not without:
        return Check(name="duty rosters", state=State.GOOD, found="every area with homes has one, or one above it")
    shown = ", ".join(without[:_NAMED]) + (f" and {len(without) - _NAMED} more" if len(without) > _NAMED else "")
    found = f"nobody is ever on duty for {len(without)} areas with homes: {shown}"
    advice = "`anju roster set --role duty` with --area or --site"
    if desk:
        return Check(name="duty rosters", state=State.WARNING, found=found, advice=f"{advice}; only the desk is told")
    return Check(name="duty rosters", state=State.FAULT, found=found, advice=advice)


def addresses_check(unserved: Mapping[str, int]) -> Check:
    """Judges whether every address of every person has a way to it."""
    if not unserved:
        return Check(name="addresses", state=State.GOOD, found="each has a provider, chat or receiver in the settings")
    counts = ", ".join(f"{channel} {count}" for channel, count in unserved.items())
    return Check(
        name="addresses",
        state=State.WARNING,
        found=f"people have addresses that nothing in the settings serves: {counts}",
        advice="add its table ([[sms]], [[voice]], ...), or change the address; `anju person list` has them",
    )


def without_duty(areas: Sequence[Area], staffed: Collection[int | None]) -> list[str]:
    """The paths of areas in which people live and for which no area up to the site has anybody on duty.

    Args:
        areas: All there are.
        staffed: Those with a duty roster that names somebody; None: the site.
    """
    if None in staffed:
        return []
    above = {area.area_id: area.parent_id for area in areas}

    def is_staffed(area_id: int | None) -> bool:
        while area_id is not None:
            if area_id in staffed:
                return True
            area_id = above.get(area_id)
        return False

    return [area.path for area in areas if area.inhabited and not is_staffed(area.area_id)]
