"""What people read: short, whole, in their language, and nothing that is not for a telephone's screen."""

import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from alerts import links
from alerts.channels.results import Outgoing
from alerts.messages import MessageType
from alerts.model import Kind, Outcome
from alerts.templates import chat, named, segments, sms, voice
from alerts.templates.facts import TextOptions, read
from alerts.wording import TEMPLATES
from tests.alert_cases import NOON

SECRET = "s" * 32
BARE = TextOptions()
LINKED = TextOptions(public_url="https://anju.example.org", link_secret=SECRET)
CALLS = ("raised", "raised_again", "updated", "escalated", "lapsed", "reopened", "assigned", "follow_up")
TYPES = [str(each).removeprefix("anju.alert.") for each in MessageType]
VALUES: dict[str, JsonValue] = {"dry_s": 46_800, "used_l": 2.0, "limit_l": 10, "window_s": 43_200, "heard_s": 720}


def message(
    type_: str = "raised",
    *,
    language: str = "zh",
    audience: str = "staff",
    bundled: int = 0,
    text: str | None = None,
    instead_of: str | None = None,
    alert_id: int = 12_017,
    **data: Any,
) -> Outgoing:
    facts: dict[str, JsonValue] = {
        "home": "3-201" if language == "zh" else "Door 12",
        "area": "深圳市/龙岗区/横岗街道/金水社区" if language == "zh" else "City/District/Street/Lane",
        "device": None,
        "kind": "inactivity",
        "severity": "hard",
        "times_raised": 1,
        "acknowledged_by": None,
        "assigned_to": "duty-1",
        "attending": None,
        "outcome": None,
        "reason": {"id": "inactivity_dry", "values": VALUES},
    } | data
    body: dict[str, JsonValue] = {"type": f"anju.alert.{type_}", "data": facts, "audience": audience}
    if text is not None:
        body["text"] = text
    if instead_of is not None:
        body["instead_of"] = instead_of
    return Outgoing(
        notification_id=UUID(int=1),
        alert_id=alert_id,
        priority=1,
        body=body,
        created_at=NOON,
        give_up_at=NOON + timedelta(hours=6),
        attempt=1,
        recipient="+8613800000001",
        person_id=17,
        language=language,
        bundled=bundled,
    )


def texts(*args: Any, options: TextOptions = BARE, **settings: Any) -> str:
    return sms.write(message(*args, **settings), options).text


def test_an_alert_in_both_languages() -> None:
    assert re.fullmatch(r"久无动静#017 金水社区3-201。已13小时未正常用水.*。回1接警2出发0不能", texts())
    assert texts(language="en").startswith("No activity #017. Lane, Door 12. No water for 13 h")
    assert texts(language="en").endswith("Reply 1 I take it, 2 on the way, 0 cannot.")


def test_sos_with_a_link() -> None:
    said = texts(kind="sos", reason={"id": "sos_pressed", "values": {"device": "btn-1"}}, options=LINKED)
    token = links.make(SECRET, 12_017, 17, NOON + links.LIFETIME)
    assert said == f"紧急呼叫#017 3-201。回1接警 https://anju.example.org/a/{token}"
    assert links.read(SECRET, said.rpartition("/")[2], NOON).alert_id == 12_017


def test_news_say_who_has_it_and_ask_nothing() -> None:
    assert texts("acknowledged") == "duty-1已接警:久无动静#017 金水社区3-201"
    assert texts("attending", attending="on_the_way") == "duty-1已出发:久无动静#017 金水社区3-201"
    assert texts("attending", attending="on_scene", language="en") == (
        "duty-1 is there: No activity #017. Lane, Door 12."
    )
    assert texts("acknowledged", assigned_to=None, options=LINKED) == "有人已接警:久无动静#017 金水社区3-201"
    assert texts("closed", outcome="genuine") == "已结束(已救助):久无动静#017 金水社区3-201"


def test_the_resident_and_the_family_are_asked() -> None:
    assert texts("ask", audience="resident", options=LINKED) == "久无动静,您还好吗?#017。平安请回1,要帮助请回0"
    family = texts("ask", audience="contact", options=LINKED)
    assert family.startswith("请关心:久无动静#017 3-201。能去看看请回1,不能回0") or "回1" in family
    assert "金水" not in family


def test_further_alerts_are_counted() -> None:
    assert "另有4起" in texts(bundled=4)
    assert "And 4 more" in texts(bundled=4, language="en")
    assert "另有4起" in texts(bundled=4, options=LINKED)


def test_whoever_stands_in_for_somebody_is_told_so() -> None:
    assert texts("escalated", instead_of="duty").startswith("尚无人接警:久无动静#017(代值班) ")
    assert "in place of the backup" in texts(instead_of="backup", language="en")


def test_an_answer_is_said_as_it_is() -> None:
    written = sms.write(message("answer", text="您有2条警情，请带编号再回"), BARE)
    assert (written.text, written.template) == ("您有2条警情，请带编号再回", "answer")
    assert dict(written.parameters) == {"answer": "您有2条警情，请带编号再回"}


