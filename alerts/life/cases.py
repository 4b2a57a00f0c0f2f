"""Cases in the database: where they are, what went before, who else is seen with them. Written by `case_writing`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row

from alerts.life.case import Case, Past
from alerts.messages import AlertFacts, MessageReason, ReasonText
from alerts.model import Finding, Kind, Outcome, Reason, Severity, State, Subject, Verdict, gateway_of
from alerts.wording import text_of
from storage import sql

_Q = sql.load(__package__, "cases.sql")
# Not those of the probe: of these there are very many, and what a person closed is looked for among the others.
_NOT_CLOSED_BY_PERSON: Final = [str(Outcome.RESOLVED_BY_SIGN_OF_LIFE), str(Outcome.RECORDED)]

#: Alerts of one home that were open together, or followed each other within this time, are seen as one case.
TOGETHER: Final = timedelta(hours=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """Whom a message goes to: a channel, an address that only this channel understands, and whose it is."""

    channel: str
    recipient: str
    person_id: int | None = None


#: Whom a new alert is told to, besides the people of its escalation; the dispatcher knows the address.
WATCHERS: Final = (Recipient(channel="webhook", recipient="default"),)

#: What a press of the service's own is told to: nobody.
PROBE: Final = (Recipient(channel="probe", recipient="probe"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a case is: its subject, and the names a person knows it by."""

    subject: Subject
    home: str | None
    area_id: int | None
    area: str | None
    probe: bool = False

    @property
    def watchers(self) -> tuple[Recipient, ...]:
        """Who hears of a call from here."""
        return PROBE if self.probe else WATCHERS


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """A case that nobody else changes until the transaction ends.

    Attributes:
        telling: Nobody has answered its newest call yet.
    """

    case: Case
    place: Place
    telling: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the database knows of a finding's case."""

    current: Case | None
    past: Past
    place: Place


async def read(conn: AsyncConnection[Any], findings: Sequence[Finding]) -> list[Known]:
    """What is known of each finding's case, in one round trip and without a lock: `write` notices changes."""
    async with conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(
            _Q.read_cases,
            {
                "subjects": [finding.subject.key for finding in findings],
                "kinds": [str(finding.kind) for finding in findings],
                "sinces": [finding.since for finding in findings],
                "event_ids": [finding.event_id for finding in findings],
                "home_ids": [finding.subject.home_id for finding in findings],
                "area_ids": [finding.subject.area_id for finding in findings],
                "recorded": [finding.verdict is Verdict.RECORD for finding in findings],
                "not_by_person": _NOT_CLOSED_BY_PERSON,
            },
            prepare=True,
        )
        rows = await cursor.fetchall()
    return [_known(finding, row) for finding, row in zip(findings, rows, strict=True)]


async def lock(conn: AsyncConnection[Any], findings: Sequence[Finding]) -> None:
    """Keeps others from changing the open cases of these findings until the transaction ends."""
    await conn.execute(
        _Q.lock_open,
        {
            "subjects": [finding.subject.key for finding in findings],
            "kinds": [str(finding.kind) for finding in findings],
        },
    )


def _known(finding: Finding, row: DictRow) -> Known:
    case = case_from(row) if row["alert_id"] is not None else None
    closed = case is not None and case.state is State.CLOSED
    return Known(
        current=None if closed else case,
        past=Past(
            event_entered=row["event_entered"],
            since_known=row["since_known"],
            closed_by_person=case if closed else None,
        ),
        place=Place(
            subject=finding.subject,
            home=row["home"],
            area_id=row["area_id"],
            area=row["area"],
            probe=row["probe"],
        ),
    )


async def lock_one(conn: AsyncConnection[Any], alert_id: int) -> Locked | None:
    """Locks and reads one case and where it is; None when there is none of this number."""
    asked = {"alert_id": alert_id}
    async with conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_Q.lock_one, asked, prepare=True)
        row = await cursor.fetchone()
    if row is None:
        return None
    # Whoever we waited for has changed this too: it is read by a statement that begins after the lock.
    telling = await (await conn.execute(_Q.is_telling, asked, prepare=True)).fetchone()
    return Locked(case=case_from(row), place=place_from(row), telling=telling is not None)


async def adopt(conn: AsyncConnection[Any], now: datetime) -> list[int]:
    """Lets the alerts be told that an earlier release opened, before escalations were; returns their numbers."""
    cursor = await conn.execute(_Q.adopt, {"now": now})
    return [row[0] for row in await cursor.fetchall()]


async def place_of_home(conn: AsyncConnection[Any], home_id: int) -> Place:
    """Where a home's cases are."""
    cursor = await conn.execute(_Q.place_of_home, {"home_id": home_id})
    row = await cursor.fetchone()
    home, area_id, area, probe = row or (None, None, None, False)
    return Place(subject=Subject(home_id=home_id), home=home, area_id=area_id, area=area, probe=probe)


async def related_ids(conn: AsyncConnection[Any], alert_ids: Sequence[int]) -> dict[int, list[int]]:
    """For each alert that has them, the others of its home that are seen with it as one case, the newest first."""
    cursor = await conn.execute(_Q.related, {"alert_ids": list(alert_ids), "together": TOGETHER})
    return {row[0]: row[1] for row in await cursor.fetchall()}


def facts_of(case: Case, place: Place, said: Reason, related: Sequence[int] = ()) -> AlertFacts:
    """What a message tells of a case; `related` as `related_ids` gives them (`write` puts them in by itself)."""
    return AlertFacts(
        subject=place.subject.key,
        home_id=place.subject.home_id,
        home=place.home,
        area=place.area,
        device=place.subject.device_name,
        kind=case.kind,
        severity=case.severity,
        state=case.state,
        since=case.since,
        raised_at=case.raised_at,
        times_raised=case.times_raised,
        acknowledged_by=case.acknowledged_by,
        assigned_to=case.assigned_to,
        attending=case.attending,
        outcome=case.outcome,
        related=list(related),
        reason=MessageReason(
            id=said.id,
            values=dict(said.values),
            text=ReasonText(en=text_of(said, "en"), zh=text_of(said, "zh")),
        ),
        evidence=dict(case.evidence),
    )


def place_from(row: DictRow) -> Place:
    """Where a case is, from a row that has the alert's columns and the names of home and area."""
    subject = Subject(
        home_id=row["home_id"],
        device_name=row["device_name"],
        area_id=row["area_id"],
        gateway=gateway_of(row["subject"]),
    )
    return Place(subject=subject, home=row["home"], area_id=row["area_id"], area=row["area"], probe=row["probe"])


def case_from(row: DictRow) -> Case:
    """A case from a row that has its columns."""
    return Case(
        alert_id=row["alert_id"],
        version=row["version"],
        kind=Kind(row["kind"]),
        severity=Severity(row["severity"]),
        state=State(row["state"]),
        since=row["since"],
        raised_at=row["raised_at"],
        reason=Reason(id=row["reason_id"], values=row["reason_values"]),
        evidence=row["evidence"],
        times_raised=row["times_raised"],
        acknowledged_at=row["acknowledged_at"],
        acknowledged_by=row["acknowledged_by"],
        assigned_to=row["assigned_to"],
        on_the_way_at=row["on_the_way_at"],
        on_scene_at=row["on_scene_at"],
        muted_until=row["muted_until"],
        closed_at=row["closed_at"],
        outcome=row["outcome"] and Outcome(row["outcome"]),
        sign_of_life_at=row["sign_of_life_at"],
    )
