"""Leak: water has flowed in every half-hour for a day (Longgang), or in every interval of a meter that reads hourly.

Of a meter whose readings are further apart nothing is said. Somebody is told of a leak that has ended, too: what drips
by night may drip again.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from pydantic import JsonValue

from alerts.findings import Kind, Reason, Severity, Verdict
from rules.dry import tolerance_s
from rules.expected import next_after
from rules.flow import least_l_h
from rules.flowing_on import Resting
from rules.flows import Flows, Shown
from rules.plainly import Plain, goes_on, plain
from rules.rule import Judgement, Word
from rules.running import Run, fine_meters, never_resting
from rules.segment import Segment
from rules.snapshot import Installation, Snapshot, instant
from rules.telling import Bout, Condition, is_calm
from rules.water import stretches

_CONDITION: Final = Condition(
    rule="leak", kind=Kind.LEAK, cleared=Reason(id="flow_stopped", values={}), told_when_over=True
)


class Leak:
    """Raises while a meter's flow does not rest, clears when it does, tells of one that ended between two looks."""

    name = _CONDITION.rule
    release = 1
    max_latency = timedelta(hours=24)

    def evaluate(self, snapshot: Snapshot, now: datetime) -> Judgement:
        """Judges each meter by itself: it is one pipe that leaks."""
        length_s = snapshot.policy.leak_h * 3600.0
        flows = Flows([_shown(snapshot, meter, length_s) for meter in fine_meters(snapshot)])
        judged = flows.judgement(snapshot, now, _CONDITION, wait_s=length_s)
        known = plain(snapshot) if flows.shown else None
        if known is None:
            return judged
        # Bouts that are over and no news are none later either; but the first look does not tell all of them.
        if not judged.findings and (not flows.bouts or snapshot.looked_until is not None):
            resting = Resting.of(known.shown, length_s - tolerance_s(length_s))
            if is_calm(snapshot, _CONDITION):
                return judged._replace(stands=partial(_rests_often, known, resting, length_s))
            if self.name in snapshot.ongoing and not flows.over:
                return judged._replace(stands=partial(_flows_on, known, resting, judged.ongoing_since))
        if [each.verdict for each in judged.findings] == [Verdict.RAISE] and self.name in snapshot.ongoing:
            flowing = Resting.of(known.shown, float("inf"))
            return judged._replace(stands=partial(_flows_on, known, flowing, judged.ongoing_since))
        return judged


def _shown(snapshot: Snapshot, meter: Installation, length_s: float) -> Shown:
    segments = stretches(meter)
    running = never_resting(segments, length_s=length_s)
    bouts = [] if running is None else [_bout(snapshot, meter, segments, run) for run in running.runs]
    return Shown(meter, running, bouts, length_s)


def _rests_often(known: Plain, resting: Resting, length_s: float, word: Word, at: datetime) -> Judgement | None:
    later = resting.after(word) if goes_on(word) else None
    if later is None:
        return None
    return Judgement(
        next_due=max(next_after(word.heard_at, known.meter.interval, at), instant(later.rested_s + length_s)),
        judged_until=word.covered_at,
        stands=partial(_rests_often, known, later, length_s),
    )


def _flows_on(
    known: Plain, flowing: Resting, ongoing_since: datetime | None, word: Word, at: datetime
) -> Judgement | None:
    """What was said is said again while it has not rested, was read often enough to tell, and is no other leak yet."""
    later = flowing.after(word) if goes_on(word) else None
    if later is None or later.since_s != flowing.since_s:
        return None
    return Judgement(
        next_due=next_after(word.heard_at, known.meter.interval, at),
        judged_until=word.covered_at,
        ongoing_since=ongoing_since,
        stands=partial(_flows_on, known, later, ongoing_since),
    )


def _bout(snapshot: Snapshot, meter: Installation, segments: Sequence[Segment], run: Run) -> Bout:
    values: dict[str, JsonValue] = {
        "device": meter.device,
        "flow_s": round(run.length_s),
        "used_l": round(run.used_l, 1),
        "least_l": round(least_l_h(segments, run.since_s, run.until_s), 1),
    }
    return Bout(
        since_s=run.since_s,
        known_s=run.until_s,
        begun=run.begun,
        lasts=run.lasts,
        severity=Severity.SOFT,
        reason=Reason(id="leak", values=values),
        over=Reason(id="leak_over", values=values),
        evidence={**values, "flows_until": instant(run.until_s).isoformat(), "limit_h": snapshot.policy.leak_h},
    )
