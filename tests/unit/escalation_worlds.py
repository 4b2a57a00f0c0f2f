"""Alerts that are due and those around them, for tests of planning; and a telling that is played to its end."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from alerts.escalation.model import Circle, Due, Load, Phase, Planned, Row, Told
from alerts.escalation.plan import plan
from alerts.escalation.policy import Ladder, choose, read
from alerts.life.case import Case
from alerts.model import Kind, Reason, Severity, State
from registry.people import Address, Contact, Person, Relation

START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
ALL_CHANNELS = frozenset({"sms", "voice", "chat", "webhook"})
LANE, STREET = 2, 1
PATHS = {LANE: "City/Street/Lane", STREET: "City/Street"}


def person(number: int, *channels: str) -> Person:
    addresses = tuple(Address(channel, f"{channel}-{number}", 1) for channel in channels or ("sms",))
    return Person(person_id=number, key=f"p-{number}", name="A name", language="zh", active=True, addresses=addresses)


def ladder(text: str) -> Ladder:
    return read(text).ladders[0]


def usual(kind: Kind = Kind.SOS, severity: Severity = Severity.URGENT) -> Ladder:
    return choose([], kind, severity)[0]


def circle(
    *,
    rungs: Ladder | None = None,
    people: Sequence[Person] = (),
    on_duty: Mapping[tuple[int | None, str], Sequence[str]] | None = None,
    contacts: Sequence[tuple[Person, Relation]] = (),
    channels: frozenset[str] = ALL_CHANNELS,
    staffed: bool = True,
) -> Circle:
    return Circle(
        ladder=rungs or usual(),
        ladder_by="Anju",
        areas=(LANE, STREET),
        on_duty=on_duty or {},
        people={each.key: each for each in people},
        contacts=[Contact(each, relation, place) for place, (each, relation) in enumerate(contacts, 1)],
        channels=channels,
        zone=ZoneInfo("Asia/Shanghai"),
        staffed=staffed,
        paths=PATHS,
    )


def due(
    *,
    kind: Kind = Kind.SOS,
    severity: Severity = Severity.URGENT,
    state: State = State.OPEN,
    row: Row | None = None,
    acknowledged_at: datetime | None = None,
    on_the_way_at: datetime | None = None,
    on_scene_at: datetime | None = None,
    muted_until: datetime | None = None,
    holders: Sequence[str] = (),
    declined: Sequence[str] = (),
) -> Due:
    case = Case(
        alert_id=7,
        version=1,
        kind=kind,
        severity=severity,
        state=state,
        since=START,
        raised_at=START,
        reason=Reason(id="sos_pressed", values={"device": "btn-1"}),
        evidence={},
        acknowledged_at=acknowledged_at,
        on_the_way_at=on_the_way_at,
        on_scene_at=on_scene_at,
        muted_until=muted_until,
    )
    return Due(
        alert_id=7,
        case=case,
        row=row or Row(phase=Phase.TELLING, due_at=START, run=1, started_at=START),
        facts={"home_id": 1},
        holders=holders,
        declined=frozenset(declined),
    )


def follow(before: Due, done: Planned, now: datetime) -> Due:
    """The alert as it is read the next time, with what was told in it."""
    told = dict(before.told)
    for message in done.messages:
        if message.person is not None:
            told[message.person.person_id] = Told(run=done.run, at=message.not_before)
    nobody = before.nobody_entered or done.nobody
    return replace(before, row=done.row, told=told, nobody_entered=nobody)


def played(
    first: Due, around: Circle, *, until: timedelta, delays: Iterator[timedelta] | None = None
) -> list[tuple[datetime, Due, Planned]]:
    """Carries out whatever is due, each time as late as `delays` say, until a time after the beginning."""
    found = []
    at, now = first, first.row.due_at
    while now <= START + until:
        done = plan(at, around, dict[int, Load](), now)
        found.append((now, at, done))
        at = follow(at, done, now)
        now = max(now, at.row.due_at) + (next(delays) if delays is not None else timedelta())
        assert len(found) < 5000, "does not end"
    return found
