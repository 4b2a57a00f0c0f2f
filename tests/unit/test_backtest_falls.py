"""`anju backtest falls`: what it reads, refuses, counts and writes; the figures where the real data are there."""

import csv
import gzip
import json
import sys
from collections.abc import Iterable
from math import sqrt
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from anju.cli import app, guarded
from rules.motion.errors import BadTrials
from rules.motion.figures import Judged, by, figures
from rules.motion.track import Sample
from rules.motion.trials import Trial, read_samples, read_trials
from tests.unit.motion_worlds import fall, jogging, lying_down, recorded

FALLS = Path(__file__).resolve().parents[3] / "shared" / "data" / "falls"
HEADER = ["trial", "subject", "age", "position", "activity", "is_fall", "hz"]


def write(folder: Path, trials: Iterable[Iterable[object]], samples: dict[str, list[Sample]]) -> Path:
    """A folder as `anju backtest falls` reads it; samples at 50 a second."""
    with (folder / "trials.csv").open("w", newline="") as file:
        csv.writer(file).writerows([HEADER, *trials])
    lines = ["trial,t_s,x_g,y_g,z_g"]
    for name, taken in samples.items():
        lines += [f"{name},{index / 50:.3f},{x:.3f},{y:.3f},{z:.3f}" for index, (x, y, z) in enumerate(taken)]
    write_samples(folder, "\n".join(lines))
    return folder


def write_samples(folder: Path, text: str) -> None:
    (folder / "samples.csv.gz").write_bytes(gzip.compress(text.encode()))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two people, each falls once, jogs once and lies down once; `hz` is wrong on purpose."""
    activities = [("trip", 1, fall(peak_g=5.0)), ("jog", 0, jogging), ("lie", 0, lying_down)]
    trials: list[list[object]] = []
    samples: dict[str, list[Sample]] = {}
    for subject in ("A", "B"):
        for activity, is_fall, motion in activities:
            name = str(len(trials) + 1)
            trials.append([name, subject, 70, "waist", activity, is_fall, 7])
            samples[name] = recorded(motion)
    return write(tmp_path, trials, samples)


class Ended:
    """How the command ended, and what it printed."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> Ended:
    command = get_command(app)
    code = guarded(lambda: command.main(["backtest", "falls", *arguments], "anju"))
    said = capsys.readouterr()
    return Ended(code, said.out, said.err)


def test_counts_and_predictions(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    predictions = folder / "p.csv"
    ended = run(capsys, str(folder), "--json", "--predictions-out", str(predictions))
    assert (ended.code, ended.err) == (0, "")
    told: dict[str, Any] = json.loads(ended.out)
    assert told["overall"] == {
        "trials": 6,
        "falls": 2,
        "subjects": 2,
        "sensitivity": {"share": 1.0, "low": 1.0, "high": 1.0},
        "specificity": {"share": 1.0, "low": 1.0, "high": 1.0},
        "plain_sensitivity": 1.0,
        "plain_specificity": 0.5,
    }
    assert told["by_position"] == {"waist": told["overall"]}
    assert list(told["by_activity"]) == ["jog", "lie", "trip"]
    assert told["by_activity"]["jog"]["sensitivity"] == {"share": None, "low": None, "high": None}
    assert told["by_position_and_activity"] == {"waist": told["by_activity"]}
    with predictions.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["trial"], row["is_fall"]) for row in rows] == [
        ("1", "1"), ("2", "0"), ("3", "0"), ("4", "1"), ("5", "0"), ("6", "0")
    ]  # fmt: skip
    assert all((float(row["confidence"]) >= 0.5) == (row["is_fall"] == "1") for row in rows)


