"""Signed links: who may see and answer which alert until when, without a login; and the keys in callback addresses.

A token is `alert.person.hour.mac`: three numbers in base 36 and 72 bits of HMAC-SHA256 over them. It is as short as an
SMS wants it and nothing has to be stored for it; a changed secret ends all links at once.
"""

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from alerts.errors import Refused

#: How long a link is good for when nobody says otherwise: over a long weekend.
LIFETIME: Final = timedelta(hours=72)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR: Final = timedelta(hours=1)
_MAC_CHARS: Final = 12
_KEY_CHARS: Final = 32
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
# No number has two spellings, so neither has a token.
_TOKEN: Final = re.compile(r"((?:0|[1-9a-z][0-9a-z]{0,12})(?:\.(?:0|[1-9a-z][0-9a-z]{0,12})){2})\.([A-Za-z0-9_-]{12})")


class BadLink(Refused):
    """The token is forged, mutilated or over; which of these is nobody's business."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What a token says: this person may see and answer this alert until `expires_at` (aware)."""

    alert_id: int
    person_id: int
    expires_at: datetime


def make(secret: str, alert_id: int, person_id: int, expires_at: datetime) -> str:
    """The token of a link; it holds until the full hour at or after `expires_at` (aware)."""
    hour = -((_EPOCH - expires_at) // _HOUR)
    claims = ".".join(_base36(number) for number in (alert_id, person_id, hour))
    return f"{claims}.{_mac(secret, f'a/{claims}')[:_MAC_CHARS]}"


def read(secret: str, token: str, now: datetime) -> Link:
    """What a token says.

    Raises:
        BadLink: It was not made with this secret, or its time is over.
    """
    parts = _TOKEN.fullmatch(token)
    if parts is None:
        raise BadLink("no link of ours")
    claims, mac = parts.groups()
    if not hmac.compare_digest(_mac(secret, f"a/{claims}")[:_MAC_CHARS], mac):
        raise BadLink("no link of ours")
    alert_id, person_id, hour = (int(number, 36) for number in claims.split("."))
    expires_at = _EPOCH + hour * _HOUR
    if now >= expires_at:
        raise BadLink("no link of ours any more")
    return Link(alert_id=alert_id, person_id=person_id, expires_at=expires_at)


def address(public_url: str, token: str) -> str:
    """The link itself, under the address at which the outside reaches us."""
    return f"{public_url.rstrip('/')}/a/{token}"


def callback_key(secret: str, provider: str) -> str:
    """The key in the callback addresses of a provider that does not sign its calls (`kannel`, `aliyun`, `tencent`)."""
    return _mac(secret, f"callback/{provider}")[:_KEY_CHARS]


def _mac(secret: str, text: str) -> str:
    return base64.urlsafe_b64encode(hmac.digest(secret.encode(), text.encode(), hashlib.sha256)).decode()


def _base36(number: int) -> str:
    if number < 0:
        raise ValueError("only counting numbers stand in a link")
    digits = ""
    while True:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
        if number == 0:
            return digits
