"""What Twilio (forms) and Kannel (query strings) call us back with: receipts of messages, and what people answered.

Pure functions of what was received, as those of `alerts.channels.inbound_lists`. Whether it came from the provider at
all is told by its signature (`alerts.channels.twilio.verify_signature`) or, for those who sign nothing (Aliyun,
Tencent, Kannel), by the key in the address that only they were given; that is checked before anything here is asked.
"""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from alerts.channels.inbound_values import InboundReply, Receipt, e164, of, reference_of, storable
from alerts.channels.results import Delivery
from alerts.errors import BadCallback

# ---------------------------------------------------------------- Twilio: forms

_TWILIO_SMS: Final[Mapping[str, Delivery]] = {
    "sent": Delivery.SENT,
    "delivered": Delivery.DELIVERED,
    "read": Delivery.READ,
    "undelivered": Delivery.UNDELIVERED,
    "failed": Delivery.UNDELIVERED,
}
_TWILIO_CALL: Final[Mapping[str, Delivery]] = {
    "ringing": Delivery.SENT,
    "in-progress": Delivery.DELIVERED,
    "completed": Delivery.DELIVERED,
    "busy": Delivery.UNDELIVERED,
    "failed": Delivery.UNDELIVERED,
    "no-answer": Delivery.UNDELIVERED,
    "canceled": Delivery.UNDELIVERED,
}


def twilio_receipt(provider: str, form: Mapping[str, str]) -> Receipt | None:
    """A status callback of a message or of a call; None for a status that says nothing yet (queued, sending).

    Raises:
        BadCallback: A field is missing.
    """
    if "CallSid" in form:
        delivery = _TWILIO_CALL.get(of(form, "CallStatus"))
        named, detail = of(form, "CallSid"), f"{form['CallStatus']} {storable(form.get('SipResponseCode', ''))}"
    else:
        delivery = _TWILIO_SMS.get(of(form, "MessageStatus"))
        named, detail = of(form, "MessageSid"), storable(form.get("ErrorCode", ""))
    if delivery is None:
        return None
    return Receipt(provider=provider, provider_id=named, delivery=delivery, detail=detail.strip()[:100])


def twilio_reply(provider: str, form: Mapping[str, str]) -> InboundReply:
    """An incoming SMS.

    Raises:
        BadCallback: A field is missing.
    """
    return InboundReply(
        provider=provider,
        provider_id=of(form, "MessageSid"),
        from_=e164(of(form, "From")),
        text=storable(form.get("Body", "")),
    )


def twilio_key(provider: str, form: Mapping[str, str], reference: str | None) -> InboundReply | None:
    """A key pressed during a call of ours (`reference` is the one in the address that Twilio was given); None: no key.

    Raises:
        BadCallback: A field is missing, or the reference is none.
    """
    digits = storable(form.get("Digits", ""))
    if not digits:
        return None
    return InboundReply(
        provider=provider,
        provider_id=f"{of(form, 'CallSid')}/{digits[:20]}",
        # The call is ours: `From` is the number we called from.
        from_=e164(of(form, "To")),
        text=digits[:20],
        reference=reference_of(reference),
    )


# ---------------------------------------------------------------- Kannel: query strings

# The bits of dlr-mask, in the user guide's chapter on delivery reports; 4 (queued on the SMSC) says nothing yet.
_KANNEL: Final[Mapping[str, Delivery]] = {
    "1": Delivery.DELIVERED,
    "2": Delivery.UNDELIVERED,
    "8": Delivery.SENT,
    "16": Delivery.UNDELIVERED,
}


def kannel_receipt(provider: str, query: str) -> Receipt | None:
    """A delivery report, from the raw query string of `dlr-url` (`id`: ours; `state`: `%d`); None: nothing final yet.

    Raises:
        BadCallback: A parameter is missing.
    """
    told = dict(parse_qsl(query, keep_blank_values=True))
    state = of(told, "state")
    named = str(reference_of(of(told, "id")) or "")
    delivery = _KANNEL.get(state)
    if not named:
        raise BadCallback("id is no id of ours")
    if delivery is None:
        return None
    return Receipt(provider=provider, provider_id=named, delivery=delivery, detail=f"dlr {state}")


def kannel_reply(provider: str, query: str) -> InboundReply:
    """An incoming SMS, from the raw query string: `from=%p`, `text=%b` (bytes, by `coding=%c`), `id=%I`.

    Raises:
        BadCallback: A parameter is missing.
    """
    # Bytes, not characters: of `%b` UTF-16 may stand in the query.
    told = dict(parse_qsl(query, keep_blank_values=True, encoding="latin-1"))
    raw = told.get("text", "").encode("latin-1", "replace")
    # An unescaped plus sign has become a blank.
    sender = re.sub(r"^ ", "+", of(told, "from"))
    return InboundReply(
        provider=provider,
        # Without an id the second "1" of somebody would pass for a repetition of the first.
        provider_id=of(told, "id"),
        from_=e164(sender),
        text=storable(_decoded(raw, told.get("coding", ""))),
    )


def _decoded(raw: bytes, coding: str) -> str:
    if coding == "2":
        return raw.decode("utf-16-be", "replace")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")
