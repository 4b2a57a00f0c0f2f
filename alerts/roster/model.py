"""A roster as people write it and as it is stored: shifts, rotations, a calendar, overrides; checked when it comes."""

from collections.abc import Iterator, Mapping
from datetime import date, time, timedelta
from difflib import get_close_matches
from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

from alerts.refusals import causes
from alerts.roster import recurrence
from alerts.roster.errors import RosterInvalid
from alerts.roster.values import WEEK, Day, Days, Instant, People, Rule, SomePeople, TimeOfDay, Wall, Zone
from alerts.roster.wall import knows

LONGEST_EVENT: Final = timedelta(days=31)
_MAX_PARTS: Final = 500


class Role(StrEnum):
    """What a roster is for."""

    DUTY = "duty"
    BACKUP = "backup"
    SUPERVISOR = "supervisor"
    OPERATOR = "operator"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Shift(_Part):
    """The same people at the same hours.

    Attributes:
        days: on which it begins.
        from_: when it begins, by the roster's clocks.
        to: when it ends; not after `from_`: on the next day.
        people: who is told, in this order.
    """

    days: Days = WEEK
    from_: TimeOfDay = Field(alias="from")
    to: TimeOfDay
    people: SomePeople


def _turn(value: object) -> object:
    return [value] if isinstance(value, str) else value


class Rotation(_Part):
    """People who take turns.

    Attributes:
        turns: whose turn it is, one after the other; then the first again.
        since: the day on which the first turn begins. Before it, the rotation does not count.
        at: the time of day at which turns change.
        every_days: how many days a turn lasts; `every_weeks` says it in weeks.
        days: as of a shift.
        from_: with `to`, the hours of each day; a night belongs to the turn in which it begins. Without, all hours.
        to: as of a shift.
    """

    turns: tuple[Annotated[SomePeople, BeforeValidator(_turn)], ...] = Field(min_length=1)
    since: date
    at: TimeOfDay = time(0)
    every_days: int | None = Field(default=None, ge=1, le=366)
    every_weeks: int | None = Field(default=None, ge=1, le=52)
    days: Days = WEEK
    from_: TimeOfDay | None = Field(default=None, alias="from")
    to: TimeOfDay | None = None

    @property
    def period(self) -> timedelta:
        """How long a turn lasts, by the clocks."""
        return timedelta(days=(self.every_days or 0) + 7 * (self.every_weeks or 0))

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.every_days is None) == (self.every_weeks is None):
            raise ValueError("needs every_days or every_weeks, one of them")
        if (self.from_ is None) != (self.to is None):
            raise ValueError("needs both from and to, or neither")
        if self.from_ is None and self.days != WEEK:
            raise ValueError("with days, needs from and to as well")
        return self


class Event(_Part):
    """An event of an imported calendar.

    Attributes:
        start: its first beginning, by the clocks of its zone.
        end: the end of that.
        time_zone: None: the roster's.
        rule: how it recurs, as an RRULE (RFC 5545); None: it happens once.
        except_: beginnings, by the clocks of its zone, at which it does not happen.
        also: further beginnings.
        people: who is told, in this order.
    """

    start: Wall
    end: Wall
    time_zone: Zone | None = None
    rule: Rule | None = None
    except_: tuple[Wall, ...] = Field(default=(), alias="except")
    also: tuple[Wall, ...] = ()
    people: SomePeople

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not timedelta() < self.end - self.start <= LONGEST_EVENT:
            raise ValueError(f"must end after it begins, within {LONGEST_EVENT.days} days")
        if self.rule is not None and not recurrence.ever(self.rule, self.start):
            raise ValueError(f"{self.rule!r} never gives a day")
        return self


class Override(_Part):
    """What holds for once.

    Attributes:
        from_: since when.
        to: until when, not included.
        people: who is on duty.
        replace: instead of those who would be; else after them.
    """

    from_: Instant = Field(alias="from")
    to: Instant
    people: SomePeople
    replace: bool = True

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.to <= self.from_:
            raise ValueError("must end after it begins")
        return self


