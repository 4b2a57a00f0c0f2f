"""What somebody wants of an alert, done by the commands of its life cycle; what came of it is a value, no exception."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from psycopg import AsyncConnection

from alerts.errors import AlreadySo, ChangedMeanwhile, IllegalMove, NoSuchAlert, NothingSaid
from alerts.life import commands
from alerts.life.commands import By, Closing
from alerts.model import Outcome
from alerts.replies.meaning import Wish

_TRIES: Final = 3


class Result(StrEnum):
    """What became of an answer. REPEATED alone is not kept: it is the repetition of one that was."""

    DONE = "done"
    ALREADY_SO = "already_so"
    NOT_POSSIBLE = "not_possible"
    CHANGED_MEANWHILE = "changed_meanwhile"
    ASKED_WHICH = "asked_which"
    UNCLEAR = "unclear"
    NOTHING_OPEN = "nothing_open"
    NO_MORE = "no_more"
    UNKNOWN_SENDER = "unknown_sender"
    UNKNOWN_ALERT = "unknown_alert"
    REPEATED = "repeated"

    @property
    def holds(self) -> bool:
        """Whether what was wanted is so now."""
        return self in (Result.DONE, Result.ALREADY_SO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Closes:
    """A person ends the alert: how, what there is to say, and how often it was raised as far as they have seen."""

    outcome: Outcome
    comment: str | None = None
    seen_times_raised: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comments:
    """A person notes something."""

    comment: str


@dataclass(frozen=True, slots=True)
class Reopens:
    """It was closed by mistake."""


Does = Wish | Closes | Comments | Reopens


def name_of(does: Does) -> str:
    """The deed in a word: `acknowledge`, `close`, `comment`, `reopen`."""
    match does:
        case Closes():
            return "close"
        case Comments():
            return "comment"
        case Reopens():
            return "reopen"
        case Wish():
            return str(does)


async def do(conn: AsyncConnection[Any], alert_id: int, does: Does, by: By) -> tuple[Result, Closing | None]:
    """Does it, in the caller's transaction; what closing an alert offers comes with it.

    Raises:
        psycopg.Error: The database's; the transaction is to be rolled back.
    """
    for _ in range(_TRIES):
        try:
            return Result.DONE, await _command(conn, alert_id, does, by)
        except AlreadySo:
            return Result.ALREADY_SO, None
        except (IllegalMove, NothingSaid):
            return Result.NOT_POSSIBLE, None
        except NoSuchAlert:
            return Result.UNKNOWN_ALERT, None
        except ChangedMeanwhile:
            if isinstance(does, Closes) and does.seen_times_raised is not None:
                break
    return Result.CHANGED_MEANWHILE, None


async def _command(conn: AsyncConnection[Any], alert_id: int, does: Does, by: By) -> Closing | None:
    match does:
        case Closes(outcome=outcome, comment=comment, seen_times_raised=seen):
            return await commands.close(conn, alert_id, outcome, replace(by, comment=comment, seen_times_raised=seen))
        case Comments(comment=comment):
            await commands.comment(conn, alert_id, replace(by, comment=comment))
        case Reopens():
            await commands.reopen(conn, alert_id, by)
        case Wish():
            await _COMMANDS[does](conn, alert_id, by)
    return None


_COMMANDS: Final[dict[Wish, Callable[[AsyncConnection[Any], int, By], Awaitable[None]]]] = {
    Wish.ACKNOWLEDGE: commands.acknowledge,
    Wish.ON_THE_WAY: commands.on_the_way,
    Wish.ON_SCENE: commands.on_scene,
    Wish.DECLINE: commands.decline,
}
