"""How the weights in `rules/motion/verdict.py` came about: `python -m bench.tune_motion FOLDER…`.

Each folder holds trials.csv and samples.csv.gz as `anju backtest falls` reads them. Prints the weights, and how well
they do on people whom they were not chosen from: each person is judged by weights that come from all the others.

Every trial is learned from four times: as recorded, at 20 samples a second, with a sensor of ±2 g, and with nothing but
2 s before and after its peak, so that no sensor and no length of burst is what the weights rest on. At each position
falls weigh as much as daily activities, however many were recorded; the waist weighs twice.
"""

import sys
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import exp
from pathlib import Path
from typing import Final

from rules.motion.figures import Judged, by
from rules.motion.track import Sample
from rules.motion.trials import Trial, read_samples, read_trials
from rules.motion.verdict import IS_FALL, candidates, measures

Measures = tuple[float, float, float]
Weights = tuple[float, ...]
Burst = tuple[list[float], list[Sample]]

ROUNDS: Final = 5
STEPS: Final = 6
RIDGE: Final = 1e-3
EMPTY_BELOW_G: Final = 1.3
"""A fall without a blow above this was not recorded (UMAFall has some): counted as missed, but not learned from."""
WEIGHS: Final = {"waist": 2.0, "chest": 1.0, "thigh-pocket": 1.0, "wrist": 0.25}


@dataclass(frozen=True, slots=True)
class Row:
    """One trial in one variant: what was measured around each of its blows; `is_empty` if none deserves the name."""

    source: str
    subject: str
    position: str
    is_fall: bool
    is_empty: bool
    blows: list[Measures]


def at_rate(hz: float) -> Callable[[Burst], Burst]:
    """What a slower sensor would have sent."""

    def resample(burst: Burst) -> Burst:
        times_s, samples = burst
        wanted = [times_s[0] + index / hz for index in range(int((times_s[-1] - times_s[0]) * hz))]
        return wanted, [_between(times_s, samples, at_s) for at_s in wanted]

    return resample


def within_range(most_g: float) -> Callable[[Burst], Burst]:
    """What a sensor of a smaller range would have sent."""

    def clip(g: float) -> float:
        return max(-most_g, min(most_g, g))

    return lambda burst: (burst[0], [(clip(x), clip(y), clip(z)) for x, y, z in burst[1]])


def around_peak(before_s: float, after_s: float) -> Callable[[Burst], Burst]:
    """What a pendant that sends little would have sent."""

    def cut(burst: Burst) -> Burst:
        peak_s = _peak_s(burst)
        kept = [
            (at_s, sample) for at_s, sample in zip(*burst, strict=True) if peak_s - before_s <= at_s <= peak_s + after_s
        ]
        return [at_s for at_s, _ in kept], [sample for _, sample in kept]

    return cut


def out_of(walking: Burst, burst: Burst) -> Burst:
    """The same fall, but out of walking: up to 1 s before its peak the person walks."""
    begins_s = _peak_s(burst) - 1.0
    middle_s = (walking[0][0] + walking[0][-1]) / 2
    walked = [(at_s, g) for at_s, g in zip(*walking, strict=True) if abs(at_s - middle_s) < 4.0]
    fall = [(at_s, g) for at_s, g in zip(*burst, strict=True) if at_s >= begins_s]
    shift_s = begins_s - walked[-1][0] - 0.05
    joined = [*((at_s + shift_s, g) for at_s, g in walked), *fall]
    return [at_s for at_s, _ in joined], [g for _, g in joined]


LEARNED: Final[dict[str, Callable[[Burst], Burst]]] = {
    "as recorded": lambda burst: burst,
    "20 a second": at_rate(20),
    "range 2 g": within_range(2),
    "2 s before and after": around_peak(2, 2),
}
ONLY_CHECKED: Final[dict[str, Callable[[Burst], Burst]]] = {
    "10 a second": at_rate(10),
    "range 4 g": within_range(4),
    "1.5 s before and after": around_peak(1.5, 1.5),
}


def main(folders: Sequence[str]) -> None:
    """Reads, tunes, checks and prints."""
    rows: dict[str, list[Row]] = {}
    for folder in map(Path, folders):
        for variant, row in _rows(folder):
            rows.setdefault(variant, []).append(row)
        print(f"{folder.name} measured", file=sys.stderr)
    learned = [row for variant in LEARNED for row in rows[variant] if not (row.is_fall and row.is_empty)]
    print("intercept, blow, posture, stirring:", ", ".join(f"{weight:.2f}" for weight in fit(learned)))
    subjects = sorted({row.subject for row in learned})
    others = {subject: fit([row for row in learned if row.subject != subject]) for subject in subjects}
    for weights in zip(*others.values(), strict=True):
        print(f"  without one person: {min(weights):.2f} to {max(weights):.2f}")
    for variant, checked in rows.items():
        _show(variant, [(row, others[row.subject]) for row in checked])
    for source in sorted({row.source for row in learned}):
        rest = [row for row in learned if row.source != source]
        if rest:
            foreign = fit(rest)
            here = [row for row in rows["as recorded"] if row.source == source]
            _show(f"learned without {source}", [(row, foreign) for row in here])


