"""Inactivity: no water is used in a home for longer than it should be: softly (ask) or hard (go there).

Judged on the meters' own times, on what is left of the use without what never stops, and never from a lack of data:
where nothing is covered up to now, silence is the business of *monitoring lost*. Several lines are drawn; whichever is
crossed first speaks:

- municipal, soft: less than 10 L in 12 h (Shanghai Changning, Shenzhen Longgang), until the home's own line is learned;
- municipal, hard: nothing in 24 h, or less than the volume that a programme sets (Taicang, Liaocheng, Anji: 10 L);
- learned, soft and hard: no use for longer than this home ever is without (`rules.profile`), and softly only for
  longer than it has just been (`rules.lately`);
- first use: none since midnight by a time of day, where the policy names one (Sakaki).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from pydantic import JsonValue

from alerts.findings import Finding, Kind, Reason, Severity, Subject, Verdict
from rules import habits, held, presence, still, used
from rules.episodes import Episode, LineName, episodes
from rules.expected import next_word
from rules.flow import SPAN_S, may_be_base_since, net_cover
from rules.held import Fate
from rules.lines import crosses_s, lines, window
from rules.rule import Judgement, Stands
from rules.segment import Segment
from rules.silence import silences
from rules.snapshot import OVERLAP, Installation, Snapshot, instant, judged_by_from
from rules.zones import zone

_STALE_AFTER: Final = timedelta(hours=24)  # daily uploads are this late by nature
_LEAST_BASE_L_H: Final = 0.1


class Inactivity:
    """Raises while an episode lasts, clears with use after it, records one that came and went between two looks."""

    name = "inactivity"
    release = 6
    max_latency = timedelta(hours=24)

    def evaluate(self, snapshot: Snapshot, now: datetime) -> Judgement:
        """Judges every instant the meters covered since the last look."""
        meters = [device for device in snapshot.installations if device.meters_water]
        serving = [meter for meter in meters if meter.removed_at is None]
        if not serving:
            return Judgement(next_due=now + self.max_latency)
        known_since = snapshot.ongoing.get(self.name)
        told = known_since is not None or Kind.INACTIVITY in snapshot.open_kinds
        absence = presence.away_at(snapshot.absences, now)
        if absence is not None:
            over = (_away(snapshot, absence.until_at, now),) if told else ()
            return Judgement(findings=over, next_due=absence.until_at)
        soon = next_word(serving, now)
        if any(meter.valve_shut for meter in serving):
            # Whoever is home can use no water: *uncovered* says so.
            return Judgement(next_due=soon, ongoing_since=known_since)
        segments = presence.at_home(net_cover(meters), snapshot.absences)
        if not segments:
            begun = max(meter.installed_at for meter in serving)
            due = max(begun + snapshot.policy.inactivity_window, soon)
            return Judgement(next_due=due, judged_until=snapshot.judge_from(now), ongoing_since=known_since)
        drawn = lines(segments, snapshot)
        covered_until = instant(segments[-1].at_s[-1])
        found = episodes([each.line for each in drawn])
        findings = [
            _finding(snapshot, episode, Verdict.RECORD, since=instant(episode.since_s), meters=serving, now=now)
            for episode in found
            if not episode.lasts and _is_news(episode, snapshot, now)
        ]
        ongoing_since, due = known_since, soon
        stands: Stands | None = None
        if found and found[-1].lasts:
            episode = found[-1]
            begun_before = (
                known_since is not None and episode.first_judged and known_since.timestamp() < episode.since_s
            )
            ongoing_since = known_since if known_since is not None and begun_before else instant(episode.since_s)
            if covered_until >= now - _stale_after(serving, snapshot):
                raised = _finding(snapshot, episode, Verdict.RAISE, since=ongoing_since, meters=serving, now=now)
                told_alone, due = _unless_area(snapshot, raised, episode, serving, now=now, due=due)
                findings += told_alone
            stands = still.while_still(
                snapshot,
                now,
                crosses_s=crosses_s(drawn, segments),
                told=any(finding.verdict is Verdict.RAISE for finding in findings),
                ongoing_since=ongoing_since,
            )
        else:
            decided = drawn[0].line.dryness.decided
            if told and decided:
                findings.append(_over(snapshot, segments, covered_until))
                ongoing_since = None
            if decided or not told:
                # Before this, no data can exist that would cross a line, nor tell that what was used was a leak.
                earliest_s = min(each.earliest_s for each in drawn)
                if (flowing_since_s := may_be_base_since(serving, _LEAST_BASE_L_H)) is not None:
                    earliest_s = min(earliest_s, flowing_since_s + SPAN_S)
                due = max(due, _at_most(earliest_s, now + self.max_latency))
            if decided and any(each.earliest_s <= segments[-1].at_s[-1] for each in drawn):
                # Crossed, but spared: nothing is told while it goes on, up to where that ends.
                ahead_s = crosses_s(drawn, segments)
                stands = still.while_still(snapshot, now, crosses_s=ahead_s, told=True, ongoing_since=None)
            if decided and stands is None:
                bounds = [each.bound for each in drawn]
                stands = used.while_used(snapshot, now, judged=segments[-1], bounds=bounds)
        due = min(due, habits.habits_until(snapshot, now))
        return Judgement(
            findings=tuple(findings),
            next_due=due,
            judged_until=max(covered_until, snapshot.looked_until or covered_until),
            ongoing_since=ongoing_since,
            stands=stands,
        )


def _at_most(epoch_s: float, latest: datetime) -> datetime:
    return latest if epoch_s >= latest.timestamp() else instant(epoch_s)


def _stale_after(serving: Sequence[Installation], snapshot: Snapshot) -> timedelta:
    """How old the cover may be for an episode in it to be raised."""
    limit = max(snapshot.policy.silence_limit(meter.interval.total_seconds()) for meter in serving)
    return max(_STALE_AFTER, snapshot.policy.inactivity_window) + limit


def _is_news(episode: Episode, snapshot: Snapshot, now: datetime) -> bool:
    """Whether an episode that is over may not have been seen yet. One that was, the alerts know by when it began."""
    judged_until, fired = snapshot.judge_from(now), instant(episode.fired_s)
    known_since = snapshot.ongoing.get(Inactivity.name)
    if known_since is not None and episode.since_s <= known_since.timestamp() <= episode.until_s:
        return False
    # A reading may have come in late, behind what was judged. Where the episode began must have been read, or it would
    # seem to be another one.
    begun = not episode.first_judged or _is_first(episode.since_s, snapshot, now)
    return fired > judged_until or (snapshot.looked_until is not None and begun and fired > judged_until - OVERLAP)


def _is_first(since_s: float, snapshot: Snapshot, now: datetime) -> bool:
    """Whether nothing was ever read before an instant: all that the home's meters showed is read, and begins there."""
    meters = [meter for meter in snapshot.installations if meter.water.measured_s]
    read_from = judged_by_from(snapshot.looked_until, snapshot.policy, now)
    return all(read_from <= meter.installed_at and since_s <= meter.water.measured_s[0] for meter in meters)


