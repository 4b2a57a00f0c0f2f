"""The words of a case: what it is about, what kind, how grave, in which state, and how it ended."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pydantic import JsonValue


class Kind(StrEnum):
    """What a case is about; a subject has at most one open case of each kind."""

    SOS = "sos"
    FALL = "fall"
    SOS_UNKNOWN_DEVICE = "sos_unknown_device"
    FALL_UNKNOWN_DEVICE = "fall_unknown_device"
    POSSIBLE_FALL = "possible_fall"
    INACTIVITY = "inactivity"
    ABSENCE_CHECK = "absence_check"
    ABSENCE_USE = "absence_use"
    LEAK = "leak"
    CONTINUOUS_FLOW = "continuous_flow"
    HIGH_USE = "high_use"
    MONITORING_LOST = "monitoring_lost"
    MONITORING_IMPAIRED = "monitoring_impaired"
    BATTERY_LOW = "battery_low"
    TAMPER = "tamper"
    CLOCK_WRONG = "clock_wrong"
    METER_FAULT = "meter_fault"
    TEST_OVERDUE = "test_overdue"
    CHECK_OVERDUE = "check_overdue"
    AREA_INCIDENT = "area_incident"
    HEARING_LOST = "hearing_lost"
    PROBE_LOST = "probe_lost"

    @property
    def clears(self) -> bool:
        """Whether a sign of life may end the case; a call for help waits for a person."""
        return self not in _NEVER_CLEARS


_NEVER_CLEARS = frozenset({Kind.SOS, Kind.FALL, Kind.SOS_UNKNOWN_DEVICE, Kind.FALL_UNKNOWN_DEVICE})


class Severity(StrEnum):
    """How grave a case is: for the technicians, to be asked after, to be looked into, a call for help."""

    TECHNICAL = "technical"
    SOFT = "soft"
    HARD = "hard"
    URGENT = "urgent"

    @property
    def rank(self) -> int:
        """0 for the mildest, 3 for the gravest."""
        return _RANK[self]


_RANK = {severity: rank for rank, severity in enumerate(Severity)}


class Verdict(StrEnum):
    """What a rule says of a condition.

    RAISE: it holds. CLEAR: it does not hold. RECORD: it held and ended between two looks; kept as a closed case that
    nobody is told of.
    """

    RAISE = "raise"
    CLEAR = "clear"
    RECORD = "record"


class State(StrEnum):
    """Where a case stands."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    ATTENDING = "attending"
    CLOSED = "closed"


class Attending(StrEnum):
    """How far somebody who goes there has come."""

    ON_THE_WAY = "on_the_way"
    ON_SCENE = "on_scene"


class Outcome(StrEnum):
    """How a case ended. The last three are given by the service itself, the others by a person."""

    GENUINE = "genuine"
    FALSE_AWAY = "false_away"
    FALSE_AT_FAMILY = "false_at_family"
    FALSE_HOSPITAL = "false_hospital"
    FALSE_FORGOT = "false_forgot"
    FALSE_DEVICE_FAULT = "false_device_fault"
    FALSE_TEST = "false_test"
    LEAK = "leak"
    OTHER = "other"
    RESOLVED_BY_SIGN_OF_LIFE = "resolved_by_sign_of_life"
    RECORDED = "recorded"
    PROBE = "probe"

    @property
    def by_person(self) -> bool:
        """Whether a person gives this outcome."""
        return self not in _BY_SERVICE


_BY_SERVICE = frozenset({Outcome.RESOLVED_BY_SIGN_OF_LIFE, Outcome.RECORDED, Outcome.PROBE})


_GATEWAY = "gateway/"


def gateway_of(key: str) -> str | None:
    """The gateway that a subject's key names; None where it is about something else."""
    return key.removeprefix(_GATEWAY) if key.startswith(_GATEWAY) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a case is about: a home, else a device that serves no home, else an area or a gateway, else the site itself.

    `area_id` beside a device says where it was last installed; a home's area is read with the home.
    """

    home_id: int | None = None
    device_name: str | None = None
    area_id: int | None = None
    gateway: str | None = None

    @property
    def key(self) -> str:
        """`home/12`, `device/btn-7`, `gateway/gw-3`, `area/4`, `site`: with the kind, the identity of an open case."""
        if self.home_id is not None:
            return f"home/{self.home_id}"
        if self.device_name is not None:
            return f"device/{self.device_name}"
        if self.gateway is not None:
            return f"{_GATEWAY}{self.gateway}"
        return "site" if self.area_id is None else f"area/{self.area_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why: the id of a sentence in `alerts.wording` and the values it names, units in the names (`dry_s`, `used_l`)."""

    id: str
    values: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a rule concludes about one subject at one look.

    Attributes:
        subject: What it is about.
        kind: Which condition.
        verdict: Whether the condition holds, does not hold, or held and is over.
        severity: How grave; for a CLEAR it is not looked at.
        since: Since when the condition holds (aware); for a press or a fall its instant; for a CLEAR the sign of life.
        reason: The sentence a duty worker reads, with its values.
        evidence: What the verdict rests on, for the record.
        event_id: The press or fall behind a RAISE. Each is entered and told once, however often it is reported.
    """

    subject: Subject
    kind: Kind
    verdict: Verdict
    severity: Severity
    since: datetime
    reason: Reason
    evidence: Mapping[str, JsonValue]
    event_id: int | None = None

    def __post_init__(self) -> None:
        if self.since.tzinfo is None:
            raise ValueError("Finding.since must be an aware datetime")
