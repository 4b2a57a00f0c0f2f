"""Every move a case can make, as data: who wants another is refused, and nothing changes."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from alerts.errors import IllegalMove
from alerts.model import State


class Move(StrEnum):
    """What may happen to a case. RAISE and CLEAR are a rule's, LAPSE is the escalation's, the others are people's."""

    RAISE = "raise"
    CLEAR = "clear"
    LAPSE = "lapse"
    ACKNOWLEDGE = "acknowledge"
    ON_THE_WAY = "on_the_way"
    ON_SCENE = "on_scene"
    DECLINE = "decline"
    GIVE_BACK = "give_back"
    ASSIGN = "assign"
    COMMENT = "comment"
    MUTE = "mute"
    UNMUTE = "unmute"
    CLOSE = "close"
    REOPEN = "reopen"

    @property
    def words(self) -> str:
        """As it reads before "an alert"."""
        return _WORDS.get(self, str(self))


_WORDS: Final[Mapping[Move, str]] = MappingProxyType(
    {
        Move.ON_THE_WAY: "be on the way to",
        Move.ON_SCENE: "be on the scene of",
        Move.GIVE_BACK: "give back",
        Move.COMMENT: "comment on",
    }
)

MOVES: Final[Mapping[tuple[State, Move], State]] = MappingProxyType(
    {
        (State.OPEN, Move.RAISE): State.OPEN,
        (State.ACKNOWLEDGED, Move.RAISE): State.ACKNOWLEDGED,
        (State.ATTENDING, Move.RAISE): State.ATTENDING,
        (State.OPEN, Move.CLEAR): State.CLOSED,
        # Who took a case ends it: the service only notes that the condition is over.
        (State.ACKNOWLEDGED, Move.CLEAR): State.ACKNOWLEDGED,
        (State.ATTENDING, Move.CLEAR): State.ATTENDING,
        (State.OPEN, Move.ACKNOWLEDGE): State.ACKNOWLEDGED,
        # After a further call, or by whom it was handed to.
        (State.ACKNOWLEDGED, Move.ACKNOWLEDGE): State.ACKNOWLEDGED,
        (State.ATTENDING, Move.ACKNOWLEDGE): State.ATTENDING,
        (State.OPEN, Move.ON_THE_WAY): State.ATTENDING,
        (State.ACKNOWLEDGED, Move.ON_THE_WAY): State.ATTENDING,
        (State.ATTENDING, Move.ON_THE_WAY): State.ATTENDING,
        (State.OPEN, Move.ON_SCENE): State.ATTENDING,
        (State.ACKNOWLEDGED, Move.ON_SCENE): State.ATTENDING,
        (State.ATTENDING, Move.ON_SCENE): State.ATTENDING,
        # Somebody else has it, or nobody yet; who has it and cannot gives it back.
        (State.OPEN, Move.DECLINE): State.OPEN,
        (State.ACKNOWLEDGED, Move.DECLINE): State.ACKNOWLEDGED,
        (State.ATTENDING, Move.DECLINE): State.ATTENDING,
        (State.ACKNOWLEDGED, Move.GIVE_BACK): State.OPEN,
        (State.ATTENDING, Move.GIVE_BACK): State.OPEN,
        (State.ACKNOWLEDGED, Move.LAPSE): State.OPEN,
        (State.ATTENDING, Move.LAPSE): State.OPEN,
        (State.OPEN, Move.ASSIGN): State.OPEN,
        (State.ACKNOWLEDGED, Move.ASSIGN): State.ACKNOWLEDGED,
        (State.ATTENDING, Move.ASSIGN): State.ATTENDING,
        (State.OPEN, Move.COMMENT): State.OPEN,
        (State.ACKNOWLEDGED, Move.COMMENT): State.ACKNOWLEDGED,
        (State.ATTENDING, Move.COMMENT): State.ATTENDING,
        (State.CLOSED, Move.COMMENT): State.CLOSED,
        (State.OPEN, Move.MUTE): State.OPEN,
        (State.ACKNOWLEDGED, Move.MUTE): State.ACKNOWLEDGED,
        (State.ATTENDING, Move.MUTE): State.ATTENDING,
        (State.OPEN, Move.UNMUTE): State.OPEN,
        (State.ACKNOWLEDGED, Move.UNMUTE): State.ACKNOWLEDGED,
        (State.ATTENDING, Move.UNMUTE): State.ATTENDING,
        (State.OPEN, Move.CLOSE): State.CLOSED,
        (State.ACKNOWLEDGED, Move.CLOSE): State.CLOSED,
        (State.ATTENDING, Move.CLOSE): State.CLOSED,
        (State.CLOSED, Move.REOPEN): State.OPEN,
    }
)


def move(state: State, wanted: Move) -> State:
    """The state after a move.

    Raises:
        IllegalMove: The table has no such move.
    """
    try:
        return MOVES[state, wanted]
    except KeyError:
        raise IllegalMove(f"cannot {wanted.words} an alert that is {state}") from None
