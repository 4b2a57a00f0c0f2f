"""Continuous flow: water has been running, and not a little, for 2 h (Sakaki): a tap left on, a fall in the shower.

Soft at first: somebody asks. After twice the time somebody goes. Judged where readings are an hour apart or less; of
hourly ones three on end must show twice as much, for a shower in each hour is no accident.
"""

from datetime import datetime, timedelta
from functools import partial
from typing import Final

from pydantic import JsonValue

from alerts.findings import Kind, Reason, Severity
from rules.expected import next_after
from rules.flowing_on import Flowing
from rules.flows import Flows, Shown
from rules.plainly import Plain, goes_on, plain
from rules.rule import Judgement, Word
from rules.running import GRID_S, LEAST_STRONG, Run, fine_meters, strong
from rules.snapshot import Installation, Snapshot, instant
from rules.telling import Bout, Condition, is_calm
from rules.water import spacing, stretches

_CONDITION: Final = Condition(
    rule="continuous_flow",
    kind=Kind.CONTINUOUS_FLOW,
    cleared=Reason(id="flow_stopped", values={}),
    told_when_over=False,
)
_HARD_AFTER: Final = 2.0


class ContinuousFlow:
    """Raises while a strong flow goes on, clears when it stops, records one that came and went between two looks."""

    name = _CONDITION.rule
    release = 2
    max_latency = timedelta(hours=24)

    def evaluate(self, snapshot: Snapshot, now: datetime) -> Judgement:
        """Judges each meter by itself."""
        flow_s = snapshot.policy.flow_h * 3600.0
        flows = Flows([_shown(snapshot, meter, flow_s) for meter in fine_meters(snapshot)])
        judged = flows.judgement(snapshot, now, _CONDITION, wait_s=flow_s)
        is_calm_now = flows.shown and not flows.bouts and is_calm(snapshot, _CONDITION)
        known = plain(snapshot) if is_calm_now else None
        if known is None or spacing(known.meter).total_seconds() <= 2 * GRID_S:
            return judged
        (only,) = flows.shown
        return judged._replace(stands=partial(_nothing_so_far, known, flow_s, only.wait_s))


def _shown(snapshot: Snapshot, meter: Installation, flow_s: float) -> Shown:
    length_s = max(flow_s, LEAST_STRONG * spacing(meter).total_seconds())
    running = strong(stretches(meter), length_s=length_s, least_intervals=LEAST_STRONG)
    bouts = [] if running is None else [_bout(snapshot, meter, run, length_s) for run in running.runs]
    # Hourly readings tell late anyway: their homes are not looked at more often than others for it.
    return Shown(meter, running, bouts, length_s * (1.0 if length_s == flow_s else _HARD_AFTER))


def _nothing_so_far(known: Plain, flow_s: float, wait_s: float, word: Word, at: datetime) -> Judgement | None:
    return _nothing_yet(known, Flowing.of(known.shown, flow_s), wait_s, word, at)


def _nothing_yet(known: Plain, flowing: Flowing, wait_s: float, word: Word, at: datetime) -> Judgement | None:
    later = flowing.after(word) if goes_on(word) else None
    if later is None:
        return None
    return Judgement(
        next_due=max(next_after(word.heard_at, known.meter.interval, at), instant(later.begun_s + wait_s)),
        judged_until=word.covered_at,
        stands=partial(_nothing_yet, known, later, wait_s),
    )


def _bout(snapshot: Snapshot, meter: Installation, run: Run, length_s: float) -> Bout:
    values: dict[str, JsonValue] = {
        "device": meter.device,
        "flow_s": round(run.length_s),
        "used_l": round(run.used_l, 1),
    }
    return Bout(
        since_s=run.since_s,
        known_s=run.until_s,
        begun=run.begun,
        lasts=run.lasts,
        severity=Severity.HARD if run.length_s >= _HARD_AFTER * length_s else Severity.SOFT,
        reason=Reason(id="flow_running", values=values),
        over=Reason(id="flow_running_over", values=values),
        evidence={**values, "flows_until": instant(run.until_s).isoformat(), "limit_h": snapshot.policy.flow_h},
    )
