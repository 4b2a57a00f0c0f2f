"""The line a home is told of first: by what it has learned, by its windows, by the time of day of the first use."""

from datetime import UTC, datetime, timedelta

from alerts.findings import Severity
from registry.policy import Policy
from rules.first_line import line_of
from rules.profile import STRICTNESS_H, Profile
from rules.snapshot import Learned, Snapshot

H = timedelta(hours=1)
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
NEARLY = timedelta(minutes=15)
"""Windows are a little shorter than they say, since meters do not read to the second."""


def home(*, learned_h: float | None = None, **limits: object) -> Snapshot:
    line = (int(2 * (learned_h or 0)),) * 48
    profile = Profile(until_s=0.0, days=60.0, lines=((line, line),) * len(STRICTNESS_H))
    known = () if learned_h is None else (Learned(from_at=NOON - 48 * H, profile=profile),)
    return Snapshot(home_id=1, time_zone="UTC", policy=Policy(holidays="", **limits), profiles=known)  # type: ignore[arg-type]


def near(found: datetime, wanted: datetime) -> bool:
    return wanted - NEARLY <= found <= wanted


def test_without_a_learned_line_the_windows_hold() -> None:
    assert near(line_of(home(), Severity.SOFT)(NOON), NOON + 12 * H)
    assert near(line_of(home(), Severity.HARD)(NOON), NOON + 24 * H)
    assert near(line_of(home(inactivity_hard_window_h=12.0), Severity.HARD)(NOON), NOON + 12 * H)


def test_a_learned_line_takes_the_place_of_the_soft_window_and_the_hard_one_stays() -> None:
    late = home(learned_h=15)
    assert near(line_of(late, Severity.SOFT)(NOON), NOON + 15 * H)
    assert line_of(late, Severity.HARD)(NOON) <= NOON + 24 * H
    assert near(line_of(home(learned_h=9), Severity.SOFT)(NOON), NOON + 9 * H)
    assert near(line_of(home(learned_h=15, inactivity_learned=False), Severity.SOFT)(NOON), NOON + 12 * H)


def test_a_time_of_day_for_the_first_use_may_come_first() -> None:
    evening = NOON + 10 * H
    found = line_of(home(inactivity_first_use_by="08:00"), Severity.SOFT)(evening)
    assert found == datetime(2026, 3, 5, 8, tzinfo=UTC)
    assert near(line_of(home(inactivity_first_use_by="08:00"), Severity.HARD)(evening), evening + 24 * H)
