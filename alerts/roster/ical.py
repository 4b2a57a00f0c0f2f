"""Rosters as calendars (RFC 5545), both ways: events name people by their keys. Pure; `icalendar` reads and writes.

Recurrences stay rules (`alerts.roster.recurrence`), so that an imported calendar does not run out.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from icalendar import Calendar
from icalendar import Event as CalendarEvent
from icalendar.prop import vCalAddress, vText

from alerts.roster.errors import RosterInvalid
from alerts.roster.ical_event import Bad, Read, understood, wall
from alerts.roster.model import Event
from alerts.roster.on_duty import Interval

DOMAIN: Final = "anju.invalid"
"""Of the addresses and ids that an export makes up: never anybody's (RFC 2606)."""

_MAX_BYTES: Final = 4_000_000
_MAX_EVENTS: Final = 10_000


def read_calendar(data: bytes, *, time_zone: str) -> tuple[Event, ...]:
    """The events of a file as parts of a roster.

    Args:
        data: the file: one calendar or several.
        time_zone: of times that name none.

    Raises:
        RosterInvalid: with every fault, each with the line and number of its event.
    """
    calendars = _calendars(data)
    lines = [n for n, line in enumerate(data.splitlines(), start=1) if line.strip().upper() == b"BEGIN:VEVENT"]
    components = [event for calendar in calendars for event in calendar.walk("VEVENT")]
    if len(components) > _MAX_EVENTS:
        raise RosterInvalid([f"the file has {len(components)} events; at most {_MAX_EVENTS} are read"])
    read: list[Read] = []
    found: list[str] = []
    for number, component in enumerate(components, start=1):
        line = f"line {lines[number - 1]}, " if len(lines) == len(components) else ""
        place = f"{line}event {number}"
        try:
            read.append(understood(component, place, ZoneInfo(time_zone)))
        except Bad as bad:
            found += [f"{place}: {problem}" for problem in bad.problems]
        except OverflowError:
            found.append(f"{place}: a time in it lies outside the years that can be")
    found += _twice(read)
    if not components:
        found.append("the file has no events")
    if found:
        raise RosterInvalid(found)
    return _joined(read)


def write_calendar(intervals: Iterable[Interval], *, name: str, uid: str, now: datetime) -> bytes:
    """Who is on duty when, as a calendar; times in UTC, so that it needs no time zones.

    Args:
        intervals: as `alerts.roster.on_duty.shifts` returns them; those without people are left out.
        name: of the calendar.
        uid: tells this roster from others; the events' ids begin with it and stay the same in the next export.
        now: when it is made.
    """
    calendar = Calendar()
    calendar.add("prodid", "-//Anju//roster//EN")
    calendar.add("version", "2.0")
    calendar.add("x-wr-calname", name)
    for interval in intervals:
        if not interval.people:
            continue
        event = CalendarEvent()
        event.add("uid", f"{uid}-{interval.begins.astimezone(UTC):%Y%m%dT%H%M%SZ}@{DOMAIN}")
        event.add("dtstamp", now.astimezone(UTC).replace(microsecond=0))
        event.add("dtstart", interval.begins.astimezone(UTC))
        event.add("dtend", interval.ends.astimezone(UTC))
        event.add("summary", ", ".join(interval.people))
        for key in interval.people:
            attendee = vCalAddress(f"mailto:{key}@{DOMAIN}")
            attendee.params["CN"] = vText(key)
            event.add("attendee", attendee)
        calendar.add_component(event)
    return bytes(calendar.to_ical())


def _calendars(data: bytes) -> Sequence[Any]:
    if len(data) > _MAX_BYTES:
        raise RosterInvalid([f"the file is larger than {_MAX_BYTES // 1_000_000} MB"])
    try:
        return list(Calendar.from_ical(data.decode("utf-8-sig"), multiple=True))
    except UnicodeDecodeError:
        raise RosterInvalid(["the file is not UTF-8 text"]) from None
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise RosterInvalid([f"the file is no calendar (RFC 5545): {error}"]) from None


def _twice(read: Iterable[Read]) -> list[str]:
    first: dict[tuple[str, datetime | None], Read] = {}
    faults = []
    for each in read:
        key = (each.uid, None if each.replaces is None else wall(each.replaces, each.zone))
        if (other := first.setdefault(key, each)) is not each:
            faults.append(f"{each.place}: has the UID of {other.place}")
    return faults


def _joined(read: Sequence[Read]) -> tuple[Event, ...]:
    """Takes out of each series what other events stand in for, and what is cancelled."""
    skipped: dict[str, list[date]] = {}
    for each in read:
        if each.replaces is not None:
            skipped.setdefault(each.uid, []).append(each.replaces)
    events = []
    for each in read:
        if each.cancelled:
            continue
        if each.replaces is None and each.uid in skipped:
            out = {*each.event.except_, *(wall(at, each.zone) for at in skipped[each.uid])}
            events.append(each.event.model_copy(update={"except_": tuple(sorted(out))}))
        else:
            events.append(each.event)
    return tuple(events)