def _finding(
    snapshot: Snapshot,
    episode: Episode,
    verdict: Verdict,
    *,
    since: datetime,
    meters: Sequence[Installation],
    now: datetime,
) -> Finding:
    values = _values(snapshot, episode, since)
    message = f"inactivity_{episode.line}"
    evidence: dict[str, JsonValue] = {
        **values,
        "line": episode.line,
        "covered_until": instant(episode.until_s).isoformat(),
        "meters": [meter.device for meter in meters],
    }
    if verdict is Verdict.RECORD:
        reason = Reason(id=f"{message}_over", values=values)
    else:
        # The meter that has been silent longest is the one that limits what is known.
        heard = [meter.heard_at for meter in meters if meter.heard_at is not None]
        heard_s = round((now - min(heard)).total_seconds()) if heard else round(now.timestamp() - episode.until_s)
        reason = Reason(id=message, values={**values, "heard_s": max(0, heard_s)})
    return Finding(
        subject=Subject(home_id=snapshot.home_id),
        kind=Kind.INACTIVITY,
        verdict=verdict,
        severity=episode.severity,
        since=since,
        reason=reason,
        evidence=evidence,
    )


def _values(snapshot: Snapshot, episode: Episode, since: datetime) -> dict[str, JsonValue]:
    policy = snapshot.policy
    values: dict[str, JsonValue] = {
        "dry_s": round(episode.until_s - since.timestamp()),
        "used_l": round(episode.used_l, 3),
    }
    match episode.line:
        case LineName.DRY:
            drawn = window(snapshot, (), episode.severity)
            return {**values, "limit_l": drawn.volume_l, "window_s": round(drawn.window_s)}
        case LineName.SILENT:
            limit = habits.learned_limit(snapshot, episode.severity)
            assert limit is not None  # noqa: S101 (the line was crossed)
            return {**values, "limit_s": round(limit(episode.spell.since_s) - episode.spell.since_s)}
        case LineName.FIRST_USE:
            return {**values, "by": policy.inactivity_first_use_by}


def _unless_area(
    snapshot: Snapshot,
    raised: Finding,
    episode: Episode,
    meters: Sequence[Installation],
    *,
    now: datetime,
    due: datetime,
) -> tuple[list[Finding], datetime]:
    """What is told of a home whose area may have run dry with it, and when to look again."""
    own = held.dry(
        snapshot,
        raised.severity,
        since=raised.since,
        crossed_at=instant(episode.fired_s),
        interval=max(meter.interval for meter in meters),
        now=now,
    )
    told = Kind.INACTIVITY in snapshot.open_kinds
    if own.fate is Fate.PART:
        return ([_cleared(snapshot, Reason(id="inactivity_part_of_area", values={}), now)] if told else []), due
    if own.until is not None and not told:
        return [], min(due, own.until)
    return [raised], due


def _cleared(snapshot: Snapshot, reason: Reason, at: datetime) -> Finding:
    return Finding(
        subject=Subject(home_id=snapshot.home_id),
        kind=Kind.INACTIVITY,
        verdict=Verdict.CLEAR,
        severity=Severity.SOFT,
        since=at,
        reason=reason,
        evidence={"until": at.isoformat()},
    )


def _over(snapshot: Snapshot, segments: Sequence[Segment], at: datetime) -> Finding:
    """Water was used again; or it was not, and a line that was crossed has been moved."""
    known_since = snapshot.ongoing.get(Inactivity.name)
    last_use_s = silences(segments, use_l=habits.USE_L, limit=lambda _: float("inf")).tail_since_s
    if known_since is None or (last_use_s is not None and last_use_s > known_since.timestamp()):
        return _cleared(snapshot, Reason(id="sign_of_life", values={}), at)
    return _cleared(snapshot, Reason(id="inactivity_line_moved", values={}), at)


def _away(snapshot: Snapshot, until: datetime, now: datetime) -> Finding:
    local = until.astimezone(zone(snapshot.time_zone))
    return _cleared(snapshot, Reason(id="inactivity_away", values={"until": f"{local:%Y-%m-%d %H:%M}"}), now)
