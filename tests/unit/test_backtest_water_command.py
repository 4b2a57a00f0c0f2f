"""`anju backtest water`: what it prints and writes, and how it ends."""

import gzip
import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from anju.cli import guarded
from anju.commands.backtest import app
from tests.unit.backtest_worlds import AWAY, HOME, START, record, rows, written


class Ended:
    """How the command ended: its code, and what it printed."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Water:
    """Runs the command in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: object) -> Ended:
        command = get_command(app)
        code = guarded(lambda: command.main(["water", *map(str, arguments)], "anju"))
        said = self._capsys.readouterr()
        return Ended(code, said.out, said.err)


@pytest.fixture
def water(capsys: pytest.CaptureFixture[str]) -> Water:
    return Water(capsys)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    empty = record([*HOME * 11, *AWAY * 2, *HOME * 9], meter_id="D<b>&1")
    return written(tmp_path / "readings.csv", rows(empty) + rows(record(HOME * 22, meter_id="D2")))


def test_a_line_for_each_alert_and_severity(water: Water, file: Path, tmp_path: Path) -> None:
    out = tmp_path / "alerts.jsonl"
    ended = water(file, "--tz", "UTC", "--alerts-out", out, "--json")
    assert ended.code == 0, ended.err
    soft, hard = map(json.loads, out.read_text(encoding="utf-8").splitlines())
    assert list(soft) == ["meter_id", "kind", "severity", "raised_at", "cleared_at", "reason"]
    assert [(each["meter_id"], each["kind"], each["severity"]) for each in (soft, hard)] == [
        ("D<b>&1", "inactivity", "soft"),
        ("D<b>&1", "inactivity", "hard"),
    ]
    assert soft["raised_at"].startswith("2026-03-13T10:0")
    assert hard["raised_at"].startswith("2026-03-13T22:0")
    assert soft["cleared_at"] == hard["cleared_at"]
    assert "no water for" in hard["reason"]
    assert (ended.json["homes"], ended.json["rows"]) == (2, 22 * 24 * 2 + 2)
    assert ended.json["home_months"] == pytest.approx(44 / 30.4375)
    first = ended.json["inactivity"]["first"]
    assert (first["under_48_h"]["count"], first["all"]["count"]) == (0, 1)  # two days away are presumed an absence
    assert {(each["kind"], each["severity"], each["count"]) for each in ended.json["alerts"]} == {
        ("inactivity", "soft", 1),
        ("inactivity", "hard", 1),
    }
    assert ended.json["meters"][0]["alerts"] == []


def test_what_is_still_open_was_not_cleared(water: Water, tmp_path: Path) -> None:
    file = written(tmp_path / "r.csv", rows(record([*HOME * 11, *AWAY])))
    out = tmp_path / "alerts.jsonl"
    assert water(file, "--tz", "UTC", "--alerts-out", out).code == 0
    assert [json.loads(line)["cleared_at"] for line in out.read_text().splitlines()] == [None, None]


def test_delays_stand_beside_the_plain_rule(water: Water, file: Path) -> None:
    ended = water(file, "--tz", "UTC", "--inject", 20, "--json")
    injected = ended.json["injected"]
    assert injected["count"] == 40
    assert 9 < injected["first"]["median_h"] <= 12.1
    assert 20 < injected["hard"]["median_h"] <= 24.1
    assert injected["first"]["missed_share"] == 0.0
    assert injected["hard"]["missed_share"] <= 0.1  # a look follows the reading: some are a minute late
    assert injected["plain"]["window_h"] > 8  # the nights of this home must not alarm
    assert water(file, "--tz", "UTC", "--inject", 20, "--json").json == ended.json
    assert water(file, "--tz", "UTC", "--inject", 20, "--seed", 2, "--json").json["injected"] != injected


