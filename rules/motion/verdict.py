"""A fall or not, how certain, and why: a logistic score over three measures of the likeliest blow.

The weights were tuned on UMAFall (Casilari et al. 2017: 18 people, waist, chest and wrist) and MobiFall (Vavoulas et
al. 2014: 24 people, trouser pocket) by `bench/tune_motion.py`. What they come to, if the person lies still afterwards:
a change of posture by 60° or more is a fall from a blow of 0.24 g on (falls onto mats: 0.4 to 1.9; lying down on a
bed: 0.1 to 0.3), by 45° from 0.4 g, by 30° from 0.7 g, without any from 1.9 g (hopping: 0.7 to 2.1, but it goes on).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, isfinite, log, log1p
from typing import Final

from rules.motion.errors import BadBurst
from rules.motion.stages import Stages, stages
from rules.motion.track import Sample, tracks

LYING_DEG: Final = 60.0
"""A larger change of posture says no more (Bourke and Lyons 2008 call it lying from 60° on)."""
IS_FALL: Final = 0.5
"""The confidence from which it counts as a fall."""

_INTERCEPT: Final = -3.88
_PER_BLOW: Final = 6.19
_PER_POSTURE: Final = 11.75
_PER_STIRRING: Final = -9.65
_BLOW_OFFSET_G: Final = 0.05  # no logarithm of nothing; about what a sensor's noise comes to
# What stands in for a stage that the burst does not reach: a blow alone is then a fall from 0.44 g on.
_POSTURE_UNKNOWN_DEG: Final = 45.0
_STIRRING_UNKNOWN_G: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionVerdict:
    """What a burst of raw acceleration says.

    Attributes:
        is_fall: `confidence` reaches `IS_FALL`.
        confidence: 0 to 1. Calibrated where falls and daily activities are equally frequent, as in trials; in a home,
            where falls are rare, most of what scores 0.6 is none.
        seen: what was measured around the blow that is likeliest a fall; None if the burst is too short for anything.
    """

    is_fall: bool
    confidence: float
    seen: Stages | None

    @property
    def unknown(self) -> tuple[str, ...]:
        """The stages that the burst does not reach: of `blow`, `posture`, `stillness`."""
        if self.seen is None:
            return ("blow", "posture", "stillness")
        return (
            *(("posture",) if self.seen.posture_change_deg is None else ()),
            *(("stillness",) if self.seen.stillness is None else ()),
        )

    @property
    def values(self) -> dict[str, float]:
        """What is known, rounded for a sentence: a value for each stage that the burst reaches."""
        if self.seen is None:
            return {"confidence": round(self.confidence, 2)}
        values = {
            "confidence": round(self.confidence, 2),
            "free_fall_s": round(self.seen.free_fall_s, 2),
            "impact_g": round(self.seen.impact_g, 1),
        }
        if self.seen.posture_change_deg is not None:
            values["posture_change_deg"] = round(self.seen.posture_change_deg)
        if self.seen.stillness is not None:
            values["stillness"] = round(self.seen.stillness, 2)
        return values


def judge_burst(samples: Sequence[Sample], hz: float) -> MotionVerdict:
    """Judges an evenly sampled burst.

    Best from 3 s before the blow to 4 s after it, at 20 a second or more; what is missing lowers the confidence.

    Args:
        samples: along three axes, in g, gravity included.
        hz: so many a second.

    Raises:
        BadBurst: a sample or the rate is no finite number, or the rate is not above 0.
    """
    if not (isfinite(hz) and hz > 0):
        raise BadBurst(f"{hz} samples a second")
    return judge_samples([index / hz for index in range(len(samples))], samples)


def judge_samples(times_s: Sequence[float], samples: Sequence[Sample]) -> MotionVerdict:
    """Judges samples taken at uneven times; see `judge_burst` and `rules.motion.track.tracks`.

    Raises:
        BadBurst: a number is not finite, or there are not as many times as samples.
    """
    blows = candidates(times_s, samples)
    if not blows:
        return MotionVerdict(is_fall=False, confidence=0.0, seen=None)
    likeliest = max(blows, key=_score)
    confidence = _logistic(_score(likeliest))
    return MotionVerdict(is_fall=confidence >= IS_FALL, confidence=confidence, seen=likeliest)


def candidates(times_s: Sequence[float], samples: Sequence[Sample]) -> list[Stages]:
    """The blows that are weighed: those with a posture before and after, or all where the burst holds no such.

    Raises:
        BadBurst: see `judge_samples`.
    """
    blows = [blow for track in tracks(times_s, samples) for blow in stages(track)]
    return [blow for blow in blows if blow.posture_change_deg is not None] or blows


def measures(blow: Stages) -> tuple[float, float, float]:
    """The three numbers that are weighed: the blow's strength, the change of posture, the stirring after it."""
    turned = _POSTURE_UNKNOWN_DEG if blow.posture_change_deg is None else blow.posture_change_deg
    stirring = _STIRRING_UNKNOWN_G if blow.stirring_g is None else blow.stirring_g
    return log(blow.blow_g + _BLOW_OFFSET_G), min(turned, LYING_DEG) / LYING_DEG, log1p(stirring)


def _score(blow: Stages) -> float:
    strength, posture, stirring = measures(blow)
    return _INTERCEPT + _PER_BLOW * strength + _PER_POSTURE * posture + _PER_STIRRING * stirring


def _logistic(score: float) -> float:
    return 1 / (1 + exp(-score)) if score >= 0 else exp(score) / (1 + exp(score))