def test_a_table_for_people(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ended = run(capsys, str(folder))
    lines = [line.split("\t") for line in ended.out.splitlines()]
    assert lines[1] == ["waist", "6", "2", "2", "1.000 (1.000-1.000)", "1.000 (1.000-1.000)", "1.000", "0.500"]
    assert [line[0] for line in lines] == ["position", "waist", "all", "", "activity", "jog", "lie", "trip"]


def test_trials_without_samples_and_samples_without_a_trial(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (folder / "trials.csv").open() as file:
        rows = file.read().splitlines()
    (folder / "trials.csv").write_text("\n".join([*rows[:-1], "99,C,,waist,trip,1,"]))
    ended = run(capsys, str(folder), "--json")
    assert ended.code == 0
    told = json.loads(ended.out)
    assert (told["overall"]["sensitivity"]["share"], told["overall"]["trials"]) == (1.0, 5)
    assert told["not_judged"] == ["99"]
    assert "1 trials of samples.csv.gz are left out" in ended.err
    assert "1 trials have no samples; they are not judged and not counted: 99" in ended.err


@pytest.mark.parametrize(
    ("per_g", "per_s", "said"),
    [
        (9.80665, 1, "half of the samples show more than 9.8"),
        (1000, 1, "half of the samples show more than 1e+03"),
        (1, 1000, "samples are 20 s apart"),
        (1, 0, "samples are 0 s apart"),
        (1.14, 1, None),  # as far as a real sensor was seen to be off
    ],
    ids=["m/s²", "milli-g", "milliseconds", "no time", "as it should be"],
)
def test_other_units_do_not_look_like_a_result(
    folder: Path, capsys: pytest.CaptureFixture[str], per_g: float, per_s: float, said: str | None
) -> None:
    with gzip.open(folder / "samples.csv.gz", "rt") as file:
        head, *lines = file.read().splitlines()
    rows = [line.split(",") for line in lines]
    numbers = [(trial, float(t) * per_s, *(float(g) * per_g for g in axes)) for trial, t, *axes in rows]
    write_samples(folder, "\n".join([head, *(",".join(map(str, row)) for row in numbers)]))
    ended = run(capsys, str(folder), "--json")
    # Without time that passes as it should, nothing is seen in any trial.
    assert ended.code == (3 if per_s in {0, 1000} else 0)
    assert (said is None and ended.err == "") or (said is not None and said in ended.err)


def test_too_few_samples_are_said_to_be_too_few(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with gzip.open(folder / "samples.csv.gz", "rt") as file:
        head, *lines = file.read().splitlines()
    short = [line for line in lines if not line.startswith("1,")] + ["1,0,0,0,1", "1,0.02,0,0,1"]
    write_samples(folder, "\n".join([head, *short]))
    ended = run(capsys, str(folder), "--json")
    assert "1 trials have samples of too short a time to see anything in" in ended.err
    assert "not judged and not counted: 1\n" in ended.err
    told = json.loads(ended.out)
    assert (told["overall"]["falls"], told["overall"]["sensitivity"]["share"]) == (1, 1.0)
    assert told["not_judged"] == ["1"]


def lines_of(folder: Path) -> list[str]:
    return gzip.decompress((folder / "samples.csv.gz").read_bytes()).decode().splitlines()


def test_bad_samples_are_left_out_and_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = json.loads(run(capsys, str(folder), "--json").out)
    lines = lines_of(folder)
    lines[10] = lines[10].rpartition(",")[0] + ",nan"
    lines[20] = lines[20].rpartition(",")[0] + ","
    lines[30] = "1"
    lines[-3] = "6,9.9,0,0,1e300"
    lines[-2] = "6,soon,0,0,\xff"
    lines.append("1,11,0,0,1")
    write_samples(folder, "\n".join(lines))
    ended = run(capsys, str(folder), "--json")
    assert ended.code == 0, ended.err
    told = json.loads(ended.out)
    assert told["overall"] == whole["overall"]
    assert (told["bad_samples"], told["not_judged"]) == (6, [])
    (line,) = ended.err.splitlines()
    assert line.startswith("6 samples of samples.csv.gz are left out, of trials 1, 6; the first is in line 11: z_g is")


def test_a_trial_with_too_few_good_samples_is_not_judged(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = lines_of(folder)
    spoiled = {"2": 260, "5": 500}  # of 500 each
    left = spoiled.copy()
    for place, line in enumerate(lines):
        name, at_s, *_ = line.split(",")
        if left.get(name, 0) > 0:
            left[name] -= 1
            lines[place] = f"{name},{at_s},,,"
    write_samples(folder, "\n".join(lines))
    predictions = folder / "p.csv"
    ended = run(capsys, str(folder), "--json", "--predictions-out", str(predictions))
    assert ended.code == 0, ended.err
    told = json.loads(ended.out)
    assert (told["overall"]["trials"], told["bad_samples"], told["not_judged"]) == (4, 760, ["2", "5"])
    assert "2 trials have fewer good samples than bad ones; they are not judged and not counted: 2, 5\n" in ended.err
    with predictions.open(newline="") as file:
        rows = {row["trial"]: (row["is_fall"], row["confidence"]) for row in csv.DictReader(file)}
    assert list(rows) == ["1", "2", "3", "4", "5", "6"]
    assert (rows["2"], rows["5"], rows["1"][0], rows["3"][0]) == (("", ""), ("", ""), "1", "0")


def test_bad_rows_of_trials_are_left_out_and_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (folder / "trials.csv").open("a") as file:
        file.write("7,C,70,waist,trip,maybe,50\n8,C\n1,A,70,waist,jog,0,7\n")
    ended = run(capsys, str(folder), "--json")
    assert ended.code == 0, ended.err
    told = json.loads(ended.out)
    assert (told["overall"]["trials"], told["overall"]["sensitivity"]["share"], told["bad_trials"]) == (6, 1.0, 3)
    said = ["line 8: is_fall is 'maybe'", "line 9: 2 fields are too few", "line 10: trial '1' is"]
    assert all(each in line for each, line in zip(said, ended.err.splitlines(), strict=True))


@pytest.mark.parametrize("hz", [10, 50, 400])
@pytest.mark.parametrize("begin_s", [-3600.0, 0.0, 1_795_000_000.0], ids=["before zero", "zero", "since 1970"])
def test_rate_zero_of_time_and_form_of_the_files_do_not_matter(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], hz: int, begin_s: float
) -> None:
    lines = ["\ufeffZ_g, note ,y_g,x_g,Trial,hz,t_s"]
    for name, motion in {"a": fall(), "b": lying_down}.items():
        for index, (x, y, z) in enumerate(recorded(motion, hz=hz)):
            lines.append(f'{z:.3f},"of no, use",{y:.3f},{x:.3f}, {name},,{begin_s + index / hz:.4f}')
    trials = "\ufeffis_fall,age,trial,activity,position,subject\r\n1,,a,trip,waist,A\r\n0,,b,lie,waist,A\r\n"
    (tmp_path / "samples.csv").write_bytes("\r\n".join([*lines, ""]).encode())
    (tmp_path / "trials.csv.gz").write_bytes(gzip.compress(trials.encode()))
    ended = run(capsys, str(tmp_path), "--json")
    assert (ended.code, ended.err) == (0, "")
    told = json.loads(ended.out)["overall"]
    assert (told["sensitivity"]["share"], told["specificity"]["share"], told["trials"]) == (1.0, 1.0, 2)
    (tmp_path / "trials.csv.gz").rename(tmp_path / "trials.csv")  # its bytes count, not its name
    assert run(capsys, str(tmp_path), "--json").out == ended.out


def test_whoever_does_not_ask_for_bad_rows_gets_none_left_out(folder: Path) -> None:
    write_samples(folder, "trial,t_s,x_g,y_g,z_g\n1,0,0,0,1\n1,0.02,nan,0,1")
    with pytest.raises(BadTrials, match="line 3: x_g is 'nan'"):
        list(read_samples(folder))


@pytest.mark.parametrize(
    ("faulty", "said"),
    [
        ("trial,t_s,x_g,y_g\n1,0,0,1", "no column z_g"),
        ("", "no column trial, t_s, x_g, y_g, z_g"),
        ("trial,t_s,x_g,y_g,z_g\n1,0,0,0,1\n1,0.02,0,zero,1", "line 3: y_g is 'zero', which is no number"),
        ("trial,t_s,x_g,y_g,z_g\n1,0,0,0,1\n1,0.02,0,,1", "line 3: y_g is '', which is no number"),
        ("trial,t_s,x_g,y_g,z_g\n1,0,nan,0,1", "line 2: x_g is 'nan', which nothing measured"),
        ("trial,t_s,x_g,y_g,z_g\n1,0,0,0,1e300", "line 2: z_g is '1e300'"),
        ("trial,t_s,x_g,y_g,z_g\n1,0,0", "line 2: no y_g"),
        ("trial,t_s,x_g,y_g,z_g\n1,0,0,0,1\n2,0,0,0,1\n1,1,0,0,1", "line 4: trial '1' again"),
        ("trial,t_s,x_g,y_g,z_g\nnobody,0,0,0,1", "no samples by which any trial"),
    ],
)
def test_faulty_samples_are_refused(folder: Path, capsys: pytest.CaptureFixture[str], faulty: str, said: str) -> None:
    write_samples(folder, faulty)
    ended = run(capsys, str(folder))
    assert (ended.code, ended.out) == (3, "")
    assert said in ended.err
    assert "samples.csv.gz" in ended.err


@pytest.mark.parametrize(
    ("faulty", "said"),
    [
        ("", "no column trial"),
        ("trial,subject,position,activity,is_fall\n", "no trial in it"),
        ("trial,subject,position,activity\n1,A,waist,trip", "no column is_fall"),
        ("trial,subject,position,activity,is_fall\n1,A,waist,trip,yes", "line 2: is_fall is 'yes'"),
        ("trial,subject,position,activity,is_fall\n1,A,waist", "line 2: 3 fields"),
        ("\xff", "no column trial"),
    ],
)
def test_faulty_trials_are_refused(folder: Path, capsys: pytest.CaptureFixture[str], faulty: str, said: str) -> None:
    (folder / "trials.csv").write_bytes(faulty.encode("latin-1"))
    ended = run(capsys, str(folder))
    assert ended.code == 3
    assert said in ended.err


def test_what_is_missing_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = (folder / "samples.csv.gz").read_bytes()
    (folder / "samples.csv.gz").write_bytes(whole[: len(whole) // 2])
    ended = run(capsys, str(folder))
    assert ended.code == 3
    assert "samples.csv.gz, after line" in ended.err
    (folder / "samples.csv.gz").unlink()
    ended = run(capsys, str(folder))
    assert ended.code == 3
    assert "samples.csv.gz cannot be read: No such file" in ended.err
    assert run(capsys, str(folder), "--predictions-out", str(folder / "nowhere" / "p.csv")).code == 2


def test_predictions_are_not_written_over_what_is_judged(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("trials.csv", "samples.csv.gz"):
        before = (folder / name).read_bytes()
        ended = run(capsys, str(folder), "--predictions-out", str(folder / name))
        assert (ended.code, "what is to be judged" in ended.err) == (2, True)
        assert (folder / name).read_bytes() == before


def test_intervals_are_over_people_and_repeatable() -> None:
    def one(subject: str, told: bool) -> Judged:
        trial = Trial(name="", subject=subject, position="waist", activity="trip", is_fall=True)
        return Judged(trial=trial, is_fall=told, confidence=float(told), peak_g=1.0)

    # 40 trials, but of four people who each are judged alike: far less certain than 40 independent ones.
    judged = [one(subject, subject != "D") for subject in "ABCD" for _ in range(10)]
    rate = figures(judged).sensitivity
    assert rate.share == 0.75
    assert rate.low is not None
    assert rate.high is not None
    assert rate.low <= 0.75 - 1.96 * sqrt(0.75 * 0.25 / 4) + 0.1
    assert rate.high == 1.0
    assert figures(judged) == figures(list(reversed(judged)))
    alone = by(judged, lambda trial: trial.subject)["D"].sensitivity
    assert (alone.share, alone.low, alone.high) == (0.0, None, None)


def test_samples_are_read_trial_by_trial(folder: Path) -> None:
    shares: list[float] = []
    names = [recorded.trial for recorded in read_samples(folder, shares.append)]
    assert names == list(read_trials(folder))
    assert shares[-1] == 1.0


@pytest.mark.parametrize(
    ("name", "position", "sensitivity", "specificity"),
    [("umafall", "waist", 0.95, 0.90), ("mobifall", "thigh-pocket", 0.95, 0.90)],
)
def test_figures_to_reach(
    name: str, position: str, sensitivity: float, specificity: float, capsys: pytest.CaptureFixture[str]
) -> None:
    if not (FALLS / name / "samples.csv.gz").exists():
        pytest.skip(f"../shared/data/falls/{name} is not there")
    ended = run(capsys, str(FALLS / name), "--json")
    assert ended.code == 0, ended.err
    there = json.loads(ended.out)["by_position"][position]
    assert there["sensitivity"]["share"] >= sensitivity
    assert there["specificity"]["share"] >= specificity
    if position == "waist":
        assert there["plain_sensitivity"] == pytest.approx(0.93, abs=0.01)
        assert there["plain_specificity"] == pytest.approx(0.84, abs=0.01)


def test_no_bar_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    from anju.commands.backtest_progress import progress

    assert not sys.stderr.isatty()
    with progress("falls") as show:
        show("falls", 0.5)
    assert capsys.readouterr().err == ""
