"""What providers tell us unasked, as values, and what their parsers have in common."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Final
from uuid import UUID

from pydantic import JsonValue

from alerts.channels.results import Delivery
from alerts.errors import BadCallback

# Aliyun and Tencent write the time of day of Beijing, without saying so.
_BEIJING: Final = timezone(timedelta(hours=8))
_MAX_TEXT: Final = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What became of one message.

    Attributes:
        provider: The provider's name in the settings.
        provider_id: Its own name for the message; for Kannel and generic gateways ours (the notification's id).
        delivery: How far it got. A call that was picked up is `delivered`.
        detail: The provider's code for the reason, at most 100 characters; never a number or a text.
    """

    provider: str
    provider_id: str
    delivery: Delivery
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundReply:
    """What somebody answered, by SMS or by a key.

    Attributes:
        provider: The provider's name in the settings.
        provider_id: The same whenever the provider repeats it.
        from_: Who answered: E.164 wherever the number allows it.
        text: As it was written; of a key press the digit.
        at: When, where the provider says; its clock, so for information only.
        reference: Of a key press: the notification (its id) that the call was about.
    """

    provider: str
    provider_id: str
    from_: str = field(repr=False)
    text: str = field(repr=False)
    at: datetime | None = None
    reference: UUID | None = None


def e164(number: str, country_code: str = "86") -> str:
    """The number in E.164; one without a country code is taken for one of `country_code`, if it looks like a mobile.

    Short codes, the operators' 106... and what else cannot be made one stay as they are, without blanks and hyphens.
    """
    given = re.sub(r"[\s()-]", "", number)
    if given.startswith("+"):
        return given
    if given.startswith("00") and given[2:].isdigit():
        return f"+{given[2:]}"
    if country_code == "86" and re.fullmatch(r"1[3-9]\d{9}", given):
        return f"+86{given}"
    if re.fullmatch(r"(?!10)[1-9]\d{9,14}", given):
        return f"+{given}"
    return given


def of(form: Mapping[str, str], key: str) -> str:
    """A field of a form that must be there.

    Raises:
        BadCallback: It is missing or empty.
    """
    value = storable(form.get(key, ""))
    if not value:
        raise BadCallback(f"{key} is missing")
    return value


def storable(text: str) -> str:
    """Without what PostgreSQL refuses in a text: NUL, and halves of surrogate pairs."""
    return text[:_MAX_TEXT].replace("\0", " ").encode("utf-8", "replace").decode()


def objects(body: bytes) -> list[dict[str, JsonValue]]:
    """A JSON list of objects; a single object as a list of one.

    Raises:
        BadCallback: It is something else.
    """
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise BadCallback("it is no JSON") from None
    listed = value if isinstance(value, list) else [value]
    if not all(isinstance(item, dict) for item in listed):
        raise BadCallback("it is no list of objects")
    return listed


def text(item: Mapping[str, JsonValue], key: str, absent: str | None = None) -> str:
    """A field of an object, a number as its digits; `absent` where there is none.

    Raises:
        BadCallback: It is missing and `absent` is None.
    """
    value = item.get(key)
    if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
        return storable(str(value))
    if absent is None:
        raise BadCallback(f"{key} is missing")
    return absent


def digest(item: Mapping[str, JsonValue] | Mapping[str, str], *keys: str) -> str:
    """An id for what has none: the same for the same fields."""
    said = json.dumps([str(item.get(key, "")) for key in keys])
    return hashlib.sha256(said.encode()).hexdigest()[:32]


def reference_of(text: str | None) -> UUID | None:
    """A notification's id; None where nothing is given.

    Raises:
        BadCallback: It is something else.
    """
    try:
        return UUID(text) if text else None
    except ValueError:
        raise BadCallback("the reference is no id of ours") from None


def beijing(text: str) -> datetime | None:
    """A time of day in Beijing; None where it is none."""
    for form in ("%Y-%m-%d %H:%M:%S", "%Y%m%d%H%M%S"):
        try:
            return datetime.strptime(text, form).replace(tzinfo=_BEIJING).astimezone(UTC)
        except (ValueError, OverflowError):
            continue
    return None


def epoch(seconds: str) -> datetime | None:
    """Seconds since 1970; None where they are none."""
    if seconds.isascii() and seconds.isdigit() and len(seconds) < 12:
        return datetime.fromtimestamp(int(seconds), UTC)
    return None