class Roster(_Part):
    """Who is on duty in one role of one area; `alerts.roster.on_duty` reads it.

    Attributes:
        time_zone: whose clocks count.
        holidays: the country whose public holidays count (ISO 3166); "" for none.
        shifts: a weekly pattern. On a public holiday those that name `holiday` count alone, where there are any.
        rotations: beside the shifts.
        calendar: imported events, beside both.
        always: who is on duty at all times, after those above.
        overrides: what holds for once; the last one wins.
        otherwise: who is on duty where nobody else is.
    """

    time_zone: Zone = "Asia/Shanghai"
    holidays: Annotated[str, StringConstraints(pattern=r"^([A-Z]{2})?$")] = ""
    shifts: tuple[Shift, ...] = Field(default=(), max_length=_MAX_PARTS)
    rotations: tuple[Rotation, ...] = Field(default=(), max_length=_MAX_PARTS)
    calendar: tuple[Event, ...] = Field(default=(), max_length=20 * _MAX_PARTS)
    always: People = ()
    overrides: tuple[Override, ...] = Field(default=(), max_length=4 * _MAX_PARTS)
    otherwise: People = ()

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.holidays and not knows(self.holidays):
            raise ValueError(f"holidays: the public holidays of {self.holidays!r} are not known")
        if not self.holidays and self.has_holiday_pattern:
            raise ValueError('a shift for the day "holiday" needs holidays, such as holidays = "CN"')
        return self

    @property
    def has_holiday_pattern(self) -> bool:
        """Whether public holidays have a pattern of their own."""
        return any(Day.HOLIDAY in shift.days for shift in self.shifts) or any(
            Day.HOLIDAY in rotation.days for rotation in self.rotations
        )

    def people(self) -> frozenset[str]:
        """The keys of everybody it names."""
        return frozenset(self._named())

    def _named(self) -> Iterator[str]:
        for shift in self.shifts:
            yield from shift.people
        for turn in (turn for rotation in self.rotations for turn in rotation.turns):
            yield from turn
        for event in self.calendar:
            yield from event.people
        for override in self.overrides:
            yield from override.people
        yield from (*self.always, *self.otherwise)

    def stored(self) -> dict[str, JsonValue]:
        """As it is kept in the database, and as `read` takes it."""
        definition: dict[str, JsonValue] = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return {"time_zone": self.time_zone, **definition}


_NAMES: Final = [
    field.alias or name
    for part in (Roster, Shift, Rotation, Event, Override)
    for name, field in part.model_fields.items()
]


def read(definition: Mapping[str, JsonValue] | Mapping[str, object]) -> Roster:
    """Checks a definition.

    Args:
        definition: as a file or the database has it.

    Raises:
        RosterInvalid: with every fault and where it is.
    """
    try:
        return Roster.model_validate(definition)
    except ValidationError as invalid:
        raise RosterInvalid([said(fault["loc"], _sentence(fault)) for fault in causes(invalid)]) from None


def _sentence(fault: ErrorDetails) -> str:
    match fault["type"]:
        case "extra_forbidden":
            close = get_close_matches(str(fault["loc"][-1]), _NAMES, n=1)
            return f"there is no such entry{f'; did you mean {close[0]}?' if close else ''}"
        case "time_parsing":
            return f"{fault['input']!r} is no time of day; right would be '08:00'"
        case _:
            return fault["msg"]


def said(place: tuple[int | str, ...], message: str) -> str:
    """A fault of a definition for people: `shifts 2, from: …`, counting from one as they do."""
    words: list[str] = []
    for part in place:
        if isinstance(part, int) and words:
            words[-1] += f" {part + 1}"
        else:
            words.append(str(part))
    text = message.removeprefix("Value error, ")
    return f"{', '.join(words)}: {text}" if words else text
