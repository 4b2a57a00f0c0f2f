"""What providers call us back with: receipts of what became of a message, and what people answered.

Pure functions of what was received. Whether it came from the provider at all is told by its signature
(`alerts.channels.twilio.verify_signature`) or, for those who sign nothing (Aliyun, Tencent, Kannel), by the key in the
address that only they were given; that is checked before anything here is asked.
"""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from alerts.channels.inbound_values import (
    InboundReply,
    Receipt,
    beijing,
    digest,
    e164,
    epoch,
    objects,
    of,
    reference_of,
    storable,
    text,
)
from alerts.channels.results import Delivery
from alerts.errors import BadCallback

__all__ = [
    "InboundReply",
    "Receipt",
    "aliyun_calls",
    "aliyun_receipts",
    "aliyun_replies",
    "e164",
    "kannel_receipt",
    "kannel_reply",
    "tencent_receipts",
    "tencent_replies",
    "twilio_key",
    "twilio_receipt",
    "twilio_reply",
]

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


# ---------------------------------------------------------------- Aliyun: lists in JSON

# What single calls end or go on with (help.aliyun.com, "运营商回执错误码" and "呼叫状态码").
_ALIYUN_CALL: Final[Mapping[str, Delivery]] = {
    "200201": Delivery.SENT,
    "200102": Delivery.DELIVERED,
    "200000": Delivery.DELIVERED,
    "200001": Delivery.DELIVERED,
    "200008": Delivery.DELIVERED,
}
_ALIYUN_GOES_ON: Final = frozenset({"200100", "200101", "200103", "300000"})


def aliyun_receipts(provider: str, body: bytes) -> tuple[Receipt, ...]:
    """An `SmsReport`, pushed over HTTP.

    Raises:
        BadCallback: It is not the documented list.
    """
    return tuple(
        Receipt(
            provider=provider,
            provider_id=text(report, "biz_id"),
            delivery=Delivery.DELIVERED if report.get("success") in (True, "true") else Delivery.UNDELIVERED,
            detail=text(report, "err_code", "")[:100],
        )
        for report in objects(body)
    )


def aliyun_replies(provider: str, body: bytes) -> tuple[InboundReply, ...]:
    """An `SmsUp`, pushed over HTTP.

    Raises:
        BadCallback: It is not the documented list.
    """
    return tuple(
        InboundReply(
            provider=provider,
            provider_id=text(reply, "sequence_id"),
            from_=e164(text(reply, "phone_number")),
            text=text(reply, "content", ""),
            at=beijing(text(reply, "send_time", "")),
        )
        for reply in objects(body)
    )


def aliyun_calls(provider: str, body: bytes) -> tuple[Receipt | InboundReply, ...]:
    """A `VoiceReport` (a call is over) or `VoiceCallReport` (it goes on), pushed over HTTP: receipts and keys pressed.

    Raises:
        BadCallback: It is not the documented list.
    """
    told: list[Receipt | InboundReply] = []
    for report in objects(body):
        call, status = text(report, "call_id"), text(report, "status_code", "")
        try:
            about = reference_of(text(report, "out_id", ""))
        except BadCallback:
            about = None
        # A call of somebody else's with the same account: what is pressed there is no answer to us.
        keys = "" if about is None else text(report, "dtmf", "")[:20]
        # The last report has all keys of the call: those that were told before are the same replies again.
        told.extend(
            InboundReply(
                provider=provider,
                provider_id=f"{call}/{key}",
                from_=e164(text(report, "callee", "")),
                text=key,
                at=beijing(text(report, "status_time", "") or text(report, "end_time", "")),
                reference=about,
            )
            for key in dict.fromkeys(keys)
        )
        if status and status not in _ALIYUN_GOES_ON:
            delivery = _ALIYUN_CALL.get(status, Delivery.UNDELIVERED)
            told.append(Receipt(provider=provider, provider_id=call, delivery=delivery, detail=status[:100]))
    return tuple(told)


# ---------------------------------------------------------------- Tencent: JSON


def tencent_receipts(provider: str, body: bytes) -> tuple[Receipt, ...]:
    """A status callback (下发状态).

    Raises:
        BadCallback: It is not the documented list.
    """
    return tuple(
        Receipt(
            provider=provider,
            provider_id=text(report, "sid"),
            delivery=Delivery.DELIVERED if report.get("report_status") == "SUCCESS" else Delivery.UNDELIVERED,
            detail=text(report, "errmsg", "")[:100],
        )
        for report in objects(body)
    )


def tencent_replies(provider: str, body: bytes) -> tuple[InboundReply, ...]:
    """A reply callback (短信回复): one answer. It has no id of its own, so what it says, and when, is its id.

    Raises:
        BadCallback: It is not the documented object.
    """
    return tuple(
        InboundReply(
            provider=provider,
            provider_id=digest(reply, "nationcode", "mobile", "time", "text"),
            from_=_abroad(text(reply, "nationcode", "86"), text(reply, "mobile")),
            text=text(reply, "text", ""),
            at=epoch(text(reply, "time")),
        )
        for reply in objects(body)
    )


def _abroad(country_code: str, mobile: str) -> str:
    return e164(mobile if mobile.startswith("+") else f"+{country_code.lstrip('+')}{mobile}")


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