def _show(variant: str, rows: Iterable[tuple[Row, Weights]]) -> None:
    judged = []
    for row, weights in rows:
        confidence = _likely(max(_score(weights, blow) for blow in row.blows))
        trial = Trial(name="", subject=row.subject, position=row.position, activity="", is_fall=row.is_fall)
        judged.append(Judged(trial=trial, is_fall=confidence >= IS_FALL, confidence=confidence, peak_g=0.0))
    for position, found in by(judged, lambda trial: trial.position).items():
        rates = (found.sensitivity, found.specificity)
        told = [
            "-" if rate.share is None else f"{rate.share:.3f} ({rate.low or 0:.3f}-{rate.high or 0:.3f})"
            for rate in rates
        ]
        print(f"{variant:>25}  {position:14} {found.trials:4} trials  {' / '.join(told)}")


def _rows(folder: Path) -> Iterator[tuple[str, Row]]:
    trials = read_trials(folder)
    walking = {
        (trial.subject, trial.position): (recorded.times_s, recorded.samples)
        for recorded in read_samples(folder)
        if (trial := trials[recorded.trial]).activity == "Walking"
    }
    for recorded in read_samples(folder):
        trial = trials[recorded.trial]
        burst = (recorded.times_s, recorded.samples)
        for variant, change in {**LEARNED, **ONLY_CHECKED}.items():
            yield from _row(folder, trial, variant, change(burst))
        walked = walking.get((trial.subject, trial.position))
        if trial.is_fall and walked is not None:
            yield from _row(folder, trial, "falls out of walking", out_of(walked, burst))


def _row(folder: Path, trial: Trial, variant: str, burst: Burst) -> Iterator[tuple[str, Row]]:
    found = candidates(*burst)
    if found:
        is_empty = max(blow.impact_g for blow in found) < EMPTY_BELOW_G
        subject = f"{folder.name} {trial.subject}"
        yield (
            variant,
            Row(folder.name, subject, trial.position, trial.is_fall, is_empty, [measures(blow) for blow in found]),
        )


def fit(rows: Sequence[Row]) -> Weights:
    """Logistic regression in which each row speaks through its likeliest blow.

    The rows must overlap, as thousands of real ones do: where a line parts falls from the rest, none are best.
    """
    weigh = _weighing(rows)
    chosen = [row.blows[0] for row in rows]  # the strongest, to begin with
    weights: Weights = (0.0, 0.0, 0.0, 0.0)
    for _ in range(ROUNDS):
        for _ in range(STEPS):
            weights = _newton(weights, rows, chosen, weigh)
        chosen = [max(row.blows, key=lambda blow: _score(weights, blow)) for row in rows]
    return weights


def _weighing(rows: Sequence[Row]) -> dict[tuple[str, bool], float]:
    counts: dict[tuple[str, bool], int] = {}
    for row in rows:
        counts[row.position, row.is_fall] = counts.get((row.position, row.is_fall), 0) + 1
    return {
        (position, is_fall): 1000.0 * WEIGHS.get(position, 1.0) / count for (position, is_fall), count in counts.items()
    }


def _newton(
    weights: Weights, rows: Sequence[Row], chosen: Sequence[Measures], weigh: dict[tuple[str, bool], float]
) -> Weights:
    size = len(weights)
    gradient = [-RIDGE * weight for weight in weights]
    curvature = [[RIDGE if a == b else 0.0 for b in range(size)] for a in range(size)]
    for row, blow in zip(rows, chosen, strict=True):
        vector = (1.0, *blow)
        expected = _likely(_score(weights, blow))
        weight = weigh[row.position, row.is_fall]
        pull, bend = weight * (row.is_fall - expected), weight * expected * (1 - expected) + 1e-9
        for a in range(size):
            gradient[a] += pull * vector[a]
            bent = bend * vector[a]
            for b in range(a + 1):
                curvature[a][b] += bent * vector[b]
    for a in range(size):
        for b in range(a):
            curvature[b][a] = curvature[a][b]
    return tuple(weight + step for weight, step in zip(weights, _solved(curvature, gradient), strict=True))


def _solved(matrix: Iterable[Sequence[float]], right: Sequence[float]) -> list[float]:
    """Solves linear equations with a positive definite matrix: elimination needs no pivots."""
    table = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for index, pivot in enumerate(table):
        for other in table[:index] + table[index + 1 :]:
            factor = other[index] / pivot[index]
            for column in range(index, len(pivot)):
                other[column] -= factor * pivot[column]
    return [row[-1] / row[index] for index, row in enumerate(table)]


def _score(weights: Weights, blow: Measures) -> float:
    return weights[0] + weights[1] * blow[0] + weights[2] * blow[1] + weights[3] * blow[2]


def _likely(score: float) -> float:
    return 1 / (1 + exp(-max(-30.0, min(30.0, score))))


def _peak_s(burst: Burst) -> float:
    return max(zip(*burst, strict=True), key=lambda taken: sum(g * g for g in taken[1]))[0]


def _between(times_s: Sequence[float], samples: Sequence[Sample], at_s: float) -> Sample:
    after = max(1, min(len(times_s) - 1, bisect_left(times_s, at_s)))
    before_s, after_s = times_s[after - 1], times_s[after]
    share = (at_s - before_s) / (after_s - before_s)
    x, y, z = (a + (b - a) * share for a, b in zip(samples[after - 1], samples[after], strict=True))
    return x, y, z


if __name__ == "__main__":
    main(sys.argv[1:])
