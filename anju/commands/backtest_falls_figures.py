"""The figures of `anju backtest falls`, for people and for programs."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from anju.output import say, show_json, show_table

if TYPE_CHECKING:
    from rules.motion.figures import Figures, Judged, Rate


def show(judged: "Sequence[Judged]", *, as_json: bool, beside: Mapping[str, object]) -> None:
    """Prints the figures of a set: by position and by activity.

    Args:
        judged: its trials.
        as_json: for programs, with what is left out of the figures.
        beside: what that is.
    """
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
                **beside,
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
