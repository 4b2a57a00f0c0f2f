"""What is skipped to save time changes nothing: the same as from a plain look at every instant."""

from collections.abc import Sequence
from itertools import accumulate, groupby
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules import flow, running
from rules.course import largest
from rules.dry import Dryness, dryness, tolerance_s
from rules.flow import SPAN_S, base_flow, least_l_h
from rules.remembered import remembered
from rules.running import GRID_S, STRONG_L_PER_H, strong
from rules.segment import Segment, moved
from rules.silence import silences
from rules.up import USE_L, last_use, used_l

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
    spans = flow._spans(segment) if segment.at_s[-1] - segment.at_s[0] >= SPAN_S else []
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


@given(SEGMENTS, st.data())
@settings(max_examples=60, deadline=None)
def test_the_least_flow_of_a_span_is_that_of_its_windows(segment: Segment, data: st.DataObject) -> None:
    instants = st.sampled_from(list(segment.at_s))
    since_s, until_s = sorted((data.draw(instants), data.draw(instants)))
    windows = [
        window.bound_l_h
        for begin, window in enumerate(flow._windows(segment))
        if since_s <= segment.at_s[begin] and segment.at_s[window.end] <= until_s
    ]
    assert least_l_h([segment], since_s, until_s) == min(windows, default=0.0)


def test_the_windows_of_many_runs_are_worked_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    segment, worked_out = _segment([900.0] * 960, [2.0] * 960), list[int]()
    windows = flow._windows

    def counted(part: Segment) -> object:
        worked_out.append(len(part.at_s))
        return windows(part)

    monkeypatch.setattr(flow, "_windows", counted)
    for begin in range(0, 960, 16):
        assert least_l_h([segment], segment.at_s[begin], segment.at_s[begin + 16]) == 8.0
    assert sum(worked_out) <= len(segment.at_s) + 60


@given(SEGMENTS, st.data())
@settings(max_examples=60, deadline=None)
def test_the_last_use_is_that_of_going_back_reading_by_reading(segment: Segment, data: st.DataObject) -> None:
    end = data.draw(st.integers(0, len(segment.at_s) - 1))
    place = end
    while place > 0 and used_l(segment, place - 1, place) < USE_L:
        place -= 1
    assert last_use(segment, end) == place


@given(st.lists(st.sampled_from([10.0, 11.0, 60.0, 899.0, 900.0, 2000.0]), max_size=200))
def test_of_readings_close_together_one_in_a_quarter_is_kept(gaps_s: list[float]) -> None:
    segment = _segment(gaps_s, [1.0] * len(gaps_s))
    kept_s = [next(group) for _, group in groupby(segment.at_s, key=lambda each_s: each_s // GRID_S)]
    assert running._gridded(segment).at_s == (segment.at_s if min(gaps_s, default=GRID_S) >= GRID_S else kept_s)


class _Counted(list[float]):
    read = 0

    def __getitem__(self, place: Any) -> Any:
        _Counted.read += 1
        return super().__getitem__(place)


def test_what_stands_still_is_not_gone_through_reading_by_reading() -> None:
    """Two days of readings every ten seconds, of which all but the first are dry."""
    known = _segment([10.0] * 17_280, [30.0] + [0.0] * 17_279)
    at_s, totals_l = _Counted(known.at_s), _Counted(known.low_l)
    segment = Segment(at_s, totals_l, totals_l)
    found = dryness([segment], volume_l=10.0, window_s=12 * 3600.0)
    assert len(found.spells) == 1
    assert _Counted.read < 500
