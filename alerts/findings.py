"""The one door from rules to alerts: `report` a look's findings inside the transaction that made them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from psycopg import AsyncConnection
from psycopg.errors import SerializationFailure

from alerts.life import cases
from alerts.life import writing as case_writing
from alerts.life.case import Action
from alerts.life.cases import Known
from alerts.life.verdicts import judge
from alerts.life.writing import Author, Writing
from alerts.messages import MessageType
from alerts.model import Finding, Kind, Outcome, Reason, Severity, Subject, Verdict

__all__ = ["Finding", "Kind", "Outcome", "Reason", "Severity", "Subject", "Verdict", "report"]

_CALLS: Final = frozenset({MessageType.RAISED, MessageType.RAISED_AGAIN})
_MAX_CONFLICTS: Final = 5


async def report(conn: AsyncConnection[Any], findings: Sequence[Finding], now: datetime) -> None:
    """Raises, refreshes, clears or records the cases that findings speak of, with entries and messages.

    Runs inside the caller's transaction (READ COMMITTED) in two round trips; findings of the same subject and kind are
    taken in their order, at two more each. Reporting the same again changes nothing. What was changed stays locked
    until the caller commits, so commit soon.

    A RAISE with an `event_id` not seen before always opens a case or is told again in the open one. Any other RAISE
    opens a case or keeps it up to date; after a person closed a case, only a new episode opens one. To know a new
    episode for certain, report a CLEAR whenever a condition does not hold, also when no case is open.

    Args:
        conn: A connection in a transaction.
        findings: What the rules concluded.
        now: The time of the look (aware).

    Raises:
        psycopg.Error: As the database says; SerializationFailure also when others keep opening and closing one case.
    """
    waiting = list(findings)
    conflicts = 0
    while waiting:
        # One finding of each case at a time: the next one judges what this one made of it.
        chosen: dict[tuple[str, Kind], Finding] = {}
        later: list[Finding] = []
        for finding in waiting:
            if chosen.setdefault((finding.subject.key, finding.kind), finding) is not finding:
                later.append(finding)
        refused = await _report_each(conn, list(chosen.values()), now)
        conflicts += bool(refused)
        if conflicts > _MAX_CONFLICTS:
            raise SerializationFailure(f"{len(refused)} cases were changed by others {conflicts} times in a row")
        if refused:
            # Where many report one case at once, trying again unlocked may lose the race again and again.
            await cases.lock(conn, refused)
        waiting = refused + later


async def _report_each(conn: AsyncConnection[Any], findings: Sequence[Finding], now: datetime) -> list[Finding]:
    """Reports findings of different cases; returns those whose case somebody else changed in the same moment."""
    # All reporters write in one order, so that they wait for each other instead of deadlocking.
    ordered = sorted(findings, key=lambda finding: (finding.subject.key, finding.kind))
    changes = [
        (finding, writing)
        for finding, known in zip(ordered, await cases.read(conn, ordered), strict=True)
        if (writing := _writing(finding, known, now)) is not None
    ]
    if not changes:
        return []
    written = await case_writing.write(conn, [writing for _, writing in changes], now)
    return [finding for (finding, _), done in zip(changes, written, strict=True) if done is None]


def _writing(finding: Finding, known: Known, now: datetime) -> Writing | None:
    change = judge(finding, known.current, known.past, now)
    if change is None:
        return None
    return Writing(
        change=change,
        place=known.place,
        said=change.case.reason if change.entry is Action.RAISED_AGAIN else finding.reason,
        author=Author(actor="rules", source="rules", detail={}, event_id=finding.event_id),
        first_told=known.place.watchers if change.tell in _CALLS else (),
    )
