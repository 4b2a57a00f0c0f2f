"""Raw acceleration: what is a fall, what is none, what cannot be known."""

from math import cos, inf, nan, pi, sin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.motion.errors import BadBurst
from rules.motion.stages import stages
from rules.motion.track import LONGEST_GAP_S, STEP_S, Sample, tracks
from rules.motion.verdict import MotionVerdict, judge_burst, judge_samples
from tests.unit.motion_worlds import Motion, fall, jogging, leaning, lying_down, recorded


def turned_over(t_s: float) -> Sample:
    """A pendant turned round quickly by hand, without a blow."""
    return leaning(90.0 * min(1.0, max(0.0, (t_s - 5.0) / 0.5)))


def sitting_down_hard(t_s: float) -> Sample:
    """A blow of 2.5 g, upright before and nearly so after."""
    bump = 1.5 * sin(pi * (t_s - 5.0) / 0.15) if 5.0 < t_s < 5.15 else 0.0
    return leaning(0.0 if t_s < 5.0 else 20.0, 1.0 + bump)


def judged(motion: Motion, *, hz: float = 50.0, seconds: float = 10.0, begin_s: float = 0.0) -> MotionVerdict:
    return judge_burst(recorded(motion, hz=hz, seconds=seconds, begin_s=begin_s), hz)


@pytest.mark.parametrize("hz", [20.0, 25.0, 50.0, 87.0, 100.0, 200.0])
def test_a_fall_is_one_at_any_rate(hz: float) -> None:
    verdict = judged(fall(), hz=hz)
    assert verdict.is_fall
    assert verdict.confidence > 0.9
    assert verdict.unknown == ()
    assert verdict.seen is not None
    assert verdict.seen.at_s == pytest.approx(5.05, abs=0.15)
    assert verdict.seen.free_fall_s == pytest.approx(0.3, abs=0.1)
    assert verdict.seen.posture_change_deg == pytest.approx(90.0, abs=3.0)
    assert verdict.seen.impact_g > 2.0
    assert verdict.seen.stillness == 1.0


def test_the_rate_hardly_moves_the_score() -> None:
    blows = [judged(fall(), hz=hz).seen for hz in (25.0, 50.0, 100.0, 200.0)]
    strengths = [blow.blow_g for blow in blows if blow is not None]
    assert len(strengths) == 4
    assert max(strengths) < 1.15 * min(strengths)


@pytest.mark.parametrize("motion", [jogging, lying_down, turned_over, sitting_down_hard, lambda _t_s: leaning(30.0)])
@pytest.mark.parametrize("hz", [20.0, 50.0, 200.0])
def test_daily_life_is_no_fall(motion: Motion, hz: float) -> None:
    verdict = judged(motion, hz=hz)
    assert not verdict.is_fall
    assert verdict.confidence < 0.5


def test_a_sensor_of_two_g_sees_the_same_fall() -> None:
    clipped = [(max(-2.0, min(2.0, x)), y, max(-2.0, min(2.0, z))) for x, y, z in recorded(fall(peak_g=6.0))]
    assert judge_burst(clipped, 50.0).is_fall


def test_stirring_afterwards_lowers_the_confidence() -> None:
    calm, restless = judged(fall()), judged(fall(stirring_g=0.8))
    assert restless.confidence < calm.confidence
    assert restless.seen is not None
    assert restless.seen.stillness is not None
    assert restless.seen.stillness < 0.6


def test_a_calmer_past_says_nothing() -> None:
    """Who falls while walking falls as well: what was before the blow counts for posture alone."""

    def walking_then_falling(t_s: float) -> Sample:
        return leaning(0.0, 1.0 + 0.4 * sin(2 * pi * 2.0 * t_s)) if t_s < 4.5 else fall()(t_s)

    assert judged(walking_then_falling).confidence == pytest.approx(judged(fall()).confidence, abs=0.05)


@pytest.mark.parametrize(
    ("begin_s", "seconds", "unknown"),
    [(4.6, 5.0, ("posture",)), (1.0, 4.4, ("posture", "stillness")), (4.6, 0.8, ("posture", "stillness"))],
    ids=["begins with the blow", "ends with the blow", "nothing but the blow"],
)
def test_a_burst_that_is_cut_short_is_less_certain(begin_s: float, seconds: float, unknown: tuple[str, ...]) -> None:
    cut = judged(fall(), begin_s=begin_s, seconds=seconds)
    assert cut.unknown == unknown
    assert cut.confidence < judged(fall()).confidence
    assert not {"posture_change_deg", "stillness"} & {key for key in cut.values if key.split("_")[0] in unknown}


def test_a_hard_blow_alone_is_a_fall_and_a_soft_one_is_not() -> None:
    assert judged(fall(peak_g=6.0), begin_s=4.6, seconds=1.0).is_fall
    assert not judged(sitting_down_hard, begin_s=4.6, seconds=1.0).is_fall


