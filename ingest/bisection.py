"""Takes apart what the database refuses, until the bad rows stand alone: these go to quarantine, the rest is stored."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

import psycopg
import structlog

from devices.model import Reason
from ingest.batch import Batch, Refused
from storage.pool import is_passing_fault

_log = structlog.get_logger()

Commit: TypeAlias = Callable[[Sequence[bytes], Sequence[Refused]], Awaitable[None]]
"""Commits packed readings and messages for quarantine, in one transaction."""


async def take_apart(batch: Batch, commit: Commit) -> None:
    """Commits the readings and the quarantine of a batch that was refused as a whole.

    Raises:
        psycopg.Error: a passing fault; a part may be committed.
    """
    refused = list(batch.refused)
    await _halve(batch, 0, len(batch.rows), refused, commit)
    for each in refused:
        await _quarantine(each, commit)


def why(error: psycopg.Error) -> str:
    """What quarantine says of a refusal. The primary message names a constraint or a type, never a value."""
    return f"{error.sqlstate}: {error.diag.message_primary or type(error).__name__}"


async def _halve(batch: Batch, start: int, end: int, refused: list[Refused], commit: Commit) -> None:
    if start == end:
        return
    try:
        await commit(batch.rows[start:end], ())
    except psycopg.Error as error:
        if is_passing_fault(error):
            raise
        if end - start == 1:
            refused.append(_refused_row(batch, start, error))
            return
        middle = (start + end) // 2
        await _halve(batch, start, middle, refused, commit)
        await _halve(batch, middle, end, refused, commit)


async def _quarantine(refused: Refused, commit: Commit) -> None:
    try:
        await commit((), [refused])
    except psycopg.Error as error:
        if is_passing_fault(error):
            raise
        # Nothing that a broker may hand us is known to get here. Should it, the message must not come for ever.
        _log.error("quarantine_refused", sqlstate=error.sqlstate, reason=refused.reason.value)
        bare = refused.message._replace(topic="", payload=b"")
        await commit((), [refused._replace(message=bare, device_name="", detail=why(error))])


def _refused_row(batch: Batch, row: int, error: psycopg.Error) -> Refused:
    message = batch.owner_of(row)
    device = message.topic.split("/", 2)[1] if "/" in message.topic else ""
    return Refused(message, device, Reason.STORAGE_REFUSED, why(error), urgent=False)
