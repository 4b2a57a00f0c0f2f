"""Who is on duty: by the clocks on the wall, on days of 23 and 25 hours too, and the same however it is asked."""

import itertools
import tomllib
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.roster.errors import RosterInvalid
from alerts.roster.model import Role, Roster, read
from alerts.roster.on_duty import Interval, Nearest, gaps, nearest, on_duty, shifts
from alerts.roster.values import WEEK
from alerts.roster.wall import instant_of, is_workday, wall_of
from tests.servers import REPOSITORY
from tests.unit.roster_worlds import DAY, ZONES, hours, instants, roster, rosters

H = timedelta(hours=1)
BERLIN = ZoneInfo("Europe/Berlin")
SHANGHAI = ZoneInfo("Asia/Shanghai")


def shanghai(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).astimezone(UTC)


def berlin(text: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN, fold=fold).astimezone(UTC)


def shift(days: str, from_: str, to: str, *people: str) -> dict[str, Any]:
    return {"days": days.split(), "from": from_, "to": to, "people": list(people)}


# ---------------------------------------------------------------- the clock on the wall


def test_a_skipped_time_is_the_jump_and_a_repeated_one_the_first() -> None:
    jump = datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
    assert instant_of(datetime(2026, 3, 29, 1, 59, 59), BERLIN) == jump - timedelta(seconds=1)
    for minute in (0, 1, 30, 59):
        assert instant_of(datetime(2026, 3, 29, 2, minute), BERLIN) == jump
    assert instant_of(datetime(2026, 3, 29, 3, 0), BERLIN) == jump
    assert instant_of(datetime(2026, 10, 25, 2, 30), BERLIN) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert instant_of(datetime(2026, 10, 25, 3, 0), BERLIN) == datetime(2026, 10, 25, 2, 0, tzinfo=UTC)
    # Samoa left out a whole day.
    apia = ZoneInfo("Pacific/Apia")
    assert instant_of(datetime(2011, 12, 30, 12), apia) == instant_of(datetime(2011, 12, 31), apia)


walls = st.datetimes(datetime(2005, 1, 1), datetime(2035, 1, 1)).map(lambda wall: wall.replace(microsecond=0))


@given(st.sampled_from(ZONES).map(ZoneInfo), walls, walls)
def test_later_on_the_wall_is_never_earlier(zone: ZoneInfo, one: datetime, other: datetime) -> None:
    first, second = sorted((one, other))
    assert instant_of(first, zone) <= instant_of(second, zone)


# ---------------------------------------------------------------- an oracle that compares wall times alone


def passed(wall: datetime, at: datetime, zone: ZoneInfo) -> bool:
    """Whether the clock had shown a time by an instant: told from what it shows and whether it shows it again."""
    local = at.astimezone(zone)
    if wall <= local.replace(tzinfo=None):
        return True
    offsets = [wall.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1)]
    comes_twice = offsets[0] > offsets[1]  # type: ignore[operator]
    return local.fold == 1 and comes_twice and wall - local.replace(tzinfo=None) < timedelta(hours=2)


def expected(roster: Roster, at: datetime) -> tuple[str, ...]:
    zone = ZoneInfo(roster.time_zone)
    today = wall_of(at, zone).date()
    found: list[str] = []
    for each in roster.shifts:
        for back in range(-1, 4):
            day = today - back * DAY
            begins, ends = datetime.combine(day, each.from_), datetime.combine(day, each.to)
            ends += DAY * (ends <= begins)
            if WEEK[day.weekday()] in each.days and passed(begins, at, zone) and not passed(ends, at, zone):
                found += each.people
    for rotation in roster.rotations:
        for number in range(3000):
            begins = datetime.combine(rotation.since, rotation.at) + number * rotation.period
            if not passed(begins, at, zone):
                break
            if not passed(begins + rotation.period, at, zone):
                found += rotation.turns[number % len(rotation.turns)]
    found += roster.always
    for override in roster.overrides:
        if override.from_ <= at < override.to:
            found = list(override.people) if override.replace else found + list(override.people)
    return tuple(dict.fromkeys(found or roster.otherwise))


@settings(max_examples=200)
@given(rosters(), instants)
def test_on_duty_is_what_the_wall_says(roster: Roster, at: datetime) -> None:
    assert on_duty(roster, at) == expected(roster, at)


