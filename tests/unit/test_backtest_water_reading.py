"""Back-test of water: what is read of a file, and when its readings come in."""

import gzip
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import pytest

from rules.backtest.doubts import doubts
from rules.backtest.recording import BAD_ROWS_NAMED, MeterRecord, RecordingRefused, read
from rules.backtest.uploads import Upload, received
from tests.unit.backtest_worlds import HOME, record, rows, written

HEAD = "meter_id,measured_at,total_l\n"


def file(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "readings.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_readings_come_out_in_order_of_time_meter_by_meter(tmp_path: Path) -> None:
    lines = rows(record(HOME, meter_id="b")) + rows(record(HOME, meter_id="a"))
    Random(3).shuffle(lines)
    recording = read(written(tmp_path / "r.csv", lines))
    assert [meter.meter_id for meter in recording.meters] == ["a", "b"]
    assert recording.rows == 50
    for meter in recording.meters:
        assert list(meter.measured_s) == list(record(HOME).measured_s)
        assert list(meter.totals_l) == list(record(HOME).totals_l)
        assert meter.interval_s == 3600


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip, whatever its name says"])
def test_mark_line_ends_column_order_and_compression_do_not_matter(tmp_path: Path, packed: bool) -> None:
    lines = [
        "\ufefftotal_l,site,meter_id, measured_at",
        '5,x,"m,1",2026-03-01T08:00:00+08:00',
        "",
        '6,x,"m,1",1772330400',
    ]
    content = "\r\n".join([*lines, ""]).encode()
    recording = read(file(tmp_path, gzip.compress(content) if packed else content))
    (meter,) = recording.meters
    assert meter.meter_id == "m,1"
    assert [datetime.fromtimestamp(at_s, UTC).hour for at_s in meter.measured_s] == [0, 2]
    assert list(meter.totals_l) == [5.0, 6.0]
    assert recording.bad_rows == 0


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("m,2026-03-01T08:00:00,1", "no time with an offset"),
        ("m,yesterday,1", "no time with an offset"),
        ("m,1970-01-01T00:00:00Z,1", "outside the years"),
        ("m,2026-03-01T08:00:00Z,", "no number"),
        ("m,2026-03-01T08:00:00Z,nan", "no register's total"),
        ("m,2026-03-01T08:00:00Z,-1", "no register's total"),
        (" ,2026-03-01T08:00:00Z,1", "meter_id is empty"),
        ("m,2026-03-01T08:00:00Z", "fewer cells"),
        ("m\x07,2026-03-01T08:00:00Z,1", "not printable"),
    ],
)
def test_a_bad_row_is_named_and_left_out(tmp_path: Path, row: str, problem: str) -> None:
    recording = read(file(tmp_path, f"{HEAD}m,2026-03-01T09:00:00Z,1\n{row}\nm,2026-03-01T10:00:00Z,2\n"))
    assert (recording.rows, recording.bad_rows) == (2, 1)
    (bad,) = recording.bad
    assert bad.line == 3
    assert problem in bad.problem


@pytest.mark.parametrize(
    "row",
    [
        "m,2026-03-01T08:00:00,1",
        "m,2026030100800+08:00,1",
        "m,1999-12-31T23:59:59Z,1",
        "m,2100-01-01T00:00:00Z,1",
        "m,2026-03-01T08:00:00Z,nan",
        "m,2026-03-01T08:00:00Z,-0.5",
        "m,2026-03-01T08:00:00Z,inf",
        "m,2026-03-01T08:00:00Z,1e13",
        "m,2026-03-01T08:00:00Z",
        ",2026-03-01T08:00:00Z,1",
        "\ufffd,2026-03-01T08:00:00Z,1",
        'm,2026-03-01T08:00:00Z,"1"x"',
    ],
)
def test_a_bad_row_costs_none_of_those_around_it(tmp_path: Path, row: str) -> None:
    remarked = [f'{each},"two\nlines"' for each in rows(record(HOME * 40, meter_id="a"))]
    sound = remarked + rows(record(HOME * 40, meter_id="m"))
    lines = [*sound[:700], "", row, *sound[700:]]
    recording = read(file(tmp_path, HEAD + "\n".join(lines)))
    assert (recording.rows, recording.bad_rows) == (len(sound), 1)
    assert [list(meter.totals_l) for meter in recording.meters] == [list(record(HOME * 40).totals_l)] * 2
    assert recording.bad[0].line == 2 * 700 + 3


def test_bytes_that_are_no_text_spoil_their_row_alone(tmp_path: Path) -> None:
    content = HEAD.encode() + b"m\xff,2026-03-01T09:00:00Z,1\nm,2026-03-01T10:00:00Z,2\n"
    assert (read(file(tmp_path, content)).rows, read(file(tmp_path, content)).bad_rows) == (1, 1)


def test_only_so_many_bad_rows_are_named(tmp_path: Path) -> None:
    recording = read(file(tmp_path, HEAD + "m,x,1\n" * 50 + "m,2026-03-01T10:00:00Z,2\n"))
    assert (len(recording.bad), recording.bad_rows) == (BAD_ROWS_NAMED, 50)


