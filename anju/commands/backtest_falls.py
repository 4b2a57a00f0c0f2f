"""`anju backtest falls`: how well falls and daily activities would have been told apart from raw acceleration."""

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import sub
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated

import typer

from anju.commands.backtest_falls_figures import show
from anju.commands.backtest_files import opened
from anju.commands.backtest_progress import progress
from anju.errors import InputRefused, Usage
from anju.output import JSON_OPTION, complain

if TYPE_CHECKING:
    from rules.motion.figures import Judged
    from rules.motion.trials import LeftOut, Recorded, Trial

_PLAUSIBLE_REST_G = (0.6, 1.6)
_LONGEST_STEP_S = 0.5
_NAMED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    """What was made of a set: of each trial in its order, None where it could not be judged."""

    judged: "Mapping[str, Judged | None]"
    bad_trials: int
    bad_samples: int

    @property
    def left_out(self) -> dict[str, object]:
        not_judged = [name for name, one in self.judged.items() if one is None]
        return {"not_judged": not_judged, "bad_trials": self.bad_trials, "bad_samples": self.bad_samples}

    @property
    def counted(self) -> "list[Judged]":
        return [one for one in self.judged.values() if one is not None]


@dataclass(slots=True)
class _Gathered:
    """What is kept of a set while its samples are read."""

    judged: "dict[str, Judged]" = field(default_factory=dict)
    good: dict[str, int] = field(default_factory=dict)
    strangers: int = 0
    rests_g: list[float] = field(default_factory=list)
    steps_s: list[float] = field(default_factory=list)


