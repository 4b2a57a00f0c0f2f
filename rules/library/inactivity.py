"""Inactivity: less than a volume of water in a window of time that the meters really covered.

Judged on the meters' own times, and never from a lack of data: where nothing is covered up to now, silence is the
business of *monitoring lost*. The limits are those of Shanghai (Changning) and Shenzhen (Longgang): less than 10 L in
12 h.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from pydantic import JsonValue

from alerts.findings import Finding, Kind, Reason, Severity, Subject, Verdict
from rules.dry import Dryness, Spell, dryness
from rules.rule import Judgement
from rules.snapshot import OVERLAP, Installation, Snapshot, instant
from rules.water import cover

_STALE_AFTER: Final = timedelta(hours=24)  # daily uploads are this late by nature


class Inactivity:
    """Raises while a dry spell lasts, clears with use after it, records one that came and went between two looks."""

    name = "inactivity"
    release = 2
    max_latency = timedelta(hours=24)

    def evaluate(self, snapshot: Snapshot, now: datetime) -> Judgement:
        """Judges every instant the meters covered since the last look."""
        meters = [device for device in snapshot.installations if device.meters_water]
        serving = [meter for meter in meters if meter.removed_at is None]
        window = snapshot.policy.inactivity_window
        if not serving:
            return Judgement(next_due=now + self.max_latency)
        dry = dryness(
            cover(meters),
            volume_l=snapshot.policy.inactivity_volume_l,
            window_s=snapshot.policy.inactivity_window_h * 3600.0,
        )
        interval = min(meter.interval for meter in serving)
        known_since = snapshot.ongoing.get(self.name)
        if dry.covered_until_s is None:
            begun = max(meter.installed_at for meter in serving)
            due = max(begun + window, now + interval)
            return Judgement(next_due=due, judged_until=snapshot.judge_from(now), ongoing_since=known_since)
        covered_until = instant(dry.covered_until_s)
        findings = [
            _finding(snapshot, spell, Verdict.RECORD, since=instant(spell.since_s), meters=serving, now=now)
            for spell in dry.spells
            if not spell.lasts and _is_news(spell, snapshot, now)
        ]
        ongoing_since, due = known_since, now + interval
        if (spell := dry.lasting) is not None:
            begun_before = known_since is not None and spell.first_judged and known_since.timestamp() < spell.since_s
            ongoing_since = known_since if known_since is not None and begun_before else instant(spell.since_s)
            limit = max(snapshot.policy.silence_limit(meter.interval.total_seconds()) for meter in serving)
            if covered_until >= now - max(_STALE_AFTER, window) - limit:
                findings.append(_finding(snapshot, spell, Verdict.RAISE, since=ongoing_since, meters=serving, now=now))
        else:
            told = known_since is not None or Kind.INACTIVITY in snapshot.open_kinds
            if told and dry.decided:
                findings.append(_sign_of_life(snapshot, covered_until))
                ongoing_since = None
            if dry.decided or not told:
                # Before this, no data can exist that would make a dry window.
                due = max(due, _earliest(dry) + window)
        return Judgement(
            findings=tuple(findings),
            next_due=due,
            judged_until=max(covered_until, snapshot.looked_until or covered_until),
            ongoing_since=ongoing_since,
        )


def _is_news(spell: Spell, snapshot: Snapshot, now: datetime) -> bool:
    """Whether a spell that is over may not have been seen yet. One that was, the alerts know by when it began."""
    judged_until, fired = snapshot.judge_from(now), instant(spell.fired_s)
    known_since = snapshot.ongoing.get(Inactivity.name)
    if known_since is not None and spell.since_s <= known_since.timestamp() <= spell.until_s:
        return False
    # A reading may have come in late, behind what was judged. Where the spell began must have been read, or it would
    # seem to be another one.
    return fired > judged_until or (
        snapshot.looked_until is not None and not spell.first_judged and fired > judged_until - OVERLAP
    )


def _earliest(dry: Dryness) -> datetime:
    assert dry.tail_since_s is not None  # noqa: S101 (there is cover)
    return instant(dry.tail_since_s)


def _finding(
    snapshot: Snapshot,
    spell: Spell,
    verdict: Verdict,
    *,
    since: datetime,
    meters: Sequence[Installation],
    now: datetime,
) -> Finding:
    dry_s = round(spell.until_s - since.timestamp())
    heard = [meter.heard_at for meter in meters if meter.heard_at is not None]
    values: dict[str, JsonValue] = {
        "dry_s": dry_s,
        "used_l": round(spell.used_l, 3),
        "limit_l": snapshot.policy.inactivity_volume_l,
        "window_s": round(snapshot.policy.inactivity_window_h * 3600.0),
    }
    evidence: dict[str, JsonValue] = {
        **values,
        "covered_until": instant(spell.until_s).isoformat(),
        "meters": [m.device for m in meters],
    }
    if verdict is Verdict.RECORD:
        reason = Reason(id="inactivity_over", values=values)
    else:
        # The meter that has been silent longest is the one that limits what is known.
        heard_s = round((now - min(heard)).total_seconds()) if heard else round(now.timestamp() - spell.until_s)
        reason = Reason(id="inactivity_dry", values={**values, "heard_s": max(0, heard_s)})
    return Finding(
        subject=Subject(home_id=snapshot.home_id),
        kind=Kind.INACTIVITY,
        verdict=verdict,
        severity=Severity.SOFT,
        since=since,
        reason=reason,
        evidence=evidence,
    )


def _sign_of_life(snapshot: Snapshot, at: datetime) -> Finding:
    return Finding(
        subject=Subject(home_id=snapshot.home_id),
        kind=Kind.INACTIVITY,
        verdict=Verdict.CLEAR,
        severity=Severity.SOFT,
        since=at,
        reason=Reason(id="sign_of_life", values={}),
        evidence={"covered_until": at.isoformat()},
    )