@pytest.mark.parametrize("backwards", [False, True])
def test_what_is_said_twice_counts_once_whatever_the_order(tmp_path: Path, backwards: bool) -> None:
    lines = [f"m,2026-03-01T0{hour}:00:00Z,{total}" for hour, total in ((1, 5), (1, 5), (2, 9), (2, 7), (2, 9))]
    recording = read(written(tmp_path / "r.csv", lines[::-1] if backwards else lines))
    assert list(recording.meters[0].totals_l) == [5.0, 7.0]
    assert (recording.repeated, recording.contradicted) == (2, 1)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "no column meter_id, measured_at, total_l"),
        (b"meter_id,when,total_l\nm,2026-03-01T08:00:00Z,1\n", "no column measured_at"),
        (HEAD.encode() + b"m,x,1\n", "no usable row (line 2"),
        (HEAD.encode(), "no usable row"),
        (gzip.compress(HEAD.encode() * 100, mtime=0)[:-9], "cannot be read"),
        (b"\x1f\x8bnot gzip at all", "cannot be read"),
    ],
)
def test_a_file_of_no_use_is_refused(tmp_path: Path, content: bytes, problem: str) -> None:
    with pytest.raises(RecordingRefused) as refused:
        read(file(tmp_path, content))
    assert problem in str(refused.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingRefused, match="No such file"):
        read(tmp_path / "none.csv")


@pytest.mark.parametrize("packed", [False, True])
def test_a_pipe_is_read_like_a_file(tmp_path: Path, packed: bool) -> None:
    content = "\n".join([HEAD.strip(), *rows(record(HOME, meter_id="m"))]).encode()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    shares: list[float] = []
    with ThreadPoolExecutor(max_workers=1) as writer:
        writing = writer.submit(pipe.write_bytes, gzip.compress(content) if packed else content)
        recording = read(pipe, progress=shares.append)
        writing.result()
    assert list(recording.meters[0].totals_l) == list(record(HOME).totals_l)
    assert shares == []  # how long a pipe is, nobody knows


def hourly(used: Callable[[int], float], *, hours: int = 24 * 14, meter_id: str = "m") -> MeterRecord:
    """What a column shows hour by hour."""
    return MeterRecord(meter_id=meter_id, measured_s=[3600.0 * hour for hour in range(hours)], totals_l=[
        used(hour) for hour in range(hours)
    ])  # fmt: skip


def used_l(hour: int) -> float:
    return float(HOME[hour % 24])


def used_by(hour: int) -> float:
    return 87_000.0 + float(sum(HOME) * (hour // 24) + sum(HOME[: hour % 24]))


@pytest.mark.parametrize(
    ("shown", "doubt"),
    [
        (used_by, None),
        (lambda hour: used_by(hour) + 0.25, None),
        (lambda hour: used_by(hour % (24 * 5)), None),  # a register that begins anew
        (lambda hour: used_by(hour) - 3.0 * (hour % 100 == 0), None),  # a figure misread now and then
        (lambda _: 5.125, None),  # nobody uses anything
        (lambda hour: 5.125 + 0.5 * (hour // (24 * 5)), None),  # hardly anybody does
        (used_l, "are these volumes per interval? Totals are needed"),
        (lambda hour: round(used_by(hour) / 1000.0, 3), "are these m³? Litres are needed"),
    ],
    ids=["totals", "with fractions", "begins anew", "misread", "still", "hardly used", "volumes", "cubic metres"],
)
def test_what_is_surely_no_total_in_litres_is_doubted(shown: Callable[[int], float], doubt: str | None) -> None:
    sure = hourly(used_by, meter_id="sure")
    found = doubts([hourly(shown, meter_id="a"), sure, hourly(shown, meter_id="b")])
    if doubt is None:
        assert found == []
        return
    (sentence,) = found
    assert sentence.startswith("total_l of 2 of 3 meters ")
    assert sentence.endswith(doubt)


def test_a_recording_of_a_few_rows_is_not_doubted() -> None:
    assert doubts([hourly(used_l, hours=8), hourly(lambda hour: hour / 1000.0, hours=8)]) == []


@pytest.mark.parametrize(
    ("upload", "measured", "receipt"),
    [
        (Upload.AS_MEASURED, "2026-03-28T10:17:00+01:00", "2026-03-28T10:17:00+01:00"),
        (Upload.HOURLY, "2026-03-28T10:17:00+01:00", "2026-03-28T11:00:00+01:00"),
        (Upload.FOUR_TIMES, "2026-03-28T05:59:59+01:00", "2026-03-28T06:00:00+01:00"),
        (Upload.FOUR_TIMES, "2026-03-28T18:00:00+01:00", "2026-03-29T00:00:00+01:00"),
        (Upload.DAILY, "2026-03-27T00:00:00+01:00", "2026-03-28T02:00:00+01:00"),
        (Upload.DAILY, "2026-03-27T23:59:00+01:00", "2026-03-28T02:00:00+01:00"),
        # The clocks go forward: two o'clock is three o'clock.
        (Upload.DAILY, "2026-03-28T12:00:00+01:00", "2026-03-29T03:00:00+02:00"),
        (Upload.DAILY, "2026-03-29T12:00:00+02:00", "2026-03-30T02:00:00+02:00"),
    ],
)
def test_readings_come_in_when_their_meter_uploads(upload: Upload, measured: str, receipt: str) -> None:
    measured_s = datetime.fromisoformat(measured).timestamp()
    (received_s,) = received([measured_s], upload, ZoneInfo("Europe/Berlin"))
    assert received_s == datetime.fromisoformat(receipt).timestamp()


@pytest.mark.parametrize("upload", list(Upload))
def test_nothing_is_received_before_it_is_measured_or_out_of_order(upload: Upload) -> None:
    start_s = datetime(2026, 10, 20, tzinfo=UTC).timestamp()
    measured = [start_s + 900.0 * place + place % 7 for place in range(10 * 96)]
    receipts = list(received(measured, upload, ZoneInfo("Europe/Berlin")))
    assert all(late >= at for at, late in zip(measured, receipts, strict=True))
    assert receipts == sorted(receipts)
