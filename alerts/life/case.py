"""A case as it stands, its past, and a change of it: the values that verdicts, people and the telling work on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pydantic import JsonValue

from alerts.messages import MessageType
from alerts.model import Attending, Kind, Outcome, Reason, Severity, State


class Action(StrEnum):
    """What an entry of the history says was done."""

    RAISED = "raised"
    RAISED_AGAIN = "raised_again"
    UPDATED = "updated"
    SIGN_OF_LIFE = "sign_of_life"
    CLEARED = "cleared"
    RECORDED = "recorded"
    ACKNOWLEDGED = "acknowledged"
    ON_THE_WAY = "on_the_way"
    ON_SCENE = "on_scene"
    DECLINED = "declined"
    GIVEN_BACK = "given_back"
    LAPSED = "lapsed"
    ASSIGNED = "assigned"
    COMMENTED = "commented"
    MUTED = "muted"
    UNMUTED = "unmuted"
    CLOSED = "closed"
    REOPENED = "reopened"
    HANDED_ON = "handed_on"


class Escalation(StrEnum):
    """What a change does to the telling of a case.

    START: from step one, at once, or when the case is not muted any more. AWAIT: somebody has it; what is not sent yet
    is withdrawn, reminders begin. HURRY: the next step at once. HOLD: nothing is sent before the case is not muted any
    more. STOP: it is over; what is not sent yet is withdrawn.
    """

    START = "start"
    AWAIT = "await"
    HURRY = "hurry"
    HOLD = "hold"
    STOP = "stop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One alert as it stands. `alert_id` is None until it is written; `version` counts its writings.

    Whoever takes it is `acknowledged_by`; who sees to it now is `assigned_to`, never empty in a case that is taken.
    """

    alert_id: int | None
    version: int = 0
    kind: Kind
    severity: Severity
    state: State
    since: datetime
    raised_at: datetime
    reason: Reason
    evidence: Mapping[str, JsonValue]
    times_raised: int = 1
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    assigned_to: str | None = None
    on_the_way_at: datetime | None = None
    on_scene_at: datetime | None = None
    muted_until: datetime | None = None
    closed_at: datetime | None = None
    outcome: Outcome | None = None
    sign_of_life_at: datetime | None = None

    @property
    def attending(self) -> Attending | None:
        """How far whoever goes there has come."""
        if self.on_scene_at is not None:
            return Attending.ON_SCENE
        return None if self.on_the_way_at is None else Attending.ON_THE_WAY

    def muted(self, now: datetime) -> bool:
        """Whether nobody is to be told yet."""
        return self.muted_until is not None and self.muted_until > now


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What went before, of the same subject and kind.

    Attributes:
        event_entered: The finding's press or fall is already in the history of a case, open or closed.
        since_known: A case with the very `since` of a RECORD exists, open or closed.
        closed_by_person: The case that a person closed last.
    """

    event_entered: bool = False
    since_known: bool = False
    closed_by_person: Case | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A case as it is to be, and what comes of it.

    Attributes:
        case: As it is to be.
        entry: What the history says was done; None: only figures were refreshed.
        tell: What is told of it; None: nothing.
        escalation: What becomes of the telling; None: it goes on as it did.
        detail: What the entry remembers besides.
    """

    case: Case
    entry: Action | None
    tell: MessageType | None = None
    escalation: Escalation | None = None
    detail: Mapping[str, JsonValue] = field(default_factory=dict)
