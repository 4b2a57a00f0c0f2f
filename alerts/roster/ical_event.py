"""One event of a calendar (RFC 5545), understood: when, how often, who. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo

from icalendar.prop import vRecur
from pydantic import ValidationError

from alerts.roster.model import Event, said
from alerts.roster.values import KEY
from alerts.roster.wall import wall_of

_DAY: Final = timedelta(days=1)
_SEPARATORS: Final = str.maketrans(dict.fromkeys(",;、，；/|\n", " "))
_NOT_TAKEN: Final = ("EXRULE",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """One VEVENT, understood.

    Attributes:
        replaces: the beginning in the series of `uid`, as an instant or a wall time, in whose place it stands.
        cancelled: it does not happen.
    """

    place: str
    uid: str
    zone: tzinfo
    event: Event
    replaces: date | None = None
    cancelled: bool = False


class Bad(ValueError):
    """What an event says cannot be used.

    Attributes:
        problems: all of them.
    """

    def __init__(self, *problems: str) -> None:
        self.problems = problems
        super().__init__("; ".join(problems))


def understood(component: Any, place: str, default: ZoneInfo) -> Read:
    """What a VEVENT says.

    Args:
        component: as `icalendar` has parsed it.
        place: where in the file it is.
        default: the zone of times that name none.

    Raises:
        Bad: it cannot be used.
        OverflowError: a time in it is none of ours.
    """
    if component.errors:
        raise Bad(*(f"{name or 'a line'} cannot be read: {problem}" for name, problem in component.errors))
    for name in _NOT_TAKEN:
        if name in component:
            raise Bad(f"{name} is not understood; EXDATE is")
    start = _one(component, "DTSTART")
    if start is None:
        raise Bad("DTSTART is missing")
    zone = _zone(component["DTSTART"], start, default)
    begins = wall(start, zone)
    replaces = _one(component, "RECURRENCE-ID")
    if replaces is not None and "RANGE" in component["RECURRENCE-ID"].params:
        raise Bad("RECURRENCE-ID with RANGE is not understood; end the series and begin another")
    cancelled = str(component.get("STATUS", "")).upper() == "CANCELLED"
    try:
        event = Event(
            start=begins,
            end=_end(component, start, begins, zone),
            time_zone=None if zone is default else str(zone),
            rule=_rule(component, zone),
            except_=_list(component, "EXDATE", zone),
            also=_list(component, "RDATE", zone),
            people=("nobody",) if cancelled else _people(component),
        )
    except ValidationError as invalid:
        raise Bad(*(said(error["loc"], error["msg"]) for error in invalid.errors())) from None
    uid = str(component.get("UID", "")) or place
    return Read(place=place, uid=uid, zone=zone, event=event, replaces=replaces, cancelled=cancelled)


def _one(component: Any, name: str) -> date | None:
    """A date or a time; a `datetime` is a `date` too."""
    value = component.get(name)
    if value is None:
        return None
    if isinstance(value, list):
        raise Bad(f"{name} stands there twice")
    if not isinstance(value.dt, date):
        raise Bad(f"{name} is neither a date nor a time")
    return value.dt


def _zone(value: Any, at: date, default: ZoneInfo) -> ZoneInfo:
    if not isinstance(at, datetime):
        return default
    named = value.params.get("TZID")
    if at.tzinfo is None:
        if named is not None:
            raise Bad(f"TZID {named!r} is no time zone that is known; an example is Asia/Shanghai")
        return default
    if at.tzinfo is UTC or (at.utcoffset() == timedelta() and str(at.tzinfo) in ("UTC", "Etc/UTC")):
        return ZoneInfo("UTC")
    if not isinstance(at.tzinfo, ZoneInfo):
        raise Bad(f"TZID {named!r} is no time zone of the IANA database; an example is Asia/Shanghai")
    return default if at.tzinfo.key == default.key else at.tzinfo


def wall(at: date, zone: tzinfo) -> datetime:
    """A date or a time by the clocks of a zone; a time without one is so already."""
    if not isinstance(at, datetime):
        return datetime.combine(at, time(0))
    return at if at.tzinfo is None else wall_of(at, zone)


def _end(component: Any, start: date, begins: datetime, zone: tzinfo) -> datetime:
    end, duration = _one(component, "DTEND"), component.get("DURATION")
    if end is not None:
        return wall(end, zone)
    if duration is not None:
        if not isinstance(getattr(duration, "dt", None), timedelta):
            raise Bad("DURATION is no duration")
        return begins + timedelta(seconds=duration.dt.total_seconds())
    if isinstance(start, datetime):
        raise Bad("neither DTEND nor DURATION says when it ends")
    return begins + _DAY


def _rule(component: Any, zone: tzinfo) -> str | None:
    recur = component.get("RRULE")
    if recur is None:
        return None
    if not isinstance(recur, vRecur):
        raise Bad("RRULE stands there twice; make them two events")
    bounded = vRecur(recur)
    if (until := bounded.get("UNTIL")) is not None:
        last = until[0] if isinstance(until, list) else until
        whole_day = not isinstance(last, datetime)
        bounded["UNTIL"] = [wall(last, zone) + (_DAY - timedelta(seconds=1) if whole_day else timedelta())]
    return bytes(bounded.to_ical()).decode()  # type: ignore[no-untyped-call]


def _list(component: Any, name: str, zone: tzinfo) -> tuple[datetime, ...]:
    values = component.get(name, [])
    found = []
    for value in values if isinstance(values, list) else [values]:
        for each in value.dts:
            if not isinstance(each.dt, date):
                raise Bad(f"{name} with a period is not understood")
            found.append(wall(each.dt, zone))
    return tuple(sorted(set(found)))


def _people(component: Any) -> tuple[str, ...]:
    attendees = component.get("ATTENDEE", [])
    keys = []
    for attendee in attendees if isinstance(attendees, list) else [attendees]:
        params: Mapping[str, str] = attendee.params
        if params.get("PARTSTAT", "").upper() == "DECLINED" or params.get("CUTYPE", "").upper() in ("ROOM", "RESOURCE"):
            continue
        named = (str(params.get("CN", "")), str(attendee).partition(":")[2].partition("@")[0])
        keys += [key for key in named if KEY.fullmatch(key)][:1]
    if not keys:
        words = str(component.get("SUMMARY", "")).translate(_SEPARATORS).split()
        keys = words if all(KEY.fullmatch(word) for word in words) else []
    if not keys:
        raise Bad("neither ATTENDEE nor SUMMARY names people by their keys, such as duty-1")
    return tuple(dict.fromkeys(keys))
