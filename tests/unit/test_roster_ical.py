"""Calendars in and out: what others write is understood or refused by line, and what we write says who is on duty."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from icalendar import Calendar

from alerts.roster import recurrence
from alerts.roster.errors import RosterInvalid
from alerts.roster.ical import read_calendar, write_calendar
from alerts.roster.model import Roster, read
from alerts.roster.on_duty import on_duty, shifts
from tests.unit.roster_worlds import instants, rosters

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def at(text: str, zone: str = "Asia/Shanghai") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def calendar(*events: str, head: str = "") -> bytes:
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN", *head.splitlines()]
    for number, event in enumerate(events):
        lines += ["BEGIN:VEVENT"]
        lines += [f"UID:event-{number}"] * ("UID:" not in event)
        lines += ["DTSTAMP:20261101T000000Z", *event.splitlines(), "END:VEVENT"]
    return "\r\n".join([*lines, "END:VCALENDAR", ""]).encode()


def roster(*events: str, zone: str = "Asia/Shanghai") -> Roster:
    return Roster(time_zone=zone, calendar=read_calendar(calendar(*events), time_zone=zone))


def begins(plan: Roster, from_: str, to: str, zone: str = "Asia/Shanghai") -> list[str]:
    return [
        f"{each.begins.astimezone(ZoneInfo(zone)):%m-%d %H:%M}"
        for each in shifts(plan, at(from_, zone), at(to, zone))
        if each.people
    ]


NIGHTS = """DTSTART;TZID=Asia/Shanghai:20261102T220000
DTEND;TZID=Asia/Shanghai:20261103T060000
RRULE:FREQ=WEEKLY;BYDAY=MO,WE
SUMMARY:li"""


# ---------------------------------------------------------------- reading


def test_a_series_goes_on_for_ever() -> None:
    plan = roster(NIGHTS)
    assert begins(plan, "2026-11-01", "2026-11-12") == ["11-02 22:00", "11-04 22:00", "11-09 22:00", "11-11 22:00"]
    assert begins(plan, "2036-11-01", "2036-11-08") == ["11-03 22:00", "11-05 22:00"]
    assert on_duty(plan, at("2026-11-03T05:59")) == ("li",)
    assert on_duty(plan, at("2026-11-03T06:00")) == ()
    assert on_duty(plan, at("2026-10-28T23:00")) == ()


def test_what_is_taken_out_moved_and_cancelled() -> None:
    plan = roster(
        "UID:nights\n" + NIGHTS + "\nEXDATE;TZID=Asia/Shanghai:20261104T220000",
        # Moved to Tuesday, and to somebody else; named in UTC, as some programs do.
        "UID:nights\nRECURRENCE-ID:20261109T140000Z\nDTSTART;TZID=Asia/Shanghai:20261110T200000\n"
        "DURATION:PT4H\nSUMMARY:wang",
        "UID:nights\nRECURRENCE-ID;TZID=Asia/Shanghai:20261111T220000\nDTSTART;TZID=Asia/Shanghai:20261111T220000\n"
        "DURATION:PT8H\nSTATUS:CANCELLED",
    )
    assert begins(plan, "2026-11-01", "2026-11-18") == ["11-02 22:00", "11-10 20:00", "11-16 22:00"]
    assert on_duty(plan, at("2026-11-10T21:00")) == ("wang",)


@pytest.mark.parametrize(
    ("rule", "days"),
    [
        ("FREQ=DAILY;COUNT=3", ["11-02 22:00", "11-03 22:00", "11-04 22:00"]),
        ("FREQ=DAILY;UNTIL=20261103T140000Z", ["11-02 22:00", "11-03 22:00"]),
        ("FREQ=DAILY;UNTIL=20261103T135959Z", ["11-02 22:00"]),
        ("FREQ=DAILY;UNTIL=20261103", ["11-02 22:00", "11-03 22:00"]),
        ("FREQ=WEEKLY;INTERVAL=2;UNTIL=20261201T000000Z", ["11-02 22:00", "11-16 22:00", "11-30 22:00"]),
        ("FREQ=MONTHLY;BYDAY=-1FR;COUNT=2", ["11-02 22:00", "11-27 22:00"]),
    ],
)
def test_how_a_series_recurs_and_ends(rule: str, days: list[str]) -> None:
    plan = roster(NIGHTS.replace("FREQ=WEEKLY;BYDAY=MO,WE", rule))
    assert begins(plan, "2026-11-01", "2026-12-20") == days


def test_times_count_by_their_own_zone() -> None:
    plan = roster(
        "DTSTART;TZID=Europe/Berlin:20261024T220000\nDTEND;TZID=Europe/Berlin:20261025T060000\n"
        "RRULE:FREQ=DAILY\nSUMMARY:li"
    )
    (event,) = plan.calendar
    assert event.time_zone == "Europe/Berlin"
    first, second = (each for each in shifts(plan, at("2026-10-24T12:00"), at("2026-10-26T15:00")) if each.people)
    assert [each.ends - each.begins for each in (first, second)] == [timedelta(hours=9), timedelta(hours=8)]
    assert second.begins - first.begins == timedelta(hours=25)
    # Names of Outlook are known, UTC stays UTC, and what names no zone is by the roster's.
    assert (
        roster("DTSTART;TZID=China Standard Time:20261102T080000\nDURATION:PT1H\nSUMMARY:li").calendar[0].time_zone
        is None
    )
    assert roster("DTSTART:20261102T080000Z\nDURATION:PT1H\nSUMMARY:li").calendar[0].time_zone == "UTC"
    assert begins(roster("DTSTART:20261102T080000\nDURATION:PT1H\nSUMMARY:li"), "2026-11-01", "2026-11-08") == [
        "11-02 08:00"
    ]
    whole = roster("DTSTART;VALUE=DATE:20261102\nSUMMARY:li")
    assert begins(whole, "2026-11-01", "2026-11-08") == ["11-02 00:00"]
    assert on_duty(whole, at("2026-11-02T23:59:59")) == ("li",)
    assert on_duty(whole, at("2026-11-03T00:00")) == ()


@pytest.mark.parametrize(
    ("said", "people"),
    [
        ("SUMMARY:li", ("li",)),
        ("SUMMARY:li\\, wang", ("li", "wang")),
        ("SUMMARY:li、wang，li", ("li", "wang")),
        ("SUMMARY:Night shift\nATTENDEE;CN=wang:mailto:w@example.org", ("wang",)),
        (
            "SUMMARY:Night shift\nATTENDEE;CN=Wang Li:mailto:wang@example.org\nATTENDEE:mailto:li@example.org",
            ("wang", "li"),
        ),
        ("SUMMARY:li\nATTENDEE;PARTSTAT=DECLINED:mailto:wang@example.org", ("li",)),
        ("SUMMARY:li\nATTENDEE;CUTYPE=ROOM:mailto:room-1@example.org", ("li",)),
    ],
)
def test_people_are_named_by_their_keys(said: str, people: tuple[str, ...]) -> None:
    plan = roster(f"DTSTART:20261102T080000Z\nDURATION:PT1H\n{said}")
    assert plan.calendar[0].people == people


def faults(*events: str) -> tuple[str, ...]:
    with pytest.raises(RosterInvalid) as refused:
        read_calendar(calendar(*events), time_zone="Asia/Shanghai")
    return refused.value.faults


GOOD = "DTSTART:20261102T080000Z\nDURATION:PT1H\nSUMMARY:li"


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ("DURATION:PT1H\nSUMMARY:li", "DTSTART is missing"),
        ("DTSTART:20261102T080000Z\nSUMMARY:li", "neither DTEND nor DURATION"),
        ("DTSTART:2026-11-02\nDURATION:PT1H\nSUMMARY:li", "DTSTART cannot be read"),
        ("DTSTART;TZID=Nowhere/Land:20261102T080000\nDURATION:PT1H\nSUMMARY:li", "TZID 'Nowhere/Land'"),
        ("DTSTART:20261102T080000Z\nDTEND:20261102T080000Z\nSUMMARY:li", "must end after it begins"),
        ("DTSTART:20261102T080000Z\nDURATION:PT1H\nSUMMARY:Night Shift", "names people by their keys"),
        (GOOD + "\nRRULE:FREQ=HOURLY", "FREQ must be one of"),
        (GOOD + "\nRRULE:FREQ=SOMETIMES", "RRULE cannot be read"),
        (GOOD + "\nRRULE:FREQ=DAILY\nRRULE:FREQ=WEEKLY", "RRULE stands there twice"),
        (GOOD + "\nRRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "never gives a day"),
        (GOOD + "\nEXRULE:FREQ=WEEKLY", "EXRULE is not understood"),
        (GOOD + "\nRECURRENCE-ID;RANGE=THISANDFUTURE:20261102T080000Z", "RANGE is not understood"),
    ],
)
def test_what_is_not_understood_is_refused_with_its_line(event: str, said: str) -> None:
    (*_, fault) = faults(GOOD, event)
    assert fault.startswith("line 11, event 2: ") or "cannot be read" in said
    assert any(said in each for each in faults(GOOD, event)), faults(GOOD, event)


def test_all_faults_are_named_and_a_uid_is_one_events() -> None:
    assert len(faults("DURATION:PT1H", GOOD, "DTSTART:20261102T080000Z")) == 2
    assert faults("UID:a\n" + GOOD, "UID:a\n" + GOOD) == ("line 11, event 2: has the UID of line 4, event 1",)
    assert faults() == ("the file has no events",)


@pytest.mark.parametrize("content", [b"", b"key,name\n", b"BEGIN:VCALENDAR", b"\xff\xfe", b"BEGIN:VEVENT\nEND:VEVENT"])
def test_what_is_no_calendar_is_refused(content: bytes) -> None:
    with pytest.raises(RosterInvalid):
        read_calendar(content, time_zone="UTC")


lines = st.sampled_from(
    [
        "BEGIN:VEVENT",
        "END:VEVENT",
        "BEGIN:VCALENDAR",
        "END:VCALENDAR",
        "DTSTART:20261102T080000Z",
        "DTSTART;VALUE=DATE:20261102",
        "DTSTART;TZID=Asia/Shanghai:20261102T080000",
        "DTSTART;TZID=X:20261102T080000",
        "DTSTART:00010101T000000",
        "DTEND:99991231T235959Z",
        "DTEND;VALUE=DATE:20261103",
        "DTSTART;VALUE=PERIOD:20261102T080000Z/PT1H",
        "DURATION:PT1H",
        "DURATION:-P1D",
        "RRULE:FREQ=DAILY",
        "RRULE:FREQ=DAILY;UNTIL=00010101",
        "RRULE:FREQ=WEEKLY;BYDAY=XX",
        "RRULE:",
        "RDATE;VALUE=PERIOD:20261102T080000Z/PT1H",
        "EXDATE:20261102",
        "RECURRENCE-ID:20261102T080000Z",
        "SUMMARY:li",
        "ATTENDEE:li",
        "ATTENDEE;CN:li",
        "STATUS:CANCELLED",
        "UID:1",
        " folded",
        ":",
        "",
    ]
)


@settings(max_examples=400)
@given(st.one_of(st.lists(lines, max_size=14).map("\r\n".join).map(str.encode), st.binary(max_size=80)), st.booleans())
def test_whatever_the_file_says_it_is_read_or_refused(content: bytes, framed: bool) -> None:
    if framed:
        content = b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n" + content + b"\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    try:
        events = read_calendar(content, time_zone="Asia/Shanghai")
    except RosterInvalid as refused:
        assert refused.faults
        return
    on_duty(Roster(calendar=events), NOW)
    assert read(Roster(calendar=events).stored()).calendar == events


# ---------------------------------------------------------------- writing


@settings(max_examples=60)
@given(rosters(), instants, st.timedeltas(timedelta(hours=1), timedelta(days=9)), st.data())
def test_what_is_written_and_read_back_says_the_same(
    plan: Roster, from_: datetime, length: timedelta, data: st.DataObject
) -> None:
    from_ = from_.replace(microsecond=0)
    to = from_ + timedelta(seconds=int(length.total_seconds()))
    intervals = [each._replace(begins=each.begins.replace(microsecond=0)) for each in shifts(plan, from_, to)]
    written = write_calendar(intervals, name="duty", uid="7-duty", now=NOW)
    if not any(each.people for each in intervals):
        assert not list(Calendar.from_ical(written).walk("VEVENT"))
        return
    back = Roster(time_zone=plan.time_zone, calendar=read_calendar(written, time_zone=plan.time_zone))
    when = data.draw(st.integers(0, int((to - from_).total_seconds()) - 1).map(lambda s: from_ + timedelta(seconds=s)))
    assert on_duty(back, when) == next(each.people for each in intervals if each.begins <= when < each.ends)


def test_an_export_is_the_same_again_and_names_nobody_but_keys() -> None:
    plan = roster(NIGHTS)
    made = [
        write_calendar(shifts(plan, at("2026-11-01"), at("2026-11-08")), name="n", uid="7-duty", now=NOW) for _ in "12"
    ]
    assert made[0] == made[1]
    assert b"UID:7-duty-20261102T140000Z@anju.invalid" in made[0]
    assert b"ATTENDEE;CN=li:mailto:li@anju.invalid" in made[0]


# ---------------------------------------------------------------- rules


@pytest.mark.parametrize(
    "rule",
    ["", "FREQ", "FREQ=DAILY;FREQ=WEEKLY", "FREQ=DAILY;COUNT=1;UNTIL=20261231", "FREQ=DAILY;COUNT=x", "FREQ=SECONDLY",
     "FREQ=DAILY;UNTIL=20261231T000000Z", "FREQ=DAILY;BYEASTER=1", "BYDAY=MO", "FREQ=WEEKLY;BYDAY=MO TU"],
)  # fmt: skip
def test_a_rule_that_cannot_be_followed_is_refused(rule: str) -> None:
    with pytest.raises(ValueError, match=r"FREQ|UNTIL|twice|understood|rule"):
        recurrence.checked(rule)


def test_a_calendar_in_a_definition_is_checked_too() -> None:
    event: dict[str, Any] = {"start": "2026-11-02T08:00", "end": "2026-11-02T20:00", "people": ["li"], "rule": "FREQ=X"}
    with pytest.raises(RosterInvalid, match="calendar 1, rule: FREQ must be"):
        read({"calendar": [event]})
