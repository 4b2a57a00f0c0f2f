"""What is written down of areas and gateways in trouble, from one look at them to the next. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from rules.areas import Cause, Scope, Together
from rules.incidents import Found, Incident, Standing
from rules.snapshot import instant

KEPT: Final = timedelta(days=3)
"""How long an incident that has ended is remembered: who stays silent is told after it; a daily meter a day later."""


class Key(NamedTuple):
    """A place and what is wrong there."""

    place: Scope
    cause: Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One place in trouble.

    Attributes:
        since: since when its homes are silent or dry.
        opened_at: when it became part of an incident; None while it is suspected.
        told: what the incident's alert speaks of.
        homes: how many homes that alert counts.
        watched: of how many.
    """

    key: Key
    since: datetime
    suspected_at: datetime
    opened_at: datetime | None = None
    ended_at: datetime | None = None
    told: Scope | None = None
    homes: int = 0
    watched: int = 0

    @property
    def is_open(self) -> bool:
        """Whether it is an incident now."""
        return self.opened_at is not None and self.ended_at is None


class Changes(NamedTuple):
    """What to write.

    Attributes:
        kept: what is new or has changed.
        forgotten: what is over and done with.
        opened: incidents that are new.
        grown: incidents that are known, with other numbers.
        ended: what is told no longer; the place and cause it was told of.
    """

    kept: Sequence[Known]
    forgotten: Sequence[Key]
    opened: Sequence[Incident]
    grown: Sequence[Incident]
    ended: Sequence[Key]


def standing(known: Iterable[Known], cause: Cause) -> Standing:
    """What of a cause is an incident now."""
    since_s: dict[Scope, float] = {}
    told: set[Scope] = set()
    for each in known:
        if each.is_open and each.key.cause is cause and each.told is not None:
            told.add(each.told)
            for scope in {each.key.place, each.told}:
                since_s[scope] = min(each.since.timestamp(), since_s.get(scope, each.since.timestamp()))
    return Standing(since_s=since_s, told=frozenset(told))


def changes(known: Sequence[Known], found: Iterable[tuple[Cause, Found]], now: datetime) -> Changes:
    """What has to be written and told, now that this was found."""
    before = {each.key: each for each in known}
    after: dict[Key, Known] = {}
    told = {Key(each.told, each.key.cause): each for each in known if each.is_open and each.told is not None}
    opened, grown, speaking = list[Incident](), list[Incident](), set[Key]()
    for cause, what in found:
        for scope, group in what.suspected.items():
            key = Key(scope, cause)
            after[key] = _suspected(before.get(key), key, group, now)
        for incident in what.incidents:
            speaking.add(Key(incident.scope, cause))
            spoken = told.get(Key(incident.scope, cause))
            if spoken is None:
                opened.append(incident)
            elif (spoken.homes, spoken.watched) != (len(incident.homes), incident.watched):
                grown.append(incident)
            for place in incident.places:
                after[Key(place, cause)] = _opened(before.get(Key(place, cause)), Key(place, cause), incident, now)
    for key, each in before.items():
        ended = replace(each, ended_at=now) if each.is_open else each
        new = after.get(key)
        if ended.ended_at is None or (new is not None and (new.opened_at is not None or new.since > ended.ended_at)):
            continue
        # What is suspected is what is left of it, unless it fell out after the end.
        after[key] = ended
    gone = [key for key in before if key not in after]
    gone += [key for key, each in after.items() if each.ended_at is not None and each.ended_at < now - KEPT]
    return Changes(
        kept=[each for key, each in after.items() if before.get(key) != each and key not in gone],
        forgotten=gone,
        opened=opened,
        grown=grown,
        ended=[key for key in told if key not in speaking],
    )


def _suspected(before: Known | None, key: Key, group: Together, now: datetime) -> Known:
    since = instant(group.since_s)
    if before is not None and before.opened_at is None:
        # One suspicion that goes on: who fell out with the first belongs to it.
        since, now = min(since, before.since), before.suspected_at
    return Known(key=key, since=since, suspected_at=now, homes=len(group.homes), watched=group.watched)


def _opened(before: Known | None, key: Key, incident: Incident, now: datetime) -> Known:
    since, suspected_at, opened_at = instant(incident.since_s), now, now
    if before is not None and before.is_open:
        since, suspected_at, opened_at = before.since, before.suspected_at, before.opened_at or now
    elif before is not None and before.opened_at is None:
        suspected_at = before.suspected_at
    return Known(
        key=key,
        since=since,
        suspected_at=suspected_at,
        opened_at=opened_at,
        told=incident.scope,
        homes=len(incident.homes),
        watched=incident.watched,
    )