@settings(max_examples=100)
@given(rosters(), instants, st.timedeltas(timedelta(minutes=1), 10 * DAY), st.data())
def test_shifts_and_on_duty_agree_at_every_instant(
    roster: Roster, from_: datetime, length: timedelta, data: st.DataObject
) -> None:
    to = from_ + length
    found = shifts(roster, from_, to)
    assert (found[0].begins, found[-1].ends) == (from_, to)
    for before, after in itertools.pairwise(found):
        assert before.ends == after.begins
        assert before.people != after.people
    for interval in found:
        assert interval.begins < interval.ends
        inside = data.draw(st.datetimes(*(at.replace(tzinfo=None) for at in interval[:2])).map(utc))
        for at in (
            interval.begins,
            interval.ends - timedelta(microseconds=1),
            min(inside, interval.ends - DAY / 10**10),
        ):
            assert on_duty(roster, max(at, interval.begins)) == interval.people
    assert gaps(roster, from_, to) == tuple(each for each in found if not each.people)


def utc(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC)


@settings(max_examples=150)
@given(st.sampled_from(ZONES), st.lists(hours, min_size=1, max_size=5, unique=True), instants)
def test_shifts_that_join_on_the_wall_lose_and_double_no_instant(zone: str, cuts: list[str], at: datetime) -> None:
    cuts = sorted(cuts)
    parts = [
        shift("mon tue wed thu fri sat sun", cut, cuts[(n + 1) % len(cuts)], f"p{n}") for n, cut in enumerate(cuts)
    ]
    assert len(on_duty(roster(time_zone=zone, shifts=parts), at)) == 1


# ---------------------------------------------------------------- what it means, by example


def test_a_night_belongs_to_the_day_on_which_it_begins() -> None:
    night = roster(shifts=[shift("fri", "22:00", "06:00", "wang")])
    assert on_duty(night, shanghai("2026-11-20T21:59:59")) == ()
    assert on_duty(night, shanghai("2026-11-20T22:00:00")) == ("wang",)
    assert on_duty(night, shanghai("2026-11-21T05:59:59")) == ("wang",)
    assert on_duty(night, shanghai("2026-11-21T06:00:00")) == ()


def test_a_night_is_seven_or_nine_hours_long_when_the_clocks_change() -> None:
    night = roster(time_zone="Europe/Berlin", shifts=[shift("sat", "22:00", "06:00", "wang")])
    assert shifts(night, berlin("2026-03-28T12:00"), berlin("2026-03-29T12:00"))[1] == Interval(
        berlin("2026-03-28T22:00"), berlin("2026-03-28T22:00") + 7 * H, ("wang",)
    )
    assert shifts(night, berlin("2026-10-24T12:00"), berlin("2026-10-25T12:00"))[1] == Interval(
        berlin("2026-10-24T22:00"), berlin("2026-10-24T22:00") + 9 * H, ("wang",)
    )


def test_a_handover_in_the_repeated_hour_happens_once() -> None:
    both = roster(
        time_zone="Europe/Berlin",
        shifts=[shift("sun", "00:00", "02:30", "early"), shift("sun", "02:30", "24:00", "late")],
    )
    assert on_duty(both, berlin("2026-10-25T02:29")) == ("early",)
    assert on_duty(both, berlin("2026-10-25T02:30")) == ("late",)
    assert on_duty(both, berlin("2026-10-25T02:10", fold=1)) == ("late",)


def test_turns_change_at_the_handover_and_do_not_count_before_they_begin() -> None:
    weekly = roster(
        rotations=[{"turns": ["li", ["wang", "sun"]], "since": "2026-11-02", "at": "08:00", "every_weeks": 1}]
    )
    assert on_duty(weekly, shanghai("2026-11-02T07:59")) == ()
    assert on_duty(weekly, shanghai("2026-11-02T08:00")) == ("li",)
    assert on_duty(weekly, shanghai("2026-11-09T07:59")) == ("li",)
    assert on_duty(weekly, shanghai("2026-11-09T08:00")) == ("wang", "sun")
    assert on_duty(weekly, shanghai("2026-11-16T08:00")) == ("li",)


