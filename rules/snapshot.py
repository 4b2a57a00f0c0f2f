"""What is known of a home at a moment: the only thing a rule sees.

Series keep instants as epoch seconds: a look goes over hundreds of them, and a city looks hundreds of times a second.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from alerts.findings import Kind
from registry.policy import Policy
from rules.course import Course
from rules.profile import Profile
from rules.remembered import remembered

DEFAULT_INTERVAL_S = 900.0
"""Assumed where an installation does not say how often its device reports."""
SHORTEST_INTERVAL_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WaterSeries:
    """Cumulative readings of one meter, oldest first.

    Attributes:
        measured_s: when each was measured, epoch seconds, strictly ascending.
        totals_l: what the register showed, in litres.
        received_s: when each was received, epoch seconds; empty where none came late.
        step_l: the amount the register moves by, where it is more than 1 L; 0 where it is exact.
        pulse_l: litres per pulse, where the register is a counter of pulses.
        course: all that an exact register ever showed, where these are readings on end of it, in a back-test.
    """

    measured_s: Sequence[float] = ()
    totals_l: Sequence[float] = ()
    received_s: Sequence[float] = ()
    step_l: float = 0.0
    pulse_l: float | None = None
    course: Course | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """A period in which nobody is home: as it was noted, or cut short where somebody ended it early.

    Attributes:
        reason: hospital, travel, family or other.
    """

    absence_id: int
    from_at: datetime
    until_at: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeEvent:
    """Something that happened in the home, as stored.

    Attributes:
        kind: an `EventKind`, or one that a later release has written.
    """

    event_id: int
    kind: str
    device: str
    measured_at: datetime
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Battery:
    """What a device last said of its battery."""

    pct: float
    measured_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """When a device last said something of itself that it says again for as long as it holds."""

    measured_at: datetime
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnTime:
    """The time that a device gave with an event, however implausible, and when that was received."""

    said: datetime
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """A device for as long as it serves the home.

    Attributes:
        interval_s: its reporting interval; None where it speaks only when something happens.
        heard_at: when anything of it was last received during this installation.
        meters_water: it is known to be a water meter, from how it was installed or from what it sent.
        pulses_unknown: it counts pulses, and the installation does not say how many litres one is.
        water: its water readings within the installation, from before the span to be judged on.
        calls: it is pressed or worn to call for help.
        gateway: the gateway it is heard through, where that is known.
        battery: the last that is known of its battery.
        tested_at: its last test press.
        used_at: its last test, press or other action.
        motion_at: when it last saw somebody move.
        valve_shut: its valve is shut: whoever is home can use no water.
        said: an `EventKind` of `SAYS_AGAIN` -> when the device last said so.
        own_time: the time that its newest event carried, if it carried one.
        read_at: when a reading of it was last received and kept, as far back as the series is read.
        refused_at: when one was last refused for its impossible time.
    """

    device: str
    installed_at: datetime
    removed_at: datetime | None = None
    interval_s: int | None = None
    heard_at: datetime | None = None
    meters_water: bool = False
    pulses_unknown: bool = False
    water: WaterSeries = WaterSeries()
    calls: bool = False
    gateway: str | None = None
    battery: Battery | None = None
    tested_at: datetime | None = None
    used_at: datetime | None = None
    motion_at: datetime | None = None
    valve_shut: bool = False
    said: Mapping[str, Said] = field(default_factory=dict)
    own_time: OwnTime | None = None
    read_at: datetime | None = None
    refused_at: datetime | None = None

    @property
    def interval(self) -> timedelta:
        """How often to look for something new from it."""
        return _interval(self.interval_s)


@lru_cache(maxsize=1024)
def _interval(interval_s: int | None) -> timedelta:
    return timedelta(seconds=max(interval_s or DEFAULT_INTERVAL_S, SHORTEST_INTERVAL_S))


class Hearing(NamedTuple):
    """The span over which ingest has heard every broker without a break."""

    until: datetime
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A rule that raised an exception on this home.

    Attributes:
        count: how many times in a row.
        since: when it first did.
        retry_at: when it is tried again.
    """

    count: int
    since: datetime
    retry_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What was learned of a home's habits, and from when on it counts.

    Attributes:
        profile: None where the history did not suffice.
    """

    from_at: datetime
    profile: Profile | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Many homes of the home's area, or behind one of its gateways, fell silent or dry together.

    Attributes:
        cause: "silent" or "dry".
        since: since when.
        opened_at: when it became an incident that is told; None while it is only suspected.
        ended_at: when most of them were well again.
    """

    cause: str
    since: datetime
    opened_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is an incident now."""
        return self.opened_at is not None and self.ended_at is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One home at one look.

    Attributes:
        time_zone: its IANA name as stored; rules that need it resolve it.
        policy: its limits.
        open_kinds: the kinds of its alerts that are not closed.
        hearing: None where silence must not be judged (nothing was heard yet, or clocks differ).
        looked_until: the measured time up to which earlier looks have judged the series; None at the first look.
        ongoing: rule -> since when its condition holds, as the last look left it.
        failures: rule -> its failure on this home.
        absences: those that are not over, and those that were not when the span that is read begins; oldest first.
        emergencies: from when to when somebody was in need, by how the cases of the last weeks were closed.
        events: what happened in the last `EVENTS_READ`, oldest first, by time of receipt.
        incidents: the causes of the incidents that the home's area or gateways are in now.
        troubles: these incidents, those that are only suspected, and those that ended lately.
        profiles: its learned habits, the one that counts now last and the one before it; empty until they are learned.
        profile: its learned habits; None until they are learned.
    """

    home_id: int
    time_zone: str
    policy: Policy
    installations: tuple[Installation, ...] = ()
    absences: tuple[Absence, ...] = ()
    emergencies: tuple[tuple[datetime, datetime], ...] = ()
    events: tuple[HomeEvent, ...] = ()
    incidents: frozenset[str] = frozenset()
    troubles: tuple[Trouble, ...] = ()
    profiles: tuple[Learned, ...] = ()
    open_kinds: frozenset[Kind] = frozenset()
    hearing: Hearing | None = None
    looked_until: datetime | None = None
    ongoing: Mapping[str, datetime] = field(default_factory=dict)
    failures: Mapping[str, Failure] = field(default_factory=dict)

    def judge_from(self, now: datetime) -> datetime:
        """Where the span to be judged begins: where the last look ended; the first look judges a day."""
        return now - FIRST_LOOK if self.looked_until is None else self.looked_until


