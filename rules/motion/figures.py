"""How well trials were judged: sensitivity and specificity, with intervals over people."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from rules.motion.trials import Trial

PLAIN_BAR_G: Final = 2.5
"""The rule to compare with: a magnitude above this, whatever comes before and after."""
RESAMPLES: Final = 2000
SEED: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One trial and what was made of it; `peak_g` is the highest magnitude of a single sample."""

    trial: Trial
    is_fall: bool
    confidence: float
    peak_g: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A share with its 95 % interval; None where nothing, or nobody else, is there to say it.

    The interval is what re-drawing the *people* gives (percentiles of a bootstrap): trials of one person resemble each
    other, so that an interval over trials would be too narrow. Where everybody agrees it has no width, and says little.
    """

    share: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """How well a group of trials was judged. `plain_*`: by the rule to compare with."""

    trials: int
    falls: int
    subjects: int
    sensitivity: Rate
    specificity: Rate
    plain_sensitivity: float | None
    plain_specificity: float | None


def figures(judged: Sequence[Judged]) -> Figures:
    """Counts one group."""
    hits = _by_subject(judged, is_fall=True)
    calm = _by_subject(judged, is_fall=False)
    return Figures(
        trials=len(judged),
        falls=sum(one.trial.is_fall for one in judged),
        subjects=len({one.trial.subject for one in judged}),
        sensitivity=_rate(hits),
        specificity=_rate(calm),
        plain_sensitivity=_share([one.peak_g > PLAIN_BAR_G for one in judged if one.trial.is_fall]),
        plain_specificity=_share([one.peak_g <= PLAIN_BAR_G for one in judged if not one.trial.is_fall]),
    )


def by(judged: Iterable[Judged], of: Callable[[Trial], str]) -> dict[str, Figures]:
    """Counts each group on its own, in the order of their names."""
    groups: dict[str, list[Judged]] = {}
    for one in judged:
        groups.setdefault(of(one.trial), []).append(one)
    return {name: figures(groups[name]) for name in sorted(groups)}


def _by_subject(judged: Sequence[Judged], *, is_fall: bool) -> dict[str, tuple[int, int]]:
    """How many of each person's trials were judged right, and of how many."""
    counts: dict[str, tuple[int, int]] = {}
    for one in judged:
        if one.trial.is_fall == is_fall:
            right, of = counts.get(one.trial.subject, (0, 0))
            counts[one.trial.subject] = (right + (one.is_fall == is_fall), of + 1)
    return counts


def _rate(counts: Mapping[str, tuple[int, int]]) -> Rate:
    people = [counts[subject] for subject in sorted(counts)]
    if not people:
        return Rate(share=None, low=None, high=None)
    share = sum(right for right, _ in people) / sum(of for _, of in people)
    if len(people) == 1:
        return Rate(share=share, low=None, high=None)
    random = Random(SEED)  # noqa: S311  # the same figures for the same file
    drawn = sorted(_resampled(people, random) for _ in range(RESAMPLES))
    return Rate(share=share, low=drawn[round(0.025 * (RESAMPLES - 1))], high=drawn[round(0.975 * (RESAMPLES - 1))])


def _resampled(people: Sequence[tuple[int, int]], random: Random) -> float:
    right = of = 0
    for one_right, one_of in random.choices(people, k=len(people)):
        right += one_right
        of += one_of
    return right / of


def _share(held: Sequence[bool]) -> float | None:
    return sum(held) / len(held) if held else None
