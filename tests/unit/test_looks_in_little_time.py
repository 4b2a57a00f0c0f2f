"""What is skipped to save time changes nothing: the same as from a plain look at every instant."""

from collections.abc import Sequence
from itertools import accumulate, groupby
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from rules import flow, running
from rules.course import largest
from rules.dry import Dryness, dryness, tolerance_s
from rules.flow import SPAN_S, base_flow
from rules.remembered import remembered
from rules.running import STRONG_L_PER_H, strong
from rules.segment import Segment, moved
from rules.silence import silences

T0 = 1_774_000_000.0


def _segment(gaps_s: Sequence[float], uses_l: Sequence[float], step_l: float = 0.0) -> Segment:
    at_s = list(accumulate(gaps_s, initial=T0))
    totals_l = list(accumulate(uses_l, initial=100.0))
    return Segment(at_s, totals_l, totals_l, step_l)


def _drawn(seed: int) -> Segment:
    """Readings a quarter of an hour to two hours apart; use in some of them, with stretches of rest."""
    random = Random(seed)
    count, gap_s = random.randint(1, 200), random.choice([900.0, 900.0, 3600.0, 7200.0])
    uses_l: list[float] = []
    while len(uses_l) < count:
        busy = random.choice([0.0, 0.0, 0.3, 1.0])
        uses_l += [
            random.choice([0.25, 1.0, random.randint(1, 40)]) if random.random() < busy else 0.0
            for _ in range(random.randint(1, 40))
        ]
    return _segment([gap_s + random.randint(-20, 20) for _ in range(count)], uses_l[:count])


SEGMENTS = st.integers(0, 2**32).map(_drawn)


@given(SEGMENTS, st.sampled_from([1.0, 10.0, 60.0]), st.sampled_from([2.0, 8.0, 12.0]))
@settings(max_examples=60, deadline=None)
def test_dry_spells_are_those_of_a_look_at_every_window(segment: Segment, volume_l: float, window_h: float) -> None:
    window_s = window_h * 3600.0
    length_s = window_s - tolerance_s(window_s)
    judged = []
    for place, at_s in enumerate(segment.at_s):
        opening = [earlier for earlier, each_s in enumerate(segment.at_s) if each_s <= at_s - length_s]
        if opening:
            judged.append((at_s, segment.high_l[place] - segment.low_l[opening[-1]] < volume_l))
    spans = [[at_s for at_s, _ in group] for dry, group in groupby(judged, key=lambda pair: pair[1]) if dry]
    found = dryness([segment], volume_l=volume_l, window_s=window_s)
    assert [(spell.fired_s, spell.until_s) for spell in found.spells] == [(span[0], span[-1]) for span in spans]
    assert [spell.first_judged for spell in found.spells] == [span[0] == judged[0][0] for span in spans]


@given(SEGMENTS, st.lists(st.floats(0.5, 20.0), min_size=40, max_size=40))
@settings(max_examples=60, deadline=None)
def test_silences_are_those_of_asking_for_every_limit(segment: Segment, hours: list[float]) -> None:
    falls_never = list(accumulate((each * 3600.0 + 7200.0 * at for at, each in enumerate(hours)), max))

    def limit(since_s: float) -> float:
        place = min(int((since_s - T0) // 7200.0), len(falls_never) - 1)
        return T0 + falls_never[place]

    spells = []
    begin = 0
    while begin < len(segment.at_s):
        until = begin
        while until + 1 < len(segment.at_s) and segment.high_l[until + 1] - segment.low_l[begin] < 1.0:
            until += 1
        if until > begin and segment.at_s[until] >= limit(segment.at_s[begin]):
            spells.append((segment.at_s[begin], segment.at_s[until], until == len(segment.at_s) - 1))
        begin = until + 1

    def told(dry: Dryness) -> list[tuple[float, float, bool]]:
        return [(spell.since_s, spell.until_s, spell.lasts) for spell in dry.spells]

    assert told(silences([segment], use_l=1.0, limit=limit)) == spells


def test_a_silence_shorter_than_the_least_is_not_asked_about() -> None:
    asked: list[float] = []

    def limit(since_s: float) -> float:
        asked.append(since_s)
        return since_s + 8 * 3600.0

    segment = _segment([900.0] * 96, [5.0 if place % 4 == 0 else 0.0 for place in range(60)] + [0.0] * 36)
    found = silences([segment], use_l=1.0, limit=limit, least_s=8 * 3600.0)
    assert len(found.spells) == 1
    assert len(asked) == 1


@given(SEGMENTS)
@settings(max_examples=60, deadline=None)
def test_the_base_flow_is_that_of_every_span(segment: Segment) -> None:
    spans = flow._spans(segment, flow._windows(segment)) if segment.at_s[-1] - segment.at_s[0] >= SPAN_S else []
    rates = largest(spans, 0, len(segment.at_s) - 1) if spans else []
    assert list(base_flow(segment)) == list(rates)


@given(SEGMENTS, st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_strong_flow_is_that_of_every_interval(segment: Segment, least: int) -> None:
    found = strong([segment], length_s=1800.0, least_intervals=least)
    assert found is not None
    for run in found.runs:
        assert run.length_s >= 1800.0 - tolerance_s(1800.0)
        assert run.used_l >= (STRONG_L_PER_H - 1e-6) * run.length_s / 3600.0
    last_s = segment.at_s[-1] - segment.at_s[-2]
    weak = (segment.low_l[-1] - segment.low_l[-2]) * 3600.0 / last_s < STRONG_L_PER_H
    if weak and running._gridded(segment) is segment:
        assert found.stopped
        assert found.open_since_s == segment.at_s[-1]


def test_where_a_total_moved() -> None:
    assert list(moved(_segment([900.0] * 5, [0.0, 1.0, 0.0, 0.0, 2.0]))) == [2, 5]
    assert list(moved(_segment([], []))) == []


def test_a_result_is_remembered_for_the_same_object_and_equal_limits() -> None:
    asked: list[int] = []

    @remembered
    def doubled(values: list[int], by: int) -> list[int]:
        asked.append(by)
        return [value * by for value in values]

    values = [1, 2]
    assert doubled(values, 2) is doubled(values, 2)
    assert doubled(values, 3) == [3, 6]
    assert doubled([1, 2], 2) == [2, 4]
    assert asked == [2, 3, 2]