def test_where_nothing_can_be_cut_in_this_is_said(water: Water, tmp_path: Path) -> None:
    ended = water(written(tmp_path / "r.csv", rows(record(HOME * 3))), "--inject", 5, "--json")
    assert (ended.code, ended.json["injected"]) == (0, None)
    assert "nothing is cut in" in ended.err


def test_people_get_tables(water: Water, file: Path) -> None:
    ended = water(file, "--tz", "UTC", "--inject", 3)
    assert "2 homes, 1.4 home-months" in ended.out
    assert "inactivity\thard\t1\t0.69" in ended.out
    assert "plain rule, no use for" in ended.out
    assert ended.err == ""


def test_limits_to_try_come_from_a_file(water: Water, file: Path, tmp_path: Path) -> None:
    policy = tmp_path / "p.toml"
    policy.write_text('inactivity_window_h = 8\nholidays = ""\n')
    ended = water(file, "--tz", "UTC", "--policy", policy, "--json")
    assert ended.json["policy"]["inactivity_window_h"] == 8
    assert ended.json["inactivity"]["first"]["under_48_h"]["count"] >= 0


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("inactivity_window_h = 0", "inactivity_window_h"),
        ("inactivity_windw_h = 12", "inactivity_windw_h"),
        ("inactivity_window_h = ", "is not TOML"),
        ("inactivity_window_h = 30", "inactivity_window_h (30) is more than inactivity_hard_window_h (24)"),
    ],
)
def test_a_faulty_policy_is_wrong_usage(water: Water, file: Path, tmp_path: Path, content: str, says: str) -> None:
    policy = tmp_path / "p.toml"
    policy.write_text(content)
    ended = water(file, "--policy", policy)
    assert ended.code == 2
    assert says in ended.err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--tz", "Mars/Olympus"], "there is no time zone"),
        (["--tz", "../../etc/passwd"], "there is no time zone"),
        (["--upload", "weekly"], "as-measured, hourly, 4x, daily"),
        (["--from", "2026-03-02"], "no offset"),
        (["--from", "2026-03-03T00:00:00Z", "--to", "2026-03-02T00:00:00Z"], "must lie before"),
        (["--alerts-out", "no/such/folder/a.jsonl"], "cannot be written"),
        (["--inject", "-1"], ""),
    ],
)
def test_wrong_usage_says_what_would_be_right(water: Water, file: Path, options: list[str], says: str) -> None:
    ended = water(file, *options)
    assert ended.code == 2
    assert says in ended.err


def test_bad_rows_are_named_and_the_rest_is_tested(water: Water, tmp_path: Path) -> None:
    lines = rows(record(HOME * 3))
    lines[4] = "m-1,yesterday,5"
    ended = water(written(tmp_path / "r.csv", lines), "--json")
    assert (ended.code, ended.json["bad_rows"], ended.json["rows"]) == (0, 1, 72)
    assert "line 6: measured_at 'yesterday'" in ended.err


def test_what_is_no_total_is_doubted_and_tested_all_the_same(water: Water, tmp_path: Path) -> None:
    lines = [f"m,2026-03-{1 + hour // 24:02d}T{hour % 24:02d}:00:00Z,{HOME[hour % 24]}" for hour in range(24 * 9)]
    ended = water(written(tmp_path / "volumes.csv", lines), "--json")
    assert (ended.code, ended.json["homes"]) == (0, 1)
    assert "are these volumes per interval? Totals are needed\n" in ended.err


