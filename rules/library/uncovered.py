"""Uncovered: a water meter is heard, yet sends nothing that inactivity could be judged by.

Neither silence nor calm. It may send no usable reading, count pulses of unknown worth, move in steps too coarse for the
limit, or have its valve shut, so that whoever is home can use nothing.
"""

from datetime import datetime, timedelta
from functools import partial
from typing import Final

from alerts.findings import Kind, Reason
from devices.meters import is_step_sure, step_of
from rules.expected import next_after, next_word
from rules.plainly import Plain, goes_on, plain
from rules.rule import Impairment, Judgement, Word
from rules.snapshot import Installation, Snapshot, instant, judged_by_from
from rules.water import blur_l, unbroken

_WINDOWS: Final = 2
_UNSURE: Final = timedelta(hours=3)
"""What is said of a step that only seems one may be over with any reading."""


class Uncovered:
    """Finds meters by which nobody can tell use, and those that are heard but have covered nothing for two windows."""

    name = "uncovered"
    release = 5
    max_latency = timedelta(hours=24)

    def evaluate(self, snapshot: Snapshot, now: datetime) -> Judgement:
        """Judges every installed water meter."""
        meters = [d for d in snapshot.installations if d.meters_water and d.removed_at is None]
        if not meters:
            return Judgement(next_due=now + self.max_latency)
        if snapshot.hearing is None:
            return Judgement(next_due=now + min(meter.interval for meter in meters), impairments_known=False)
        impairments = [_worth_unknown(meter) for meter in meters if meter.pulses_unknown]
        impairments += [_valve_shut(meter, snapshot) for meter in meters if meter.valve_shut]
        limit_l = snapshot.policy.inactivity_volume_l
        coarse = [meter for meter in meters if blur_l([meter])] if blur_l(meters) > limit_l else []
        said = [meter for meter in coarse if _coarse_from(meter, snapshot) <= now]
        if blur_l(said) > limit_l:
            impairments += [_too_coarse(meter, limit_l) for meter in said]
        next_due = now + self.max_latency
        if not all(_is_step_sure(meter) for meter in coarse):
            waited_for = [_coarse_from(meter, snapshot) for meter in coarse if meter not in said]
            next_due = min(waited_for, default=now + _UNSURE)
        heard_all, stands = True, None
        for meter in meters:
            if meter.pulses_unknown:
                continue
            silence = snapshot.policy.silence_limit(meter.interval.total_seconds())
            covered = _covered_until(meter, snapshot, now)
            bound = max(_WINDOWS * snapshot.policy.inactivity_window, snapshot.policy.inactivity_window + silence)
            if now <= covered + bound:
                next_due = min(next_due, max(covered + bound, now + meter.interval))
                known = None if impairments else plain(snapshot)
                stands = None if known is None else partial(_covered, known, bound, silence)
                continue
            next_due = min(next_due, next_word([meter], now))
            # One that is not heard at all is lost, which is not ours to say; what was said of it stays.
            if meter.heard_at is not None and snapshot.hearing.until <= meter.heard_at + silence:
                # A later look may read less far back: what was told keeps its beginning.
                since = min(covered, snapshot.ongoing.get(Kind.MONITORING_IMPAIRED, covered))
                impairments.append(_no_reading(meter, since, now - covered))
            else:
                heard_all = False
                known = None if impairments else plain(snapshot)
                stands = None if known is None else partial(_unheard, known.meter.interval, known.meter.heard_at)
        return Judgement(next_due=next_due, impairments=tuple(impairments), impairments_known=heard_all, stands=stands)


def _covered(known: Plain, bound: timedelta, silence: timedelta, word: Word, at: datetime) -> Judgement | None:
    if not goes_on(word):
        return None
    covered, interval = word.covered_at, known.meter.interval
    if at <= covered + bound:
        return Judgement(next_due=max(covered + bound, at + interval), stands=partial(_covered, known, bound, silence))
    return None if at <= word.heard_at + silence else _unheard(interval, word.heard_at, word, at)


def _unheard(interval: timedelta, heard_at: datetime | None, word: Word, at: datetime) -> Judgement | None:
    """Nobody can tell of a meter that has been silent for so long, until it is heard again."""
    if word.heard_at != heard_at:
        return None
    return Judgement(
        next_due=next_after(word.heard_at, interval, at),
        impairments_known=False,
        stands=partial(_unheard, interval, heard_at),
    )


def _covered_until(meter: Installation, snapshot: Snapshot, now: datetime) -> datetime:
    """The last reading that tells of use; where use is known in snatches only, the first of them that is seen."""
    known = unbroken(meter)
    if not known:
        return meter.installed_at
    from_s = judged_by_from(snapshot.looked_until, snapshot.policy, now).timestamp()
    stretches = [(max(since_s, from_s), until_s) for since_s, until_s in known if until_s >= from_s] or known[-1:]
    window_s = snapshot.policy.inactivity_window.total_seconds()
    if len(stretches) == 1 or any(until_s - since_s >= window_s for since_s, until_s in stretches):
        telling = [until_s for since_s, until_s in stretches if until_s > since_s]
        return max(meter.installed_at, instant((telling or [stretches[-1][1]])[-1]))
    return max(meter.installed_at, instant(stretches[0][0]))


def _worth_unknown(meter: Installation) -> Impairment:
    return Impairment(
        about=meter.device,
        since=meter.installed_at,
        reason=Reason(id="monitoring_pulses_unknown", values={"device": meter.device}),
    )


def _valve_shut(meter: Installation, snapshot: Snapshot) -> Impairment:
    return Impairment(
        about=meter.device,
        since=snapshot.ongoing.get(Kind.MONITORING_IMPAIRED, meter.heard_at or meter.installed_at),
        reason=Reason(id="monitoring_valve_shut", values={"device": meter.device}),
    )


def _coarse_from(meter: Installation, snapshot: Snapshot) -> datetime:
    """From when on it is said that a meter moves in steps too coarse.

    A total or two may be round by chance. But where no others come for as long as the home could have been judged by,
    it was not, and that is no calm.
    """
    if _is_step_sure(meter):
        return meter.installed_at
    return instant(meter.water.measured_s[0]) + snapshot.policy.inactivity_window


def _is_step_sure(meter: Installation) -> bool:
    water = meter.water
    told_otherwise = water.pulse_l is not None or step_of(water.totals_l) != water.step_l
    return told_otherwise or is_step_sure(water.totals_l)


def _too_coarse(meter: Installation, limit_l: float) -> Impairment:
    return Impairment(
        about=meter.device,
        since=meter.installed_at,
        reason=Reason(
            id="monitoring_meter_too_coarse" if _is_step_sure(meter) else "monitoring_meter_seems_coarse",
            values={"device": meter.device, "step_l": meter.water.step_l, "limit_l": limit_l},
        ),
    )


def _no_reading(meter: Installation, since: datetime, uncovered: timedelta) -> Impairment:
    return Impairment(
        about=meter.device,
        since=since,
        reason=Reason(
            id="monitoring_no_water_reading",
            values={"device": meter.device, "uncovered_s": round(uncovered.total_seconds())},
        ),
    )