def test_a_turn_of_nights_keeps_the_night_in_which_it_ends() -> None:
    nights = roster(
        rotations=[
            {
                "turns": ["li", "wang"],
                "since": "2026-11-02",
                "every_weeks": 1,
                "days": ["sun", "mon"],
                "from": "22:00",
                "to": "06:00",
            }
        ]
    )
    assert on_duty(nights, shanghai("2026-11-09T05:00")) == ("li",)  # Sunday's night, in the week before
    assert on_duty(nights, shanghai("2026-11-09T22:00")) == ("wang",)
    assert on_duty(nights, shanghai("2026-11-10T22:00")) == ()


def test_public_holidays_have_a_pattern_of_their_own_and_moved_weekends_are_workdays() -> None:
    assert is_workday("CN", date(2026, 9, 20))  # a Sunday, worked for the October week
    plan = roster(
        holidays="CN",
        shifts=[
            shift("workday", "08:00", "18:00", "li"),
            shift("dayoff", "08:00", "18:00", "sun"),
            shift("holiday", "08:00", "18:00", "wang"),
        ],
    )
    assert on_duty(plan, shanghai("2026-09-18T12:00")) == ("li",)
    assert on_duty(plan, shanghai("2026-09-19T12:00")) == ("sun",)
    assert on_duty(plan, shanghai("2026-09-20T12:00")) == ("li",)
    assert on_duty(plan, shanghai("2026-10-01T12:00")) == ("wang",)
    without = roster(holidays="CN", shifts=[shift("mon tue wed thu fri", "08:00", "18:00", "li")])
    assert on_duty(without, shanghai("2026-10-01T12:00")) == ("li",), "no pattern of its own: the usual one"


def test_the_last_override_wins_and_one_may_only_add() -> None:
    parts: dict[str, Any] = {
        "shifts": [shift("sat", "08:00", "20:00", "li")],
        "always": ["chief"],
        "otherwise": ["site"],
        "overrides": [
            {"from": "2026-11-21T10:00:00+08:00", "to": "2026-11-21T14:00:00+08:00", "people": ["wang"]},
            {"from": "2026-11-21T12:00:00+08:00", "to": "2026-11-21T14:00:00+08:00", "people": ["sun"]},
            {
                "from": "2026-11-21T13:00:00+08:00",
                "to": "2026-11-21T15:00:00+08:00",
                "people": ["xu", "li"],
                "replace": False,
            },
        ],
    }
    plan = roster(**parts)
    at = {
        clock: on_duty(plan, shanghai(f"2026-11-21T{clock}:00")) for clock in ("09", "10", "12", "13", "14", "15", "20")
    }
    assert at == {
        "09": ("li", "chief"),
        "10": ("wang",),
        "12": ("sun",),
        "13": ("sun", "xu", "li"),
        "14": ("li", "chief", "xu"),
        "15": ("li", "chief"),
        "20": ("chief",),
    }
    assert on_duty(roster(**{**parts, "always": []}), shanghai("2026-11-21T20:00")) == ("site",)


def test_whoever_is_nearest_answers() -> None:
    day = roster(shifts=[shift("mon tue wed thu fri sat sun", "08:00", "20:00", "lane")])
    known = {
        (3, "duty"): day,
        (2, "duty"): roster(),
        (1, "duty"): roster(always=["city"]),
        (None, "backup"): roster(always=["x"]),
    }
    assert nearest(known, (3, 2, 1), Role.DUTY, shanghai("2026-11-21T12:00")) == Nearest(3, 0, ("lane",))
    assert nearest(known, (3, 2, 1), "duty", shanghai("2026-11-21T21:00")) == Nearest(1, 2, ("city",))
    assert nearest(known, (3, 2, 1), Role.BACKUP, shanghai("2026-11-21T21:00")) == Nearest(None, 3, ("x",))
    assert nearest(known, (3, 2, 1), Role.SUPERVISOR, shanghai("2026-11-21T21:00")) is None


def test_an_empty_window_has_no_intervals() -> None:
    at = shanghai("2026-11-21T12:00")
    assert shifts(roster(always=["a"]), at, at) == ()
    assert shifts(roster(always=["a"]), at, at + H) == (Interval(at, at + H, ("a",)),)


# ---------------------------------------------------------------- what is refused, and how it is kept