@pytest.mark.parametrize("samples", [[], [(0.0, 0.0, 1.0)]])
def test_nothing_to_go_by(samples: list[Sample]) -> None:
    verdict = judge_burst(samples, 50.0)
    assert (verdict.is_fall, verdict.confidence, verdict.seen) == (False, 0.0, None)
    assert verdict.unknown == ("blow", "posture", "stillness")
    assert verdict.values == {"confidence": 0.0}


@pytest.mark.parametrize("hz", [0.0, -50.0, inf, nan])
def test_a_rate_must_be_one(hz: float) -> None:
    with pytest.raises(BadBurst):
        judge_burst([(0.0, 0.0, 1.0)] * 10, hz)


def test_samples_must_be_finite_and_have_times() -> None:
    with pytest.raises(BadBurst, match="not finite"):
        judge_burst([(0.0, 0.0, 1.0), (nan, 0.0, 1.0), (0.0, 0.0, 1.0)], 50.0)
    with pytest.raises(BadBurst, match="not finite"):
        judge_samples([0.0, inf], [(0.0, 0.0, 1.0)] * 2)
    with pytest.raises(BadBurst, match="2 times for 1"):
        judge_samples([0.0, 1.0], [(0.0, 0.0, 1.0)])


def test_a_sensor_that_shows_too_much_at_rest_is_taken_at_its_word() -> None:
    wrong = [(1.12 * x, 1.12 * y, 1.12 * z) for x, y, z in recorded(fall())]
    assert judge_burst(wrong, 50.0).confidence == pytest.approx(judged(fall()).confidence, abs=1e-9)


def test_the_order_of_samples_and_repeated_times_change_nothing() -> None:
    samples = recorded(fall())
    times_s = [index / 50.0 for index in range(len(samples))]
    mixed = sorted(range(len(samples)), key=lambda index: index * 7919 % len(samples))
    twice = [*mixed, *mixed[:20]]
    verdict = judge_samples([times_s[index] for index in twice], [samples[index] for index in twice])
    assert verdict == judge_samples(times_s, samples)


def test_nothing_is_assumed_across_a_long_gap() -> None:
    upright, lying = recorded(lambda _t_s: leaning(0.0)), recorded(lambda _t_s: leaning(90.0))
    times_s = [index / 50.0 for index in range(len(upright))]
    later_s = [at_s + 10.0 + LONGEST_GAP_S + 1.0 for at_s in times_s]
    found = tracks([*times_s, *later_s], [*upright, *lying])
    assert [round(len(track.magnitude) * STEP_S) for track in found] == [10, 10]
    assert not judge_samples([*times_s, *later_s], [*upright, *lying]).is_fall


def test_a_clock_that_jumps_by_years_costs_nothing() -> None:
    samples = recorded(fall())
    times_s = [index / 50.0 + (3e8 if index >= 450 else 0.0) for index in range(len(samples))]
    assert judge_samples(times_s, samples).is_fall


_g = st.floats(-16.0, 16.0)


@settings(max_examples=60, deadline=None)
@given(samples=st.lists(st.tuples(_g, _g, _g), max_size=150), hz=st.floats(1.0, 400.0))
def test_any_burst_is_judged(samples: list[Sample], hz: float) -> None:
    verdict = judge_burst(samples, hz)
    assert 0.0 <= verdict.confidence <= 1.0
    assert verdict.is_fall == (verdict.confidence >= 0.5)
    assert verdict.values["confidence"] == round(verdict.confidence, 2)


@settings(max_examples=25, deadline=None)
@given(a=st.floats(0.0, 2 * pi), b=st.floats(0.0, 2 * pi), peak_g=st.floats(1.5, 6.0), lying=st.floats(0.0, 90.0))
def test_how_the_device_is_worn_does_not_matter(a: float, b: float, peak_g: float, lying: float) -> None:
    def worn(sample: Sample) -> Sample:
        x, y, z = sample
        x, y = x * cos(a) - y * sin(a), x * sin(a) + y * cos(a)
        y, z = y * cos(b) - z * sin(b), y * sin(b) + z * cos(b)
        return x, y, z

    samples = recorded(fall(peak_g=peak_g, lying_deg=lying), hz=25.0)
    turned = judge_burst([worn(sample) for sample in samples], 25.0)
    assert turned.confidence == pytest.approx(judge_burst(samples, 25.0).confidence, abs=1e-6)


def test_each_step_holds_the_mean_of_what_was_measured() -> None:
    (track,) = tracks([0.0, 0.1, 0.4], [(0.0, 0.0, 1.0), (0.0, 0.0, 2.0), (0.0, 0.0, 0.5)])
    total = sum(track.z) * STEP_S
    shown = total / (0.1 * 1.5 + 0.3 * 1.25)
    assert shown == pytest.approx(1 / 1.2, abs=0.01), "the same area under the line, in units of the sensor's rest"
    assert len(track.z) == 10
    assert stages(track)