def falls(
    *,
    directory: Annotated[
        Path, typer.Argument(help="A folder with trials.csv and samples.csv.gz.", metavar="DIR", file_okay=False)
    ],
    predictions_out: Annotated[
        Path | None,
        typer.Option(help="Write trial, is_fall, confidence of each trial to this file.", metavar="P.csv"),
    ] = None,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Judge recorded falls and daily activities from raw acceleration. Needs no database and no settings.

    samples.csv.gz: trial, t_s, x_g, y_g, z_g, the samples of a trial together. trials.csv: trial, subject, position,
    activity, is_fall (0 or 1). Intervals are 95 %, by bootstrap over the subjects. Beside them what the bar "a sample
    above 2.5 g" gets right. Bad samples are left out; a trial with too few good ones is not judged. Both are said.
    """
    from rules.motion.errors import MotionError
    from rules.motion.trials import SAMPLES, TRIALS, path_of

    if predictions_out is not None and not predictions_out.absolute().parent.is_dir():
        raise Usage(f"--predictions-out: there is no folder {predictions_out.absolute().parent}")
    if predictions_out is not None and predictions_out.resolve() in {
        path_of(directory, name).resolve() for name in (TRIALS, SAMPLES)
    }:
        raise Usage(f"--predictions-out: {predictions_out} is what is to be judged")
    try:
        outcome = _judge_all(directory)
    except MotionError as error:
        raise InputRefused(str(error)) from error
    _write_predictions(predictions_out, outcome)
    show(outcome.counted, as_json=as_json, beside=outcome.left_out)


def _judge_all(directory: Path) -> _Outcome:
    """Judges every trial, in the order of trials.csv."""
    from rules.motion.trials import SAMPLES, TRIALS, LeftOut, path_of, read_samples, read_trials

    bad_trials: list[LeftOut] = []
    bad_samples: Counter[str] = Counter()
    first_bad: list[LeftOut] = []

    def spoil(sample: LeftOut) -> None:
        bad_samples[sample.trial] += 1
        if not first_bad:
            first_bad.append(sample)

    try:
        trials = read_trials(directory, left_out=bad_trials.append)
    finally:
        _tell_of_trials(bad_trials)
    found = _Gathered()
    with progress("falls") as told:
        for recorded in read_samples(directory, partial(told, "falls"), left_out=spoil):
            trial = trials.get(recorded.trial)
            if trial is None:
                found.strangers += 1
                continue
            _judge(found, trial, recorded)
    where = path_of(directory, SAMPLES)
    if first_bad:
        first = f"the first is in line {first_bad[0].line}: {first_bad[0].problem}"
        complain(
            f"{bad_samples.total()} samples of {where.name} are left out, of trials {_names(bad_samples)}; {first}"
        )
    if found.strangers:
        complain(f"{found.strangers} trials of {where.name} are left out: {TRIALS} does not have them")
    spoiled = dict.fromkeys(name for name in trials if bad_samples[name] > found.good.get(name, 0))
    judged = {name: found.judged[name] if name in found.judged and name not in spoiled else None for name in trials}
    _not_judged(list(spoiled), "fewer good samples than bad ones")
    _not_judged([name for name in trials if name not in found.good and name not in spoiled], "no samples")
    short = [name for name in found.good if judged[name] is None and name not in spoiled]
    _not_judged(short, "samples of too short a time to see anything in")
    if found.rests_g:
        _doubt_units(median(found.rests_g), median(found.steps_s) if found.steps_s else None)
    if not any(judged.values()):
        raise InputRefused(f"{where}: no samples by which any trial of {TRIALS} could be judged")
    return _Outcome(judged=judged, bad_trials=len(bad_trials), bad_samples=bad_samples.total())


def _judge(found: _Gathered, trial: "Trial", recorded: "Recorded") -> None:
    from rules.motion.figures import Judged
    from rules.motion.verdict import judge_samples

    peak_g, rest_g, step_s = _taken(recorded)
    found.rests_g.append(rest_g)
    if step_s is not None:
        found.steps_s.append(step_s)
    found.good[trial.name] = len(recorded.samples)
    verdict = judge_samples(recorded.times_s, recorded.samples)
    if verdict.seen is not None:
        found.judged[trial.name] = Judged(
            trial=trial, is_fall=verdict.is_fall, confidence=verdict.confidence, peak_g=peak_g
        )


def _tell_of_trials(bad: "Sequence[LeftOut]") -> None:
    for row in bad[:_NAMED]:
        complain(f"{row.path.name}, line {row.line}: {row.problem}; it is left out")
    if len(bad) > _NAMED:
        complain(f"{len(bad) - _NAMED} more lines of {bad[0].path.name} are left out")


def _not_judged(names: Sequence[str], having: str) -> None:
    if names:
        complain(f"{len(names)} trials have {having}; they are not judged and not counted: {_names(names)}")


def _names(names: Iterable[str]) -> str:
    """Some names, as far as a line holds them."""
    every = [name[:40] if name.isprintable() and name else repr(name[:40]) for name in names]
    return ", ".join(every[:_NAMED]) + (f" and {len(every) - _NAMED} more" if len(every) > _NAMED else "")


def _taken(recorded: "Recorded") -> tuple[float, float, float | None]:
    """The highest magnitude of a trial's samples, the middle one, and how far apart they usually are, in seconds."""
    squared = [x * x + y * y + z * z for x, y, z in recorded.samples]
    times_s = sorted(recorded.times_s)
    steps_s = list(map(sub, times_s[1:], times_s))
    return max(squared) ** 0.5, median(squared) ** 0.5, median(steps_s) if steps_s else None


def _doubt_units(rest_g: float, step_s: float | None) -> None:
    """Says so where the figures mean nothing, because the file is in other units than it should be."""
    low_g, high_g = _PLAUSIBLE_REST_G
    if not low_g <= rest_g <= high_g:
        complain(f"half of the samples show more than {rest_g:.3g}: they are to be in g, gravity included (1 at rest)")
    if step_s is not None and not 0.0 < step_s <= _LONGEST_STEP_S:
        complain(f"by t_s, samples are {step_s:.3g} s apart: it is to be in seconds, with a fraction")


def _write_predictions(path: Path | None, outcome: _Outcome) -> None:
    with opened(path) as file:
        if file is None:
            return
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("trial", "is_fall", "confidence"))
        for name, one in outcome.judged.items():
            rows.writerow((name, "", "") if one is None else (name, int(one.is_fall), f"{one.confidence:.6f}"))
