"""Hidden use: so much water flows all the time that a person's use cannot be told from it.

Inactivity is judged by what is left without the base flow. Where that flow may vary by as much as the limit in the soft
window, a home may look used while nobody uses anything: *monitoring impaired*, instead of false calm. By a register in
coarse steps a lively day looks as if something flowed all the time: of one it is said only where that goes on.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from pydantic import JsonValue

from alerts.findings import Kind, Reason
from rules.expected import next_after, next_word
from rules.flow import SPAN_S, base_flow, flowing_since_s, hides_from_l_h, may_be_base_since
from rules.plainly import Plain, goes_on, has_no_base, plain
from rules.rule import Impairment, Judgement, Word
from rules.running import fine_meters
from rules.segment import Segment
from rules.snapshot import Installation, Snapshot, instant, judged_by_from
from rules.water import blur_l, stretches

LASTS: Final = timedelta(hours=48)
"""So long must it go on by a register in coarse steps: by 10 L, homes without one show 30 h of it in six weeks."""


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
            base = base_flow(found[-1])
            if base and _hides(snapshot, meter, base[-1]):
                impairments += _told(snapshot, meter, found[-1], base, now)
        if not meters:
            return Judgement(next_due=now + self.max_latency)
        soon = next_word(meters, now)
        if impairments:
            return Judgement(next_due=soon, impairments=tuple(impairments))
        least_l_h = min(_hides_from(snapshot, meter) for meter in meters)
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


def _hides(snapshot: Snapshot, meter: Installation, rate_l_h: float) -> bool:
    return 0.0 < rate_l_h >= _hides_from(snapshot, meter)


def _hides_from(snapshot: Snapshot, meter: Installation) -> float:
    policy = snapshot.policy
    return hides_from_l_h(policy.inactivity_volume_l, blur_l([meter]), policy.inactivity_window_h * 3600.0)


def _told(
    snapshot: Snapshot, meter: Installation, segment: Segment, base: Sequence[float], now: datetime
) -> list[Impairment]:
    place = len(base)
    while place > 0 and _hides(snapshot, meter, base[place - 1]):
        place -= 1
    since, covered_until = instant(segment.at_s[place]), instant(segment.at_s[-1])
    known_since = snapshot.ongoing.get(Kind.MONITORING_IMPAIRED)
    reason = Reason(id="monitoring_use_hidden", values={"device": meter.device, "base_l": round(base[-1], 1)})
    if step_l := blur_l([meter]):
        if since > max(covered_until - LASTS, judged_by_from(snapshot.looked_until, snapshot.policy, now)):
            return []
        lasted_s = round((covered_until - since).total_seconds())
        values: dict[str, JsonValue] = {"device": meter.device, "lasted_s": lasted_s, "step_l": step_l}
        reason = Reason(id="monitoring_never_still", values=values)
    if place == 0 and known_since is not None:
        since = min(since, known_since)  # a later look reads less far back
    return [Impairment(about=meter.device, since=since, reason=reason)]
