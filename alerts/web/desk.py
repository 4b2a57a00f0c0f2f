"""What a desk that was told by webhook sends back, and whether it is from the desk: signed as our own webhooks are."""

import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from standardwebhooks.webhooks import Webhook

from alerts.model import Outcome
from alerts.replies.deeds import Closes, Comments, Does, Reopens
from alerts.replies.meaning import Wish

_STALE_AFTER: Final = timedelta(minutes=5)
_WEBHOOK_ID: Final = re.compile(r"[\x21-\x7e]{1,200}")
_MAX_SIGNATURES: Final = 10


class DeskCall(BaseModel):
    """What a desk sends."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    alert_id: int = Field(gt=0, lt=2**63)
    action: Literal["acknowledge", "on_the_way", "on_scene", "decline", "close", "comment", "reopen"]
    by: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,39}$")
    id: str | None = Field(default=None, pattern=r"^[\x21-\x7e]{1,200}$")
    outcome: Outcome | None = None
    comment: str | None = Field(default=None, min_length=1, max_length=500, pattern=r"^[^\x00]*$")

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.action == "close") != (self.outcome is not None):
            raise ValueError("outcome belongs to the action close, and must be there")
        if self.outcome is not None and not self.outcome.by_person:
            raise ValueError("outcome is one that only the service gives")
        if self.action == "comment" and not (self.comment or "").strip():
            raise ValueError("a comment needs words")
        return self

    @property
    def does(self) -> Does:
        """The deed."""
        if self.outcome is not None:
            return Closes(outcome=self.outcome, comment=self.comment)
        if self.action == "reopen":
            return Reopens()
        if self.action == "comment":
            return Comments(comment=self.comment or "")
        return Wish(self.action)


class NotBelieved(NamedTuple):
    """Why a call is not believed: `signature` or `stale`."""

    reason: str


def signed_by(
    headers: Mapping[str, str], body: bytes, signers: Mapping[str, Sequence[Webhook]], now: datetime
) -> frozenset[str] | NotBelieved:
    """The receivers with a secret that signed the call minutes ago; several where they share one."""
    stamp = headers.get("webhook-timestamp", "")
    if not _WEBHOOK_ID.fullmatch(headers.get("webhook-id", "")):
        return NotBelieved("signature")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 10):
        return NotBelieved("signature")
    at = datetime.fromtimestamp(int(stamp), UTC)
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return NotBelieved("signature")
    given = [other.encode("utf-8", "replace") for other in headers.get("webhook-signature", "").split(" ")]
    # No short cut: how long it takes must not tell which one was nearly right.
    matches = [
        (receiver, hmac.compare_digest(signer.sign(headers["webhook-id"], at, text).encode(), other))
        for receiver, its_signers in signers.items()
        for signer in its_signers
        for other in given[:_MAX_SIGNATURES]
    ]
    receivers = frozenset(receiver for receiver, matched in matches if matched)
    if not receivers:
        return NotBelieved("signature")
    return NotBelieved("stale") if abs(now - at) > _STALE_AFTER else receivers
