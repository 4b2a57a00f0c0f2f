"""Absence use: water is used in a home that is noted as empty. Somebody is back, or a guest, or a pipe has burst.

Judged on the meters' own times and on what is certain: use beyond the base flow (`rules.uses`), not in the first hours,
since people leave later than they say. The case ends with the absence, which `anju absence end` ends.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from pydantic import JsonValue

from alerts.findings import Finding, Kind, Reason, Severity, Subject, Verdict
from rules import presence
from rules.expected import next_word
from rules.flow import net_cover
from rules.plainly import later, plain
from rules.rule import Judgement
from rules.segment import Segment
from rules.snapshot import OVERLAP, Installation, Snapshot, instant
from rules.uses import WITHIN_S, Use, inside, uses
from rules.zones import zone

GRACE: Final = timedelta(hours=2)
"""Water used so soon after an absence began is of those who leave."""
LEAST_L: Final = 5.0
"""As much as this is a person's doing or a burst pipe's: a cistern holds more."""
_PAUSE: Final = timedelta(hours=24)  # after so long without any, use is another visit
_LOOK_EVERY: Final = timedelta(hours=1)


class _Span(NamedTuple):
    """A time in which nobody should be home, epoch seconds; absences that touch are one."""

    from_s: float
    until_s: float

    @property
    def from_at(self) -> datetime:
        """When those who leave have left."""
        return instant(self.from_s) + GRACE

    @property
    def until_at(self) -> datetime:
        return instant(self.until_s)

    def holds(self, at: datetime | None) -> bool:
        """Whether an instant falls in it."""
        return at is not None and self.from_s <= at.timestamp() < self.until_s

    def found(self, segments: Sequence[Segment], now: datetime) -> "list[_Found]":
        """The uses in it so far."""
        watched = inside(segments, self.from_at, min(self.until_at, now))
        if not watched:
            return []
        read_s = watched[0].at_s[0]
        from_its_start = read_s <= self.from_at.timestamp() + WITHIN_S
        return [
            _Found(use, read_s, from_its_start or use.since_s - read_s >= _PAUSE.total_seconds())
            for use in uses(watched, least_l=LEAST_L, pause_s=_PAUSE.total_seconds())
        ]


class _Found(NamedTuple):
    """A use in an absence.

    Attributes:
        read_s: from when on the absence was read.
        begun: its beginning was read; else it may have begun earlier.
    """

    use: Use
    read_s: float
    begun: bool


class AbsenceUse:
    """Raises while an absence lasts in which water was used; records use that is found when the absence is over."""

    name = "absence_use"
    release = 1
    max_latency = timedelta(hours=24)

    def evaluate(self, snapshot: Snapshot, now: datetime) -> Judgement:
        """Judges what the meters covered of each absence."""
        known_since = snapshot.ongoing.get(self.name)
        told = known_since is not None or Kind.ABSENCE_USE in snapshot.open_kinds
        if not snapshot.absences:
            if told:
                return Judgement(findings=(_no_more(snapshot, now),), next_due=now + self.max_latency)
            return later(plain(snapshot), now, self.max_latency)
        spans = [_Span(*span) for span in presence.joined((a.from_at, a.until_at) for a in snapshot.absences)]
        meters = [device for device in snapshot.installations if device.meters_water]
        begun = any(span.from_at <= now for span in spans)
        segments = net_cover(meters) if begun else []
        findings = [
            _finding(snapshot, Verdict.RECORD, found.use, meters)
            for span in spans
            if span.until_at <= now and not span.holds(known_since)
            for found in span.found(segments, now)
            if _is_news(found, snapshot, now)
        ]
        current = next((span for span in spans if span.holds(now)), None)
        ongoing_since = known_since if current is not None and current.holds(known_since) else None
        if told and ongoing_since is None:
            findings.insert(0, _no_more(snapshot, now))
        if current is not None:
            latest = _latest(current.found(segments, now), ongoing_since)
            if latest is not None:
                ongoing_since = instant(latest.since_s)
                findings.append(_finding(snapshot, Verdict.RAISE, latest, meters, now=now))
        covered_until = instant(segments[-1].at_s[-1]) if segments else None
        return Judgement(
            findings=tuple(findings),
            next_due=_next_due(spans, meters, now),
            judged_until=max(covered_until, snapshot.looked_until or covered_until) if covered_until else None,
            ongoing_since=ongoing_since,
        )


def _latest(found: Sequence[_Found], known_since: datetime | None) -> Use | None:
    """The last use; None where it is the one that is known, and where it began is not read any more."""
    if not found:
        return None
    last = found[-1]
    if known_since is not None and known_since.timestamp() < last.read_s and not last.begun:
        return None
    return last.use


def _is_news(found: _Found, snapshot: Snapshot, now: datetime) -> bool:
    """Whether earlier looks may not have seen it. What they have seen, the alerts know by when it began."""
    judged_until, seen = snapshot.judge_from(now), instant(found.use.seen_s)
    return seen > judged_until or (snapshot.looked_until is not None and found.begun and seen > judged_until - OVERLAP)


def _next_due(spans: Sequence[_Span], meters: Sequence[Installation], now: datetime) -> datetime:
    """No use is asked after on the minute: while an absence lasts, looks are an hour apart."""
    serving = [meter for meter in meters if meter.removed_at is None]
    due = now + AbsenceUse.max_latency
    soon = max(next_word(serving, now), now + _LOOK_EVERY) if serving else due
    for span in spans:
        if now < span.until_at:
            due = min(due, span.until_at, max(soon, span.from_at))
    return due


def _finding(
    snapshot: Snapshot, verdict: Verdict, use: Use, meters: Sequence[Installation], *, now: datetime | None = None
) -> Finding:
    since, local = instant(use.since_s), zone(snapshot.time_zone)
    values: dict[str, JsonValue] = {
        "used_l": round(use.used_l, 1),
        "since": f"{since.astimezone(local):%Y-%m-%d %H:%M}",
    }
    evidence: dict[str, JsonValue] = {
        **values,
        "seen_at": instant(use.seen_s).isoformat(),
        "used_until": instant(use.until_s).isoformat(),
        "meters": [meter.device for meter in meters],
    }
    message = "absence_use_over"
    away = None if now is None else presence.away_at(snapshot.absences, now)
    if away is not None:
        message = "absence_use"
        values |= {"absence": away.absence_id, "until": f"{away.until_at.astimezone(local):%Y-%m-%d %H:%M}"}
        evidence |= {"absence_id": away.absence_id, "reason": away.reason}
    return Finding(
        subject=Subject(home_id=snapshot.home_id),
        kind=Kind.ABSENCE_USE,
        verdict=verdict,
        severity=Severity.SOFT,
        since=since,
        reason=Reason(id=message, values=values),
        evidence=evidence,
    )


def _no_more(snapshot: Snapshot, now: datetime) -> Finding:
    return Finding(
        subject=Subject(home_id=snapshot.home_id),
        kind=Kind.ABSENCE_USE,
        verdict=Verdict.CLEAR,
        severity=Severity.SOFT,
        since=now,
        reason=Reason(id="absence_no_more", values={}),
        evidence={},
    )
