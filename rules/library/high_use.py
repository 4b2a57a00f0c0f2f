"""High use: more than 2 m³ of water in a day (Jing'an), by the home's own calendar.

Counted is what surely fell into the day: between the first reading in it and the last. A day of which nothing is read
counts for nothing. Not urgent: what floods a home at once is *continuous flow*.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta, tzinfo
from functools import partial
from typing import Final, NamedTuple

from pydantic import JsonValue

from alerts.findings import Kind, Reason, Severity
from rules.plainly import Plain, goes_on, plain
from rules.rule import Judgement, Word
from rules.segment import Segment, moved
from rules.snapshot import Snapshot, instant
from rules.telling import Bout, Condition, tell
from rules.water import cover
from rules.zones import zone

_CONDITION: Final = Condition(
    rule="high_use", kind=Kind.HIGH_USE, cleared=Reason(id="high_use_over", values={}), told_when_over=True
)
_DAY: Final = timedelta(days=1)
_SOON_ENOUGH: Final = timedelta(hours=12)
_LONGEST_DAY_S: Final = 25 * 3600.0
_WHOLE_BUT_S: Final = 7200.0  # a day is known whole if no more of it is left out


class _DayUse(NamedTuple):
    day: date
    begin_s: float
    used_l: float
    over_s: float | None  # the reading with which it was more than the limit
    whole: bool


class HighUse:
    """Raises with the reading that goes beyond the limit, once for each day; clears with a whole day within it."""

    name = _CONDITION.rule
    release = 1
    max_latency = timedelta(hours=24)

    def evaluate(self, snapshot: Snapshot, now: datetime) -> Judgement:
        """Judges each local day since the one before the last look."""
        meters = [device for device in snapshot.installations if device.meters_water]
        due = now + (_SOON_ENOUGH if meters else self.max_latency)
        segments = cover(meters) if any(meter.removed_at is None for meter in meters) else []
        known_since = snapshot.ongoing.get(self.name)
        if not segments:
            return Judgement(next_due=due, ongoing_since=known_since)
        limit_l = snapshot.policy.day_max_l
        covered_until = instant(segments[-1].at_s[-1])
        judged_until = max(covered_until, snapshot.looked_until or covered_until)
        told_of = known_since is not None or Kind.HIGH_USE in snapshot.open_kinds
        if not told_of and sum(segment.high_l[-1] - segment.low_l[0] for segment in segments) <= limit_l:
            known = plain(snapshot)
            stands = None if known is None else partial(_within_so_far, known, limit_l)
            return Judgement(next_due=due, judged_until=judged_until, stands=stands)
        days = list(_days(segments, zone(snapshot.time_zone), limit_l))
        above = [day for day in days if day.over_s is not None]
        within = [day for day in days if day.over_s is None and day.whole]
        over = not above or any(day.day > above[-1].day for day in within)
        bouts = [
            _bout(day, day.over_s, limit_l, lasts=not over and day is above[-1])
            for day in above
            if day.over_s is not None
        ]
        told = tell(snapshot, now, _CONDITION, bouts, over_at=covered_until if over and within else None)
        known = None if told_of or above else plain(snapshot)
        return Judgement(
            findings=told.findings,
            next_due=due,
            judged_until=judged_until,
            ongoing_since=told.ongoing_since,
            stands=None if known is None else partial(_within_so_far, known, limit_l),
        )


class _Used(NamedTuple):
    """What was used in the last day: when, and how much."""

    at_s: Sequence[float]
    used_l: Sequence[float]

    @staticmethod
    def of(segment: Segment) -> "_Used":
        at_s, low_l = segment.at_s, segment.low_l
        steps = moved(segment)
        steps = steps[bisect_left(steps, bisect_left(at_s, at_s[-1] - _LONGEST_DAY_S)) :]
        return _Used([at_s[place] for place in steps], [low_l[place] - low_l[place - 1] for place in steps])


def _within_so_far(known: Plain, limit_l: float, word: Word, at: datetime) -> Judgement | None:
    return _within(_Used.of(known.shown), limit_l, word, at)


def _within(latest: _Used, limit_l: float, word: Word, at: datetime) -> Judgement | None:
    at_s, used_l = latest
    if word.moved_s:
        at_s, used_l = [*at_s, *word.moved_s], [*used_l, *word.moved_l]
    if not goes_on(word) or sum(used_l) > limit_l:
        return None
    begin = bisect_left(at_s, word.covered_s - _LONGEST_DAY_S)
    return Judgement(
        next_due=at + _SOON_ENOUGH,
        judged_until=word.covered_at,
        stands=partial(_within, _Used(at_s[begin:], used_l[begin:]), limit_l),
    )


def _days(segments: Sequence[Segment], local: tzinfo, limit_l: float) -> Iterator[_DayUse]:
    last_s = segments[-1].at_s[-1]
    day = instant(segments[0].at_s[0]).astimezone(local).date()
    while (begin_s := _midnight(day, local)) <= last_s:
        end_s = _midnight(day + _DAY, local)
        used_l, covered_s, over_s = 0.0, 0.0, None
        for segment in segments:
            first, last = bisect_left(segment.at_s, begin_s), bisect_right(segment.at_s, end_s) - 1
            if last <= first:
                continue
            surely_l = used_l - segment.high_l[first]
            if over_s is None and surely_l + segment.low_l[last] > limit_l:
                over_s = segment.at_s[bisect_right(segment.low_l, limit_l - surely_l, first, last)]
            used_l += max(0.0, segment.low_l[last] - segment.high_l[first])
            covered_s += segment.at_s[last] - segment.at_s[first]
        whole = last_s >= end_s and covered_s >= end_s - begin_s - _WHOLE_BUT_S
        yield _DayUse(day, begin_s, used_l, over_s, whole)
        day += _DAY


def _midnight(day: date, local: tzinfo) -> float:
    return datetime.combine(day, time(), tzinfo=local).timestamp()


def _bout(day: _DayUse, over_s: float, limit_l: float, *, lasts: bool) -> Bout:
    values: dict[str, JsonValue] = {
        "day": day.day.isoformat(),
        "used_l": round(day.used_l, 1),
        "limit_l": limit_l,
    }
    reason = Reason(id="high_use", values=values)
    return Bout(
        since_s=day.begin_s,
        known_s=over_s,
        begun=True,
        lasts=lasts,
        severity=Severity.SOFT,
        reason=reason,
        over=reason,
        evidence=values,
    )
