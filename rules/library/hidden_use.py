"""Hidden use: so much water flows all the time that a person's use cannot be told from it (`rules.hidden`).

*Monitoring impaired*, instead of false calm.
"""

from datetime import datetime, timedelta
from functools import partial

from pydantic import JsonValue

from alerts.findings import Kind, Reason
from rules.expected import next_after, next_word
from rules.flow import SPAN_S, flowing_since_s, may_be_base_since
from rules.hidden import Hidden, hidden, least_hiding_l_h
from rules.plainly import Plain, goes_on, has_no_base, plain
from rules.rule import Impairment, Judgement, Word
from rules.running import fine_meters
from rules.snapshot import Installation, Snapshot, instant
from rules.water import stretches


class HiddenUse:
    """Finds meters of which more flows without a stop than leaves room to judge by."""

    name = "hidden_use"
    release = 2
    max_latency = timedelta(hours=24)

    def evaluate(self, snapshot: Snapshot, now: datetime) -> Judgement:
        """Judges every meter by the base flow of its newest readings."""
        impairments: list[Impairment] = []
        known = True
        meters = fine_meters(snapshot)
        for meter in meters:
            found = stretches(meter)
            if not found:
                known = False
                continue
            what = hidden(snapshot, meter, found[-1], now)
            if what is not None:
                impairments.append(_impairment(snapshot, meter, what))
        if not meters:
            return Judgement(next_due=now + self.max_latency)
        soon = next_word(meters, now)
        if impairments:
            return Judgement(next_due=soon, impairments=tuple(impairments))
        least_l_h = min(least_hiding_l_h(snapshot, meter) for meter in meters)
        open_since_s = may_be_base_since(meters, least_l_h)
        earliest = now + self.max_latency if open_since_s is None else instant(open_since_s + SPAN_S)
        only = plain(snapshot) if known else None
        return Judgement(
            next_due=max(soon, earliest),
            impairments_known=known,
            stands=None if only is None else partial(_leaves_room, only, least_l_h),
        )


def _leaves_room(known: Plain, least_l_h: float, word: Word, at: datetime) -> Judgement | None:
    if not goes_on(word):
        return None
    flowing_s = word.flowing_s
    if not has_no_base(word):
        course = known.shown.course if known.shown.at_s is known.meter.water.measured_s else None
        # No part of a course tells of more base flow than all of it does, but for what it takes back later.
        if course is None or course.base_before(word.covered_s) >= least_l_h:
            return None
        flowing_s = flowing_since_s(course.at_s, course.totals_l, course.place(word.covered_s), least_l_h)
    soon = next_after(word.heard_at, known.meter.interval, at)
    return Judgement(next_due=max(soon, instant(flowing_s + SPAN_S)), stands=partial(_leaves_room, known, least_l_h))


def _impairment(snapshot: Snapshot, meter: Installation, what: Hidden) -> Impairment:
    values: dict[str, JsonValue] = {"device": meter.device}
    if what.step_l:
        lasted_s = round(what.lasted.total_seconds())
        reason = Reason(id="monitoring_never_still", values={**values, "lasted_s": lasted_s, "step_l": what.step_l})
    else:
        reason = Reason(id="monitoring_use_hidden", values={**values, "base_l": round(what.base_l_h, 1)})
    # A later look reads less far back.
    known_since = snapshot.ongoing.get(Kind.MONITORING_IMPAIRED) if what.is_whole else None
    since = what.since if known_since is None else min(what.since, known_since)
    return Impairment(about=meter.device, since=since, reason=reason)
