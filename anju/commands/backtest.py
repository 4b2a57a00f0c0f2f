"""`anju backtest`: how well the rules would have judged what was recorded."""

import csv
from collections.abc import Mapping, Sequence
from functools import partial
from operator import sub
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated

import typer

from anju.commands.backtest_progress import progress
from anju.commands.backtest_water import water
from anju.errors import InputRefused, Usage
from anju.output import JSON_OPTION, complain, say, show_json, show_table

if TYPE_CHECKING:
    from rules.motion.figures import Figures, Judged, Rate
    from rules.motion.trials import Recorded

_PLAUSIBLE_REST_G = (0.6, 1.6)
_LONGEST_STEP_S = 0.5

app = typer.Typer(
    help="Judge recordings by the rules, and count what they get right.", no_args_is_help=True, rich_markup_mode=None
)
app.command()(water)


@app.command()
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
    above 2.5 g" gets right. A trial without samples, or with too few, counts as no fall, and this is said.
    """
    from rules.motion.errors import MotionError
    from rules.motion.trials import SAMPLES, TRIALS

    if predictions_out is not None and not predictions_out.absolute().parent.is_dir():
        raise Usage(f"--predictions-out: there is no folder {predictions_out.absolute().parent}")
    if predictions_out is not None and predictions_out.resolve() in {
        (directory / n).resolve() for n in (TRIALS, SAMPLES)
    }:
        raise Usage(f"--predictions-out: {predictions_out} is what is to be judged")
    try:
        judged = _judge_all(directory)
    except MotionError as error:
        raise InputRefused(str(error)) from error
    if predictions_out is not None:
        _write_predictions(predictions_out, judged)
    _show(judged, as_json=as_json)


def _judge_all(directory: Path) -> "list[Judged]":
    """Judges every trial, in the order of trials.csv."""
    from rules.motion.figures import Judged
    from rules.motion.trials import SAMPLES, TRIALS, read_samples, read_trials
    from rules.motion.verdict import judge_samples

    trials = read_trials(directory)
    judged: dict[str, Judged] = {}
    rests_g: list[float] = []
    steps_s: list[float] = []
    strangers = unseen = 0
    with progress("falls") as show:
        for recorded in read_samples(directory, partial(show, "falls")):
            trial = trials.get(recorded.trial)
            if trial is None:
                strangers += 1
                continue
            peak_g, rest_g, step_s = _taken(recorded)
            verdict = judge_samples(recorded.times_s, recorded.samples)
            judged[trial.name] = Judged(
                trial=trial, is_fall=verdict.is_fall, confidence=verdict.confidence, peak_g=peak_g
            )
            unseen += verdict.seen is None
            rests_g.append(rest_g)
            if step_s is not None:
                steps_s.append(step_s)
    if strangers:
        complain(f"{strangers} trials of {SAMPLES} are left out: {TRIALS} does not have them")
    if not judged:
        raise InputRefused(f"{directory / SAMPLES}: no samples of any trial of {TRIALS}")
    if len(judged) < len(trials):
        complain(f"{len(trials) - len(judged)} trials have no samples in {SAMPLES}; they count as no fall")
    if unseen:
        complain(f"{unseen} trials are too short to see anything in them; they count as no fall")
    _doubt_units(median(rests_g), median(steps_s) if steps_s else None)
    return [
        judged.get(name) or Judged(trial=trial, is_fall=False, confidence=0.0, peak_g=0.0)
        for name, trial in trials.items()
    ]


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


def _write_predictions(path: Path, judged: "Sequence[Judged]") -> None:
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(("trial", "is_fall", "confidence"))
            rows.writerows((one.trial.name, int(one.is_fall), f"{one.confidence:.6f}") for one in judged)
    except OSError as error:
        raise Usage(f"{path} cannot be written: {error.strerror}") from error


def _show(judged: "Sequence[Judged]", *, as_json: bool) -> None:
    from rules.motion.figures import PLAIN_BAR_G, by, figures

    overall = figures(judged)
    positions = by(judged, lambda trial: trial.position)
    activities = by(judged, lambda trial: trial.activity)
    if as_json:
        show_json(
            {
                "overall": _as_json(overall),
                "by_position": {name: _as_json(group) for name, group in positions.items()},
                "by_activity": {name: _as_json(group) for name, group in activities.items()},
                "by_position_and_activity": {
                    position: {
                        name: _as_json(group)
                        for name, group in by(
                            [one for one in judged if one.trial.position == position], lambda trial: trial.activity
                        ).items()
                    }
                    for position in positions
                },
                "plain_bar_g": PLAIN_BAR_G,
            }
        )
        return
    _table("Position", {**positions, "all": overall})
    say("")
    _table("Activity", activities)


def _table(heading: str, groups: "Mapping[str, Figures]") -> None:
    show_table(
        (heading, "Trials", "Falls", "Subjects", "Sensitivity", "Specificity", "Above 2.5 g: sens.", "spec."),
        [
            (
                name or "(none)",
                group.trials,
                group.falls,
                group.subjects,
                _cell(group.sensitivity),
                _cell(group.specificity),
                _number(group.plain_sensitivity),
                _number(group.plain_specificity),
            )
            for name, group in groups.items()
        ],
    )


def _cell(rate: "Rate") -> str:
    interval = "" if rate.low is None or rate.high is None else f" ({rate.low:.3f}-{rate.high:.3f})"
    return _number(rate.share) + interval


def _number(share: float | None) -> str:
    return "" if share is None else f"{share:.3f}"


def _as_json(group: "Figures") -> dict[str, object]:
    return {
        "trials": group.trials,
        "falls": group.falls,
        "subjects": group.subjects,
        "sensitivity": _rate_json(group.sensitivity),
        "specificity": _rate_json(group.specificity),
        "plain_sensitivity": group.plain_sensitivity,
        "plain_specificity": group.plain_specificity,
    }


def _rate_json(rate: "Rate") -> dict[str, float | None]:
    return {"share": rate.share, "low": rate.low, "high": rate.high}
