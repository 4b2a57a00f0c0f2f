"""What providers tell us unasked: each document's own example, and whatever else may come."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import quote
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from alerts.channels import inbound, inbound_lists
from alerts.channels.inbound_values import InboundReply, Receipt, e164
from alerts.channels.results import Delivery
from alerts.errors import BadCallback

ID = UUID("0190c1a4-0000-7000-8000-000000000001")


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ("13812345678", "+8613812345678"),
        ("+86 138-1234 5678", "+8613812345678"),
        ("8613812345678", "+8613812345678"),
        ("008613812345678", "+8613812345678"),
        ("+4915112345678", "+4915112345678"),
        ("12025550100", "+12025550100"),
        ("10690", "10690"),
        ("106901234567", "106901234567"),
        ("", ""),
    ],
)
def test_numbers(given_: str, expected: str) -> None:
    assert e164(given_) == expected
    assert e164(expected) == expected


@pytest.mark.parametrize(
    ("status", "delivery"),
    [
        ("queued", None),
        ("sending", None),
        ("sent", Delivery.SENT),
        ("delivered", Delivery.DELIVERED),
        ("read", Delivery.READ),
        ("undelivered", Delivery.UNDELIVERED),
        ("failed", Delivery.UNDELIVERED),
    ],
)
def test_twilio_message_status(status: str, delivery: Delivery | None) -> None:
    form = {"MessageSid": "SM1", "MessageStatus": status, "ErrorCode": "30003", "To": "+8613812345678"}
    expected = delivery and Receipt(provider="t", provider_id="SM1", delivery=delivery, detail="30003")
    assert inbound.twilio_receipt("t", form) == expected


@pytest.mark.parametrize(
    ("status", "delivery"),
    [
        ("initiated", None),
        ("ringing", Delivery.SENT),
        ("in-progress", Delivery.DELIVERED),
        ("no-answer", Delivery.UNDELIVERED),
    ],
)
def test_twilio_call_status(status: str, delivery: Delivery | None) -> None:
    form = {"CallSid": "CA1", "CallStatus": status, "SipResponseCode": "487"}
    expected = delivery and Receipt(provider="t", provider_id="CA1", delivery=delivery, detail=f"{status} 487")
    assert inbound.twilio_receipt("t", form) == expected


def test_twilio_reply_and_key() -> None:
    reply = inbound.twilio_reply("t", {"MessageSid": "SM2", "From": "+8613812345678", "Body": "1 017"})
    assert reply == InboundReply(provider="t", provider_id="SM2", from_="+8613812345678", text="1 017")
    form = {"CallSid": "CA1", "From": "+12025550100", "To": "+8613812345678", "Digits": "1"}
    key = inbound.twilio_key("t", form, str(ID))
    assert key == InboundReply(provider="t", provider_id="CA1/1", from_="+8613812345678", text="1", reference=ID)
    assert inbound.twilio_key("t", {**form, "Digits": ""}, str(ID)) is None
    for missing in ("CallSid", "To"):
        with pytest.raises(BadCallback, match=missing):
            inbound.twilio_key("t", {name: value for name, value in form.items() if name != missing}, str(ID))
    with pytest.raises(BadCallback):
        inbound.twilio_key("t", form, "no id")


def test_aliyun_receipts() -> None:
    # help.aliyun.com, SmsReport
    report: dict[str, JsonValue] = {
        "phone_number": "13811110000",
        "send_time": "2017-01-01 00:00:00",
        "report_time": "2017-01-01 00:00:00",
        "success": True,
        "err_code": "DELIVERED",
        "err_msg": "用户接收成功",
        "sms_size": "1",
        "biz_id": "12345^0",
        "out_id": "67890",
    }
    body = json.dumps([report, {**report, "success": False, "err_code": "MOBILE_NOT_ON_SERVICE"}]).encode()
    assert inbound_lists.aliyun_receipts("a", body) == (
        Receipt(provider="a", provider_id="12345^0", delivery=Delivery.DELIVERED, detail="DELIVERED"),
        Receipt(provider="a", provider_id="12345^0", delivery=Delivery.UNDELIVERED, detail="MOBILE_NOT_ON_SERVICE"),
    )


@pytest.mark.parametrize("sequence", [1234567890, "1234567890"])
@pytest.mark.parametrize("at", ["2017-09-01 00:00:00", "20170901000000"])
def test_aliyun_replies(sequence: JsonValue, at: str) -> None:
    # help.aliyun.com, SmsUp; the sequence is a number in one of its pages and a string in another.
    reply = {
        "phone_number": "13811110000",
        "send_time": at,
        "content": "收到",
        "sign_name": "签名",
        "dest_code": "1234",
        "sequence_id": sequence,
    }
    assert inbound_lists.aliyun_replies("a", json.dumps([reply]).encode()) == (
        InboundReply(
            provider="a",
            provider_id="1234567890",
            from_="+8613811110000",
            text="收到",
            at=datetime(2017, 8, 31, 16, tzinfo=UTC),
        ),
    )


def test_aliyun_call_reports() -> None:
    # help.aliyun.com, VoiceCallReport: a key is pressed, the call goes on.
    pressed: dict[str, JsonValue] = {
        "status_code": "300000",
        "smart_status_code": "ANSWERED",
        "dtmf": "1",
        "status_time": "2023-03-06 16:21:12",
        "out_id": str(ID),
        "call_id": "100001616500^100001871490",
    }
    key = InboundReply(
        provider="a",
        provider_id="100001616500^100001871490/1",
        from_="",
        text="1",
        at=datetime(2023, 3, 6, 8, 21, 12, tzinfo=UTC),
        reference=ID,
    )
    assert inbound_lists.aliyun_calls("a", json.dumps([pressed]).encode()) == (key,)
    # help.aliyun.com, VoiceReport: it is over; the key comes again, as the same reply.
    over: dict[str, JsonValue] = {
        "call_id": "100001616500^100001871490",
        "end_time": "2017-06-01 10:00:00",
        "callee": "13900000000",
        "duration": "10",
        "status_code": "200000",
        "out_id": str(ID),
        "dtmf": "1",
    }
    again, receipt = inbound_lists.aliyun_calls("a", json.dumps([over]).encode())
    assert isinstance(again, InboundReply)
    assert (again.provider_id, again.from_, again.reference) == (key.provider_id, "+8613900000000", ID)
    assert receipt == Receipt(
        provider="a", provider_id="100001616500^100001871490", delivery=Delivery.DELIVERED, detail="200000"
    )
    keys = inbound_lists.aliyun_calls("a", json.dumps([{**over, "dtmf": "112"}]).encode())
    assert [item.provider_id[-2:] for item in keys if isinstance(item, InboundReply)] == ["/1", "/2"]
    for foreign in ("", "order-4711"):
        (alone,) = inbound_lists.aliyun_calls("a", json.dumps([{**over, "out_id": foreign}]).encode())
        assert isinstance(alone, Receipt)
    (busy,) = inbound_lists.aliyun_calls("a", json.dumps([{**over, "dtmf": "", "status_code": "200002"}]).encode())
    assert isinstance(busy, Receipt)
    assert busy.delivery == Delivery.UNDELIVERED


def test_tencent() -> None:
    # cloud.tencent.com/document/product/382/43547 and 382/5809
    report = {
        "user_receive_time": "2015-10-17 08:03:04",
        "nationcode": "86",
        "mobile": "13811110000",
        "report_status": "SUCCESS",
        "errmsg": "DELIVRD",
        "description": "用户短信送达成功",
        "sid": "5000:1045710669157053657849499619",
    }
    (receipt,) = inbound_lists.tencent_receipts("q", json.dumps([report]).encode())
    assert receipt == Receipt(provider="q", provider_id=report["sid"], delivery=Delivery.DELIVERED, detail="DELIVRD")
    (failed,) = inbound_lists.tencent_receipts("q", json.dumps([{**report, "report_status": "FAIL"}]).encode())
    assert failed.delivery == Delivery.UNDELIVERED
    said: dict[str, JsonValue] = {
        "extend": "扩展码",
        "mobile": "13811110000",
        "nationcode": "86",
        "sign": "短信签名",
        "text": "1",
        "time": 1457336869,
    }
    (reply,) = inbound_lists.tencent_replies("q", json.dumps(said).encode())
    assert (reply.from_, reply.text, reply.at) == ("+8613811110000", "1", datetime(2016, 3, 7, 7, 47, 49, tzinfo=UTC))
    (abroad,) = inbound_lists.tencent_replies(
        "q", json.dumps({**said, "nationcode": "852", "mobile": "91234567"}).encode()
    )
    assert abroad.from_ == "+85291234567"
    (repeated,) = inbound_lists.tencent_replies("q", json.dumps(said).encode())
    (other,) = inbound_lists.tencent_replies("q", json.dumps({**said, "time": 1457336870}).encode())
    assert repeated == reply
    assert other.provider_id != reply.provider_id


@pytest.mark.parametrize(
    ("state", "delivery"),
    [
        ("1", Delivery.DELIVERED),
        ("2", Delivery.UNDELIVERED),
        ("4", None),
        ("8", Delivery.SENT),
        ("16", Delivery.UNDELIVERED),
        ("", None),
    ],
)
def test_kannel_receipts(state: str, delivery: Delivery | None) -> None:
    query = f"id={ID}&state={state}&smsc=fake&key=k"
    if not state:
        with pytest.raises(BadCallback):
            inbound.kannel_receipt("k", query)
        return
    expected = delivery and Receipt(provider="k", provider_id=str(ID), delivery=delivery, detail=f"dlr {state}")
    assert inbound.kannel_receipt("k", query) == expected


@pytest.mark.parametrize(
    ("text", "coding"),
    [("1", "0"), ("收到", "0"), ("é ok", "0"), ("收到", "2"), ("出发 😀", "2"), ("", "0")],
)
def test_kannel_replies(text: str, coding: str) -> None:
    raw = text.encode("utf-16-be" if coding == "2" else "utf-8")
    query = f"from=%2B8613812345678&to=10690&text={quote(raw)}&coding={coding}&id=abc"
    reply = inbound.kannel_reply("k", query)
    assert reply == InboundReply(provider="k", provider_id="abc", from_="+8613812345678", text=text)
    # `%p` is not escaped by every version: a plus sign then reads as a blank.
    assert inbound.kannel_reply("k", query.replace("%2B", "+")) == reply


def test_a_reply_that_cannot_be_told_from_a_repetition_is_refused() -> None:
    with pytest.raises(BadCallback, match="id"):
        inbound.kannel_reply("k", "from=13812345678&text=1&coding=0")
    with pytest.raises(BadCallback, match="time"):
        inbound_lists.tencent_replies("q", b'{"mobile": "13812345678", "nationcode": "86", "text": "1"}')


def test_kannel_reply_in_latin_1() -> None:
    assert inbound.kannel_reply("k", "from=1&text=%e9t%e9&coding=0&id=1").text == "été"


def assert_storable(*told: Receipt | InboundReply) -> None:
    for item in told:
        shown = f"{item.provider_id}{item.detail if isinstance(item, Receipt) else item.from_ + item.text}"
        assert b"\0" not in shown.encode("utf-8", "strict")


TEXT = st.text(st.characters(), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)
KEYS = st.sampled_from(
    [
        *("biz_id", "success", "err_code", "sequence_id", "phone_number", "content", "send_time", "call_id", "dtmf"),
        *("status_code", "out_id", "sid", "report_status", "mobile", "nationcode", "time", "text"),
    ]
)


@given(
    st.binary(max_size=60) | st.lists(st.dictionaries(KEYS, JSON), max_size=2).map(lambda it: json.dumps(it).encode())
)
def test_any_body_is_values_or_a_bad_callback(body: bytes) -> None:
    for parse in (
        inbound_lists.aliyun_receipts,
        inbound_lists.aliyun_replies,
        inbound_lists.aliyun_calls,
        inbound_lists.tencent_receipts,
        inbound_lists.tencent_replies,
    ):
        try:
            told = parse("p", body)
        except BadCallback:
            continue
        assert all(item.provider == "p" and item.provider_id for item in told)
        assert_storable(*told)


@given(
    st.dictionaries(
        st.sampled_from(["MessageSid", "MessageStatus", "CallSid", "CallStatus", "From", "To", "Digits", "Body"]),
        st.text(max_size=20),
    ),
    st.text(max_size=40),
)
def test_any_form_or_query_is_a_value_or_a_bad_callback(form: dict[str, str], text: str) -> None:
    parsers: tuple[Callable[[], Receipt | InboundReply | None], ...] = (
        lambda: inbound.twilio_receipt("p", form),
        lambda: inbound.twilio_reply("p", form),
        lambda: inbound.twilio_key("p", form, text),
        lambda: inbound.kannel_receipt("p", text),
        lambda: inbound.kannel_reply("p", f"from={text}&text={text}&coding=2&id={text}"),
    )
    for parse in parsers:
        try:
            told = parse()
        except BadCallback:
            continue
        if told is not None:
            assert_storable(told)