def test_the_example_of_the_page_is_a_roster() -> None:
    page = (REPOSITORY / "docs" / "rosters.md").read_text(encoding="utf-8")
    example = read(tomllib.loads(page.partition("```toml\n")[2].partition("```")[0]))
    assert on_duty(example, shanghai("2026-11-20T12:00")) == ("duty-1", "duty-2")
    assert on_duty(example, shanghai("2026-11-21T12:00")) == ("super-1",)
    assert on_duty(example, shanghai("2026-11-09T21:00")) == ("duty-4", "duty-5")
    assert on_duty(example, shanghai("2026-10-01T12:00")) == ("duty-9",)
    assert on_duty(example, shanghai("2026-12-25T12:00")) == ("duty-3",)


@given(rosters())
def test_what_is_stored_is_read_back_the_same(roster: Roster) -> None:
    assert read(roster.stored()) == roster


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"shifts": [shift("mon", "8", "20:00", "li")]}, "shifts 1, from: "),
        ({"shifts": [shift("mon", "08:00", "20:00", "Li Wang")]}, "shifts 1, people 1: "),
        ({"shifts": [shift("mon", "08:00", "20:00", "li", "li")]}, "shifts 1, people: names something twice"),
        ({"shifts": [shift("monday", "08:00", "20:00", "li")]}, "shifts 1, days 1: "),
        ({"shifts": [shift("mon", "08:00", "20:00")]}, "shifts 1, people: "),
        ({"shifts": [{**shift("mon", "08:00", "20:00", "a"), "who": "b"}]}, "shifts 1, who: there is no such entry"),
        ({"shift": []}, "shift: there is no such entry; did you mean shifts?"),
        (
            {"shifts": [{**shift("mon", "08:00", "20:00", "a"), "form": "08:00"}]},
            "shifts 1, form: there is no such entry; did you mean from?",
        ),
        ({"shifts": [shift("mon", "8am", "20:00", "a")]}, "shifts 1, from: '8am' is no time of day; right would be"),
        ({"rotations": [{"turns": ["a"], "since": "2026-11-02"}]}, "rotations 1: needs every_days or every_weeks"),
        (
            {"rotations": [{"turns": ["a"], "since": "2026-11-02", "every_days": 1, "from": "08:00"}]},
            "rotations 1: needs both from and to",
        ),
        (
            {"rotations": [{"turns": ["a"], "since": "2026-11-02", "every_days": 1, "days": ["mon"]}]},
            "rotations 1: with days, needs from and to",
        ),
        ({"time_zone": "Asia"}, "time_zone: 'Asia' is not a time zone"),
        ({"holidays": "XX"}, "holidays: the public holidays of 'XX' are not known"),
        ({"shifts": [shift("holiday", "08:00", "20:00", "a")]}, 'a shift for the day "holiday" needs holidays'),
        (
            {"overrides": [{"from": "2026-11-21T10:00:00", "to": "2026-11-21T14:00:00Z", "people": ["a"]}]},
            "overrides 1, from: ",
        ),
        (
            {"overrides": [{"from": "2026-11-21T10:00:00Z", "to": "2026-11-21T10:00:00Z", "people": ["a"]}]},
            "overrides 1: must end after it begins",
        ),
        (
            {"calendar": [{"start": "2026-11-21T10:00", "end": "2026-11-21T09:00", "people": ["a"]}]},
            "calendar 1: must end after",
        ),
    ],
)
def test_what_is_no_roster_is_refused_with_its_place(parts: dict[str, Any], said: str) -> None:
    with pytest.raises(RosterInvalid) as refused:
        read(parts)
    assert any(fault.startswith(said) for fault in refused.value.faults), refused.value.faults


def test_all_faults_are_named() -> None:
    with pytest.raises(RosterInvalid) as refused:
        read({"shifts": [shift("mon", "8", "26:00", "li")], "zone": "UTC"})
    assert len(refused.value.faults) == 3


def test_people_of_whom_one_is_wrong_are_not_said_to_be_none() -> None:
    with pytest.raises(RosterInvalid) as refused:
        read({"shifts": [shift("mon", "08:00", "20:00", "Li Wei")]})
    assert [fault.partition(":")[0] for fault in refused.value.faults] == ["shifts 1, people 1"]
