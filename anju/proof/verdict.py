"""Whether the service does its work, from what it owes. Pure.

A process that runs proves nothing: what counts is whether presses come through and whether anything is overdue.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Gap(StrEnum):
    """Which work is not done."""

    PRESSES = "presses"
    CALLS = "calls"
    LOOKS = "looks"
    TELLING = "telling"
    MESSAGES = "messages"


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What the stages owe: the oldest of each kind that should have been done by now; None where nothing is overdue.

    Attributes:
        call_since: A press or fall that no rule has judged.
        look_since: When the home that waits longest for its look was due.
        telling_since: When the escalation that waits longest was due.
        message_since: When a message that was never tried was due.
    """

    call_since: datetime | None
    look_since: datetime | None
    telling_since: datetime | None
    message_since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """For how long each may be overdue before the service counts as not doing its work.

    Attributes:
        press: Since the last synthetic press that came through; None: none are made.
        call: A press that is not judged.
        look: A home that is not looked at. After a change that re-arms a whole city, looks are late for a while and
            none is lost; what is gone for good is never late by a quarter of an hour only.
        telling: An escalation that is not carried out.
        message: A message that is never tried.
    """

    press: timedelta | None
    call: timedelta = timedelta(seconds=60)
    look: timedelta = timedelta(minutes=15)
    telling: timedelta = timedelta(seconds=60)
    message: timedelta = timedelta(seconds=60)


def gaps(work: Work, limits: Limits, *, through_at: datetime, now: datetime) -> frozenset[Gap]:
    """What is not done.

    Args:
        work: What the stages owe.
        limits: How long they may.
        through_at: When a synthetic press last came through, or since when that is waited for.
        now: When `work` was read.
    """
    overdue = {
        Gap.CALLS: (work.call_since, limits.call),
        Gap.LOOKS: (work.look_since, limits.look),
        Gap.TELLING: (work.telling_since, limits.telling),
        Gap.MESSAGES: (work.message_since, limits.message),
    }
    found = {gap for gap, (since, limit) in overdue.items() if since is not None and now - since > limit}
    if limits.press is not None and now - through_at > limits.press:
        found.add(Gap.PRESSES)
    return frozenset(found)
