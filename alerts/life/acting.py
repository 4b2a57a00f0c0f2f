"""Who acts on an alert, and how each act is done: the case is locked, changed and written in one transaction."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection
from pydantic import JsonValue

from alerts.errors import ChangedMeanwhile, NoSuchAlert
from alerts.life import cases
from alerts.life import writing as case_writing
from alerts.life.case import Change
from alerts.life.cases import Locked, Recipient
from alerts.life.writing import Author, Writing


@dataclass(frozen=True, slots=True, kw_only=True)
class By:
    """Who acts, when, and from where.

    Attributes:
        actor: A person's key, or an account.
        source: `cli`, `page`, `sms`, `voice`, `api`, or `alerts` for the escalation.
        now: When (aware).
        comment: What there is to say about it; stays in the history.
        seen_times_raised: How often the alert had been raised when the actor looked at it. A press since then refuses
            the change, so that nobody closes what they have not seen; None does not ask.
        role: What the actor is to the home, such as `family`; stands in the history. None: staff, or the service.
    """

    actor: str
    source: str
    now: datetime
    comment: str | None = None
    seen_times_raised: int | None = None
    role: str | None = None

    @property
    def detail(self) -> dict[str, JsonValue]:
        """What the history remembers of who acted."""
        said: dict[str, JsonValue] = {"comment": self.comment, "role": self.role}
        return {name: value for name, value in said.items() if value is not None}


async def lock(conn: AsyncConnection[Any], alert_id: int, by: By) -> Locked:
    """Locks and reads the case that somebody acts on.

    Raises:
        NoSuchAlert: There is none of this number.
        ChangedMeanwhile: It was raised again since the actor looked.
    """
    at = await cases.lock_one(conn, alert_id)
    if at is None:
        raise NoSuchAlert(f"there is no alert {alert_id}")
    if by.seen_times_raised is not None and by.seen_times_raised != at.case.times_raised:
        raise ChangedMeanwhile(f"alert {alert_id} was raised again since you looked; look at it once more")
    return at


async def write(
    conn: AsyncConnection[Any], at: Locked, change: Change, by: By, first_told: tuple[Recipient, ...] = ()
) -> None:
    """Writes what somebody did; `first_told` hear of it besides those who were told of the case already.

    Raises:
        ChangedMeanwhile: Somebody else changed the case in the same moment.
    """
    writing = Writing(
        change=change,
        place=at.place,
        said=at.case.reason,
        author=Author(actor=by.actor, source=by.source, detail=by.detail),
        first_told=first_told,
    )
    (written,) = await case_writing.write(conn, [writing], by.now)
    if written is None:
        raise ChangedMeanwhile(f"somebody else changed alert {at.case.alert_id} in the same moment; look once more")