def test_no_full_place_unless_the_site_allows_it() -> None:
    for language in ("zh", "en"):
        assert "District" not in texts(language=language)
        assert "龙岗" not in texts(language=language)
    assert "深圳市龙岗区横岗街道金水社区3-201" in texts(options=TextOptions(full_place=True))
    contact = texts(audience="contact", options=TextOptions(full_place=True))
    assert "金水" not in contact
    assert "3-201" in contact


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("outcome", [str(each) for each in Outcome])
def test_no_illness_and_no_whereabouts(language: str, outcome: str) -> None:
    away: JsonValue = {"id": "marked_absent_hospital", "values": {"until": "2026-12-01"}}
    reason: JsonValue = {"id": "sos_pressed", "values": {"device": "btn-1", "also": [away]}}
    for type_ in TYPES:
        for given_reason in (reason, away):
            for audience in ("staff", "contact", "resident"):
                told = message(type_, language=language, audience=audience, outcome=outcome, reason=given_reason)
                written = sms.write(told, BARE)
                for said in (written.text, voice.write(told, BARE).text, *written.parameters.values()):
                    assert not re.search("hospital|住院|医院|family|亲属", said)


@pytest.mark.parametrize("kind", [str(each) for each in Kind])
def test_every_kind_has_words(kind: str) -> None:
    assert not texts(kind=kind).startswith(kind.replace("_", " "))


names = st.text(st.sampled_from("0123456789-ABC号楼单元室栋"), min_size=1, max_size=10)
communities = st.text(st.sampled_from("东西南北金水福安和平社区村"), min_size=2, max_size=6)
english_names = st.text(st.sampled_from("0123456789-ABC Door"), min_size=1, max_size=20)
english_areas = st.text(st.sampled_from("abcdefg Lane"), min_size=2, max_size=20)
places = st.sampled_from(["zh", "en"]).flatmap(
    lambda language: st.tuples(
        st.just(language),
        names if language == "zh" else english_names,
        st.lists(communities if language == "zh" else english_areas, min_size=1, max_size=5),
    )
)


@given(
    where=places,
    mixed=st.booleans(),
    kind=st.sampled_from([str(each) for each in Kind]),
    type_=st.sampled_from([each for each in TYPES if each != "answer"]),
    audience=st.sampled_from(["staff", "contact", "resident"]),
    bundled=st.sampled_from([0, 1, 120]),
    times=st.sampled_from([1, 3, 40]),
    alert_id=st.sampled_from([1, 12_017, 99_999_999]),
    options=st.sampled_from(
        [
            BARE,
            TextOptions(full_place=True),
            TextOptions(public_url="https://anju.cn", link_secret=SECRET),
            TextOptions(public_url="https://anju.cn", link_secret=SECRET, full_place=True, reserved_places=4),
        ]
    ),
    reason_id=st.sampled_from(sorted(TEMPLATES)),
    instead_of=st.sampled_from([None, "duty", "supervisor"]),
)
def test_one_segment_whatever_is_told(
    *,
    where: tuple[str, str, list[str]],
    mixed: bool,
    kind: str,
    type_: str,
    audience: str,
    bundled: int,
    times: int,
    alert_id: int,
    options: TextOptions,
    reason_id: str,
    instead_of: str | None,
) -> None:
    language, home, areas = where
    if mixed:
        language = "zh" if language == "en" else "en"
    told = message(
        type_,
        language=language,
        audience=audience,
        bundled=bundled,
        instead_of=instead_of,
        alert_id=alert_id,
        home=home,
        area="/".join(areas),
        kind=kind,
        times_raised=times,
        reason={"id": reason_id, "values": VALUES, "text": {"zh": "原因" * 60, "en": "because " * 30}},
    )
    written = sms.write(told, options)
    # English words beside a Chinese name or signature have half the room they need.
    most = 2 if language == "en" and (mixed or options.reserved_places) else 1
    assert segments.length(written.text, reserved=options.reserved_places).segments <= most, written.text
    facts = read(told, options)
    if bundled:
        assert str(bundled) in written.text
    if facts.link and type_ in CALLS:
        assert written.text.endswith(facts.link)
    elif type_ in CALLS or type_ == "ask":
        assert re.search("回[12]|Reply [12]", written.text)
    assert all(written.parameters.values())
    assert tuple(written.parameters) == named.TEMPLATES[written.template]
    assert voice.write(told, options).text
    assert chat.write(told, options).body


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
fields = ["home", "area", "device", "kind", "times_raised", "assigned_to", "attending", "outcome", "reason"]


@given(
    st.dictionaries(st.sampled_from(fields), json, max_size=9),
    st.sampled_from(TYPES) | st.text(max_size=10),
    st.sampled_from(["zh", "en", "fr", ""]),
)
def test_for_want_of_a_field_no_call_stays_unsaid(data: dict[str, Any], type_: str, language: str) -> None:
    told = message(type_, language=language, **data)
    for options in (BARE, LINKED):
        written = sms.write(told, options)
        assert written.text
        assert "\n" not in written.text
        assert all(written.parameters.values())
        assert voice.write(told, options).text
        assert chat.write(told, options).title
