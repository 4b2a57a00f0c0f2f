"""What is told about a case: kinds of message, their content (JSON Schema in docs/schema), and how urgent each is."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, PlainSerializer

from alerts.model import Attending, Kind, Outcome, Severity, State


class MessageType(StrEnum):
    """Why somebody is told; the `type` of the CloudEvent. The last four are for persons, not for the site's webhook."""

    RAISED = "anju.alert.raised"
    RAISED_AGAIN = "anju.alert.raised_again"
    UPDATED = "anju.alert.updated"
    ACKNOWLEDGED = "anju.alert.acknowledged"
    ATTENDING = "anju.alert.attending"
    LAPSED = "anju.alert.lapsed"
    ASSIGNED = "anju.alert.assigned"
    CLEARED = "anju.alert.cleared"
    CLOSED = "anju.alert.closed"
    REOPENED = "anju.alert.reopened"
    ESCALATED = "anju.alert.escalated"
    FOLLOW_UP = "anju.alert.follow_up"
    ASK = "anju.alert.ask"
    ANSWER = "anju.alert.answer"


#: What became of a case; of these those hear too who were told of the case itself.
NEWS: Final = frozenset(
    {
        MessageType.ACKNOWLEDGED,
        MessageType.ATTENDING,
        MessageType.LAPSED,
        MessageType.CLEARED,
        MessageType.CLOSED,
    }
)
_NEWS_PRIORITY: Final = 4


def priority(message: MessageType, severity: Severity) -> int:
    """Which message goes first: 0 for a call for help, up to 4 for news of a case that is already known."""
    return _NEWS_PRIORITY if message in NEWS else Severity.URGENT.rank - severity.rank


def give_up_after(severity: Severity) -> timedelta:
    """How long a message is tried."""
    return timedelta(hours=24) if severity.rank >= Severity.HARD.rank else timedelta(hours=6)


def instant_text(instant: datetime) -> str:
    """An instant as messages write it: UTC, milliseconds, `Z`."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Instant = Annotated[AwareDatetime, PlainSerializer(instant_text, return_type=str, when_used="json")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class ReasonText(_Part):
    """The reason as a sentence."""

    en: str
    """English."""
    zh: str
    """Chinese."""


class MessageReason(_Part):
    """Why the case is what it is."""

    id: str
    """Which sentence, for programs: stable over releases."""
    values: dict[str, JsonValue]
    """The figures in the sentence; units stand in the names (`_s` seconds, `_l` litres)."""
    text: ReasonText


class AlertFacts(_Part):
    """The case at the moment of the message. Never holds names, addresses or numbers of residents and contacts."""

    subject: str
    """What the case is about: `home/12`, `device/btn-7` (serves no home), `gateway/gw-3`, `area/4` or `site`."""
    home_id: int | None
    home: str | None
    """The home's name, such as a door number."""
    area: str | None
    """The area's path, such as `city/district/street/community`."""
    device: str | None
    """The device's name, where the case is about one."""
    kind: Kind
    severity: Severity
    state: State
    since: Instant
    """Since when the condition holds; for presses and falls the earliest of them."""
    raised_at: Instant
    """When the case was opened."""
    times_raised: int = Field(ge=1)
    """How often it was raised: a second press in an open case makes it 2."""
    acknowledged_by: str | None
    """Who took it: a person's key or an account, never a name; null while nobody has it."""
    assigned_to: str | None
    """Who sees to it now: whoever took it last, or was named."""
    attending: Attending | None
    """How far whoever goes there has come; null while nobody goes."""
    outcome: Outcome | None
    """How it ended; null while it is not closed."""
    related: list[int]
    """Further alerts of the home at about the same time, newest first, 20 at most: seen together they are one case."""
    reason: MessageReason
    evidence: dict[str, JsonValue]
    """What the finding rests on; its content depends on the rule."""


class AlertData(AlertFacts):
    """The `data` of the CloudEvent."""

    alert_id: int
    """The number of the case; all messages of one case share it."""


class AlertEvent(_Part):
    """The body of a webhook request: a CloudEvent 1.0 in structured JSON."""

    specversion: Literal["1.0"]
    id: str
    """The same as the header `webhook-id`; a repeated message repeats it."""
    source: str
    """Which installation of Anju sent it."""
    type: MessageType
    time: Instant
    """When the case changed. Messages may overtake each other: the newest `time` of a case counts."""
    subject: str
    """`alert/` and the number of the case."""
    datacontenttype: Literal["application/json"]
    data: AlertData
