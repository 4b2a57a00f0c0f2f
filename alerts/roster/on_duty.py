"""Who is on duty at an instant, who will be when, and when nobody is. Pure.

All are read off the same spans, so they cannot contradict one another. Spans are half-open: whoever comes is on duty at
the very instant of the handover, whoever leaves is not.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from alerts.roster import recurrence
from alerts.roster.model import LONGEST_EVENT, Event, Role, Roster, Rotation, Shift
from alerts.roster.values import WEEK, Day
from alerts.roster.wall import instant_of, is_holiday, is_workday, wall_of

_DAY: Final = timedelta(days=1)
_SOON: Final = timedelta(seconds=1)
# Offsets of zones change by at most a day (Samoa, 2011); a shift lasts at most a day.
_MARGIN: Final = 3 * _DAY


class Interval(NamedTuple):
    """From one instant to another, not included, these people are on duty, in this order; nobody where it is empty."""

    begins: datetime
    ends: datetime
    people: tuple[str, ...]


class Nearest(NamedTuple):
    """Who answers for an area.

    Attributes:
        area_id: whose roster it is; None: the site's.
        height: how far up: 0 is the area itself.
        people: their keys, in order.
    """

    area_id: int | None
    height: int
    people: tuple[str, ...]


class _Span(NamedTuple):
    begins: datetime
    ends: datetime
    people: tuple[str, ...]
    rank: int
    override: bool = False
    replace: bool = False


def on_duty(roster: Roster, at: datetime) -> tuple[str, ...]:
    """Who is on duty.

    Args:
        roster: of an area and a role.
        at: the instant (aware).

    Returns:
        The keys of people in the order in which they are told; empty: nobody.
    """
    return _combined(roster, (span for span in _spans(roster, at, at + _SOON) if span.begins <= at))


def shifts(roster: Roster, from_: datetime, to: datetime) -> tuple[Interval, ...]:
    """Who is on duty when, without a break from one instant to another; where nobody is, that is an interval too.

    Args:
        roster: of an area and a role.
        from_: the beginning (aware).
        to: the end; not after `from_`: there are no intervals.
    """
    if to <= from_:
        return ()
    coming = sorted(_spans(roster, from_, to), key=lambda span: span.begins)
    edges = {edge for span in coming for edge in (span.begins, span.ends) if from_ < edge < to}
    found: list[Interval] = []
    active: list[_Span] = []
    begun = 0
    begins, *rest = sorted({from_, *edges})
    for ends in (*rest, to):
        while begun < len(coming) and coming[begun].begins <= begins:
            active.append(coming[begun])
            begun += 1
        active = [span for span in active if span.ends > begins]
        people = _combined(roster, active)
        if found and found[-1].people == people:
            found[-1] = found[-1]._replace(ends=ends)
        else:
            found.append(Interval(begins, ends, people))
        begins = ends
    return tuple(found)


def gaps(roster: Roster, from_: datetime, to: datetime) -> tuple[Interval, ...]:
    """When nobody is on duty."""
    return tuple(interval for interval in shifts(roster, from_, to) if not interval.people)


def nearest(
    rosters: Mapping[tuple[int | None, str], Roster], chain: Sequence[int], role: Role | str, at: datetime
) -> Nearest | None:
    """Who answers for an area: of its own roster, else of the nearest area above that has somebody, else of the site.

    Args:
        rosters: by area (None: the site) and role.
        chain: the area, the one above it, and so on to the top.
        role: the role.
        at: the instant (aware).

    Returns:
        None: nobody up to the site.
    """
    for height, area_id in enumerate((*chain, None)):
        roster = rosters.get((area_id, str(role)))
        if roster is not None and (people := on_duty(roster, at)):
            return Nearest(area_id, height, people)
    return None


def _combined(roster: Roster, active: Iterable[_Span]) -> tuple[str, ...]:
    """What the parts that hold at an instant come to."""
    ordered = sorted(active, key=lambda span: (span.override, span.rank))
    people: list[str] = [key for span in ordered if not span.override for key in span.people]
    people += roster.always
    for span in ordered:
        if span.override:
            people = list(span.people) if span.replace else [*people, *span.people]
    return tuple(dict.fromkeys(people or roster.otherwise))


def _spans(roster: Roster, from_: datetime, to: datetime) -> Iterator[_Span]:
    """All that is not over at `from_` and has begun before `to`; nothing without a duration."""
    zone = ZoneInfo(roster.time_zone)
    for span in _all_spans(roster, zone, from_, to):
        if span.begins < to and span.ends > from_ and span.begins < span.ends:
            yield span


def _all_spans(roster: Roster, zone: tzinfo, from_: datetime, to: datetime) -> Iterator[_Span]:
    first, last = wall_of(from_ - 2 * _DAY, zone).date(), wall_of(to, zone).date()
    days = [first + n * _DAY for n in range((last - first).days + 1)]
    for rank, shift in enumerate(roster.shifts):
        for day in days:
            if _counts(roster, shift, day):
                yield _Span(*_hours(day, shift.from_, shift.to, zone), shift.people, rank)
    rank = len(roster.shifts)
    for rotation in roster.rotations:
        yield from _turns(roster, rotation, rank, zone, days)
        rank += 1
    # Thousands of events that happen once are passed over by plain comparison, before any zone is asked.
    earliest = wall_of(from_, UTC) - LONGEST_EVENT - _MARGIN
    latest = wall_of(to, UTC) + _MARGIN
    for event in roster.calendar:
        if event.rule is not None or event.also or earliest < event.start < latest:
            yield from _occurrences(event, rank, zone, from_, to)
        rank += 1
    for rank, override in enumerate(roster.overrides):
        yield _Span(override.from_, override.to, override.people, rank, override=True, replace=override.replace)


def _hours(day: date, from_: time, to: time, zone: tzinfo) -> tuple[datetime, datetime]:
    begins, ends = datetime.combine(day, from_), datetime.combine(day, to)
    if ends <= begins:
        ends += _DAY
    return instant_of(begins, zone), instant_of(ends, zone)


def _counts(roster: Roster, part: Shift | Rotation, day: date) -> bool:
    if roster.has_holiday_pattern and is_holiday(roster.holidays, day):
        return Day.HOLIDAY in part.days
    kind = Day.WORKDAY if is_workday(roster.holidays, day) else Day.DAYOFF
    return WEEK[day.weekday()] in part.days or kind in part.days


def _turns(roster: Roster, rotation: Rotation, rank: int, zone: tzinfo, days: Sequence[date]) -> Iterator[_Span]:
    anchor = datetime.combine(rotation.since, rotation.at)

    def turn(wall: datetime) -> int:
        return (wall - anchor) // rotation.period

    def people(number: int) -> tuple[str, ...]:
        return rotation.turns[number % len(rotation.turns)]

    if rotation.from_ is not None and rotation.to is not None:
        for day in days:
            number = turn(datetime.combine(day, rotation.from_))
            if number >= 0 and _counts(roster, rotation, day):
                yield _Span(*_hours(day, rotation.from_, rotation.to, zone), people(number), rank)
        return
    first = max(0, turn(datetime.combine(days[0], time(0))))
    last = turn(datetime.combine(days[-1] + _DAY, time(0)))
    for number in range(first, last + 1):
        begins = anchor + number * rotation.period
        ends = begins + rotation.period
        yield _Span(instant_of(begins, zone), instant_of(ends, zone), people(number), rank)


def _occurrences(event: Event, rank: int, zone: tzinfo, from_: datetime, to: datetime) -> Iterator[_Span]:
    zone = zone if event.time_zone is None else ZoneInfo(event.time_zone)
    length = event.end - event.start
    since = wall_of(from_, zone) - min(length, LONGEST_EVENT) - _MARGIN
    skipped = frozenset(event.except_)
    for begins in recurrence.starts(
        event.rule, event.start, event.also, since=since, until=wall_of(to, zone) + _MARGIN
    ):
        if begins not in skipped:
            yield _Span(instant_of(begins, zone), instant_of(begins + length, zone), event.people, rank)
