"""What Aliyun and Tencent call us back with, lists in JSON: receipts of messages and calls, and what people answered.

Pure functions of what was received; see `alerts.channels.inbound` for who is believed.
"""

from collections.abc import Mapping
from typing import Final

from pydantic import JsonValue

from alerts.channels.inbound_values import (
    InboundReply,
    Receipt,
    beijing,
    digest,
    e164,
    epoch,
    objects,
    reference_of,
    text,
)
from alerts.channels.results import Delivery
from alerts.errors import BadCallback

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
    return _receipts(provider, body, named="biz_id", delivered=("success", (True, "true")), detail="err_code")


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


def tencent_receipts(provider: str, body: bytes) -> tuple[Receipt, ...]:
    """A status callback (下发状态).

    Raises:
        BadCallback: It is not the documented list.
    """
    return _receipts(provider, body, named="sid", delivered=("report_status", ("SUCCESS",)), detail="errmsg")


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


def _receipts(
    provider: str, body: bytes, *, named: str, delivered: tuple[str, tuple[JsonValue, ...]], detail: str
) -> tuple[Receipt, ...]:
    """Receipts of SMS: the keys of the message's id, of what says that it arrived, and of the reason if it did not."""
    key, arrived = delivered
    return tuple(
        Receipt(
            provider=provider,
            provider_id=text(report, named),
            delivery=Delivery.DELIVERED if report.get(key) in arrived else Delivery.UNDELIVERED,
            detail=text(report, detail, "")[:100],
        )
        for report in objects(body)
    )