def test_a_file_without_a_usable_row_ends_with_3_and_leaves_nothing_behind(water: Water, tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    ended = water(written(tmp_path / "r.csv", ["m,x,y"]), "--alerts-out", out)
    assert ended.code == 3
    assert "no usable row (line 2" in ended.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.csv"]
    after = water(written(tmp_path / "r.csv", rows(record(HOME))), "--from", "2027-01-01T00:00:00Z")
    assert after.code == 3
    assert "no reading between" in after.err


def test_what_is_no_plain_file_is_written_into_and_stays(water: Water, file: Path, tmp_path: Path) -> None:
    plain, pipe, link = tmp_path / "a.jsonl", tmp_path / "pipe", tmp_path / "link"
    assert water(file, "--tz", "UTC", "--alerts-out", plain).code == 0
    os.mkfifo(pipe)
    link.symlink_to(tmp_path / "target")
    with ThreadPoolExecutor(1) as other:
        heard = other.submit(pipe.read_bytes)
        assert water(file, "--tz", "UTC", "--alerts-out", pipe, "--report", link).code == 0
        assert heard.result() == plain.read_bytes()
    assert pipe.is_fifo()
    assert link.is_symlink()
    assert "<html" in (tmp_path / "target").read_text(encoding="utf-8")


def test_nothing_is_written_over_the_recording_or_over_each_other(water: Water, file: Path, tmp_path: Path) -> None:
    before = file.read_bytes()
    out = tmp_path / "out"
    for arguments in (("--alerts-out", file), ("--report", file), ("--alerts-out", out, "--report", out)):
        ended = water(file, *arguments)
        assert ended.code == 2
        assert "different files" in ended.err
    assert file.read_bytes() == before
    assert not out.exists()


def test_compressed_recordings_give_the_same(water: Water, file: Path, tmp_path: Path) -> None:
    packed = tmp_path / "readings.csv.gz"
    packed.write_bytes(gzip.compress(file.read_bytes()))
    assert water(packed, "--tz", "UTC", "--json").json == water(file, "--tz", "UTC", "--json").json


class Page(HTMLParser):
    """Sees to it that what is opened is closed, and collects what there is."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in {"meta", "path"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_report_stands_alone_and_escapes_what_comes_from_outside(water: Water, file: Path, tmp_path: Path) -> None:
    named = file.rename(tmp_path / "<script>alert(1)</script>.csv".replace("/", "_"))
    out = tmp_path / "report.html"
    assert water(named, "--tz", "Europe/Berlin", "--inject", 2, "--report", out).code == 0
    content = out.read_text(encoding="utf-8")
    page = Page()
    page.feed(content)
    page.close()
    assert page.open == []
    assert {"script", "b", "link", "img", "iframe"}.isdisjoint(page.tags)
    assert not [value for name, value in page.attributes if name in {"src", "href"} or (name or "").startswith("on")]
    assert "http" not in re.sub(r'http-equiv="Content-Security-Policy"', "", content)
    assert "D<b>&1" in page.text
    assert page.tags.count("svg") == 4  # use and line of each home
    classes = [value for name, value in page.attributes if name == "class"]
    assert {"use", "line", "u0", "u2", "soft", "hard"} <= set(classes)


def test_use_is_drawn_at_its_day_and_local_hour(water: Water, tmp_path: Path) -> None:
    hours = [0] * 48
    hours[26] = 300  # on the second day, from two to three o'clock UTC: a colour no other hour has
    file = written(tmp_path / "r.csv", rows(record(hours)))
    out = tmp_path / "report.html"
    assert water(file, "--tz", "UTC", "--report", out).code == 0
    assert '<path class="u4" d="M1 2h1v1h-1z"/>' in out.read_text()
    assert water(file, "--tz", "Asia/Shanghai", "--report", out).code == 0
    assert '<path class="u4" d="M1 10h1v1h-1z"/>' in out.read_text()
    assert START.hour == 0


def test_a_rule_that_fails_is_told_and_the_others_go_on(
    water: Water, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ArithmeticError("seven")

    monkeypatch.setattr("rules.library.monitoring_lost.MonitoringLost.evaluate", broken)
    ended = water(file, "--tz", "UTC", "--json")
    assert ended.code == 0
    assert "rule monitoring_lost failed on D2: ArithmeticError('seven')" in ended.err
    kinds = {each["kind"]: each["count"] for each in ended.json["alerts"]}
    assert kinds["monitoring_impaired"] == 2
    assert kinds["inactivity"] == 1
