"""Rosters made up for tests, and instants at which the clocks on the wall are set."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from hypothesis import strategies as st

from alerts.roster.model import Roster, read
from alerts.roster.values import WEEK

DAY = timedelta(days=1)
ZONES = ["Asia/Shanghai", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "UTC"]


def roster(**parts: Any) -> Roster:
    return read(parts)


people = st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=1, max_size=3, unique=True)
hours = st.times(time(0), time(23, 59)).map(lambda at: at.replace(second=0, microsecond=0).isoformat())
# Around the changes of the clocks in Berlin, New York and on Lord Howe Island.
instants = st.one_of(
    st.datetimes(datetime(2026, 3, 1), datetime(2026, 4, 12), timezones=st.just(UTC)),
    st.datetimes(datetime(2026, 9, 25), datetime(2026, 11, 10), timezones=st.just(UTC)),
    st.sampled_from([datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)]).flatmap(
        lambda near: st.integers(-7200, 7200).map(lambda seconds: near + timedelta(seconds=seconds))
    ),
)


@st.composite
def rosters(draw: st.DrawFn) -> Roster:
    turn = st.one_of(people, people.map(lambda keys: keys[0]))
    return roster(
        time_zone=draw(st.sampled_from(ZONES)),
        shifts=draw(
            st.lists(
                st.fixed_dictionaries(
                    {
                        "days": st.lists(st.sampled_from(WEEK), min_size=1, unique=True),
                        "from": hours,
                        "to": hours,
                        "people": people,
                    }
                ),
                max_size=4,
            )
        ),
        rotations=draw(
            st.lists(
                st.fixed_dictionaries(
                    {
                        "turns": st.lists(turn, min_size=1, max_size=3),
                        "since": st.dates(date(2025, 1, 1), date(2026, 12, 1)).map(date.isoformat),
                        "at": hours,
                        "every_days": st.integers(1, 10),
                    }
                ),
                max_size=2,
            )
        ),
        overrides=[
            {"from": begins, "to": begins + length, "people": keys, "replace": replace}
            for begins, length, keys, replace in draw(
                st.lists(
                    st.tuples(instants, st.timedeltas(timedelta(minutes=1), 3 * DAY), people, st.booleans()),
                    max_size=3,
                )
            )
        ],
        always=draw(st.sampled_from([[], ["e"]])),
        otherwise=draw(st.sampled_from([[], ["z"]])),
    )
