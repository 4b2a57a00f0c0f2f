"""The simulated neighbourhood, recordings and what children say: the pure parts of the command line."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anju import neighbourhood, replay
from anju.children import backoff_s
from anju.doctor import State, clock_check, hearing_check, unprotected_check, versions_check
from anju.errors import CommandError, InputRefused
from anju.logtail import loud
from anju.output import printable
from anju.simulate import event, reading, upload
from anju.view import Picture, SeenAlert, news
from devices.registry import discover
from registry.importing import read_rows

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
instants = st.datetimes(datetime(2024, 6, 1), datetime(2035, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))


@given(number=st.integers(0, 30), at=instants, seed=st.integers(0, 5))
def test_a_living_home_uses_ten_litres_in_any_twelve_hours(number: int, at: datetime, seed: int) -> None:
    home = neighbourhood.build(number + 1, seed=seed)[number]
    assert home.water_total_l(at + timedelta(hours=12)) - home.water_total_l(at) >= 10


@given(at=instants, step=st.integers(1, 10**6))
def test_a_meter_never_runs_backwards_and_stands_still_when_dry(at: datetime, step: int) -> None:
    home = neighbourhood.build(1)[0]
    later = at + timedelta(seconds=step)
    assert home.water_total_l(later) >= home.water_total_l(at)
    assert home.water_total_l(later, dry_since=at) == home.water_total_l(at)


def test_a_neighbourhood_is_the_same_every_time_and_passes_the_import() -> None:
    homes = neighbourhood.build(60)
    assert neighbourhood.build(100)[:60] == homes
    rows = read_rows(neighbourhood.import_csv(homes, interval_s=900), drivers=["native"])
    assert len({row.home for row in rows}) == 60
    assert len({row.device.name for row in rows if row.device}) == 180


def test_simulated_messages_are_what_the_native_driver_reads() -> None:
    home = neighbourhood.build(1)[0]
    drivers = discover()
    decoded = drivers.decode(*_encoded(reading(home, NOW)))
    assert [(measured_at, value) for _, measured_at, value in decoded.readings] == [
        (NOW, home.water_total_l(NOW)),
        (NOW, home.battery_pct(NOW)),
    ]
    past = [*neighbourhood.instants(NOW - timedelta(days=1), NOW, timedelta(minutes=15))]
    decoded = drivers.decode(*_encoded(upload(home, past)))
    assert [measured_at for _, measured_at, _ in decoded.readings] == past
    assert not decoded.refusals
    decoded = drivers.decode(*_encoded(event(home.button, "button_press", NOW)))
    assert [(each.kind.value, each.measured_at) for each in decoded.events] == [("button_press", NOW)]


def _encoded(message: tuple[str, str]) -> tuple[str, bytes]:
    return message[0], message[1].encode()


def test_a_recording_is_shifted_to_end_now_and_put_in_order(tmp_path: Path) -> None:
    file = tmp_path / "r.csv.gz"
    text = (
        "meter_id,measured_at,total_l,note\n"
        "B,2020-01-01T02:00:00Z,20,\n"
        "A,2020-01-01T00:00:00Z,10,\n"
        "A,2020-01-01T08:00:00+08:00,10,\n"
        "A,2020-01-01T01:00:00Z,11.5,\n"
    )
    file.write_bytes(gzip.compress(text.encode()))
    recording = replay.read(file).shifted(NOW)
    assert [(row.measured_at, row.meter) for row in recording.rows] == [
        (NOW - timedelta(hours=2), "A"),
        (NOW - timedelta(hours=2), "A"),
        (NOW - timedelta(hours=1), "A"),
        (NOW, "B"),
    ]
    assert recording.older_than(NOW - timedelta(hours=1)) == 2
    assert len(recording.since(NOW - timedelta(minutes=1)).rows) == 1
    rows = read_rows(replay.import_csv(recording, area="Replay/r"), drivers=["native"])
    assert [(row.home.name, row.device.interval_s) for row in rows if row.device] == [
        ("Home of A", 1800),
        ("Home of B", 3600),
    ]


def test_bad_rows_of_a_recording_are_named_and_the_rest_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "r.csv"
    file.write_text(
        "meter_id,measured_at,total_l\n"
        "A,2020-01-01T00:00:00Z,1\n"
        "A,2020-01-01 00:15,2\n"
        "A,2020-01-01T00:30:00Z,many\n"
        "a/b,2020-01-01T00:30:00Z,3\n"
        "A,2020-01-01T00:45:00Z\n"
    )
    recording = replay.read(file)
    assert len(recording.rows) == 1
    assert [(bad.line, bad.problem.split()[0]) for bad in recording.bad] == [
        (3, "measured_at"),
        (4, "total_l"),
        (5, "meter_id"),
        (6, "total_l"),
    ]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"meter,at\n", "has no column meter_id, measured_at, total_l"),
        (b"meter_id,measured_at,total_l\nA,x,1\n", "no row that can be published"),
        (b"\x1f\x8bxxxxxxxxxxxxx", "cannot be read"),
        (b"\xff\xfe", "is not UTF-8"),
    ],
)
def test_a_file_that_is_no_recording_is_refused(tmp_path: Path, data: bytes, said: str) -> None:
    file = tmp_path / "r.csv"
    file.write_bytes(data)
    with pytest.raises(InputRefused, match=said):
        replay.read(file)


def test_waits_before_a_restart_double_up_to_a_limit() -> None:
    assert [backoff_s(failures) for failures in (1, 2, 3, 50, 5000)] == [0.5, 1.0, 2.0, 30.0, 30.0]


def test_of_a_log_warnings_are_shown_and_of_a_traceback_its_last_line() -> None:
    lines = [
        json.dumps({"event": "role_started", "level": "info"}),
        json.dumps({"event": "database_unreachable", "level": "warning", "role": "rules", "reason": "refused"}),
        "Traceback (most recent call last):",
        '  File "x.py", line 1',
        "ValueError: no",
        json.dumps({"event": "done", "level": "info"}),
        "[1, 2]",
    ]
    assert list(loud(lines)) == ["warning: database_unreachable reason=refused", "ValueError: no", "[1, 2]"]


@given(st.binary())
def test_no_payload_can_move_the_cursor(payload: bytes) -> None:
    assert printable(payload).isprintable()


def seen(alert_id: int, **fields: object) -> SeenAlert:
    usual = SeenAlert(alert_id, "sos", "urgent", "open", "pressed", NOW, 1, "1-101")
    return usual._replace(**fields)  # type: ignore[arg-type]


def test_news_are_new_alerts_and_those_that_changed() -> None:
    before = {1: seen(1), 2: seen(2), 3: seen(3)}
    now = [
        seen(4),
        seen(3, reason="3 h 05 min"),
        seen(2, state="closed"),
        seen(1, times_raised=2),
        seen(5, state="closed"),
    ]
    lines = list(news(before, Picture(at=NOW, readings=[], alerts=now)))
    assert [line.split()[1] for line in lines] == ["1", "2", "4"]
    assert "(raised 2 times)" in lines[0]


def test_doctor_judges_clocks_hearing_and_versions() -> None:
    assert clock_check(timedelta(seconds=-4.9)).state is State.GOOD
    assert clock_check(timedelta(seconds=5.1)).state is State.FAULT
    assert unprotected_check(0, 0).state is State.GOOD
    assert unprotected_check(500, 1).state is State.WARNING
    assert hearing_check(None, NOW).state is State.WARNING
    assert hearing_check(NOW - timedelta(minutes=1), NOW).state is State.GOOD
    assert hearing_check(NOW - timedelta(minutes=3), NOW).state is State.FAULT
    assert [check.state for check in versions_check(150_004, None, None)] == [State.FAULT, State.GOOD]
    assert [check.state for check in versions_check(160_000, "2.17.2", "2.17.2")] == [State.GOOD, State.FAULT]
    assert [check.state for check in versions_check(180_000, "2.18.1-dev", "2.19")] == [State.GOOD, State.GOOD]


def test_a_demonstration_needs_a_home_for_each_part(tmp_path: Path) -> None:
    from anju import demo

    with pytest.raises(CommandError, match="at least 4 homes"):
        demo.cast(3, tmp_path, NOW)
    first = demo.cast(4, tmp_path, NOW)
    assert first.dry_since == NOW - timedelta(hours=13)
    assert demo.cast(4, tmp_path, NOW + timedelta(days=1)).dry_since == first.dry_since
    (tmp_path / "demo.json").write_text("{}")
    assert demo.cast(4, tmp_path, NOW).dry_since == first.dry_since