FIRST_LOOK = timedelta(hours=24)
EVENTS_READ = timedelta(hours=48)
_FIRST_READ = timedelta(days=7)
BASE_SPAN = timedelta(hours=30)
"""Over so long a time a base flow is told from use (`rules.flow`)."""
LATELY = timedelta(hours=48)
"""So long after it ended a silence is remembered (`rules.lately`)."""
OVERLAP = timedelta(hours=24)
"""How far behind what was judged a reading may fill a gap and still be seen."""


def read_from(looked_until: datetime | None, policy: Policy, now: datetime, late_window: timedelta) -> datetime:
    """From which measured time on a look reads the series (and one reading before it).

    Before what it judges by, where habits are learned, what may be remembered of silences that are over.
    """
    lately, judged_by = _lately(policy), judged_by_from(looked_until, policy, now)
    if looked_until is None:
        return max(now - late_window, min(judged_by, now - FIRST_LOOK - policy.longest_window - lately))
    return max(now - late_window, judged_by - lately)


def judged_by_from(looked_until: datetime | None, policy: Policy, now: datetime) -> datetime:
    """From which measured time on what a meter covers is judged by.

    A window, and an overlap (a second window where that is longer), before the span to be judged: if no window is
    covered in that, the meter is known not to cover. The first look reads a week, to find where a spell began.
    """
    if looked_until is None:
        return now - max(_FIRST_READ, FIRST_LOOK + policy.longest_window)
    return min(looked_until, now) - _read_behind(policy)


@remembered
def _read_behind(policy: Policy) -> timedelta:
    return policy.longest_window + max(OVERLAP, policy.longest_window, BASE_SPAN)


@remembered
def _lately(policy: Policy) -> timedelta:
    return LATELY + policy.longest_window if policy.inactivity_learned else timedelta()


def instant(epoch_s: float) -> datetime:
    """The aware instant of epoch seconds."""
    return datetime.fromtimestamp(epoch_s, UTC)
