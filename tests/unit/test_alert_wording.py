"""Every sentence in both languages, and how durations are said."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue
from structlog.testing import capture_logs

from alerts.errors import UnknownMessage
from alerts.model import Reason
from alerts.wording import TEMPLATES, duration, sentence, text_of

SPANS = [
    "age_s",
    "ran_s",
    "after_s",
    "dry_s",
    "window_s",
    "heard_s",
    "silent_s",
    "limit_s",
    "uncovered_s",
    "retry_s",
    "lag_s",
    "difference_s",
    "off_s",
    "refused_s",
    "untried_s",
    "flow_s",
    "lasted_s",
    "interval_s",
    "delay_s",
    "line_s",
    "quiet_s",
]
VALUES: dict[str, JsonValue] = {
    "device": "btn-1",
    "devices": "btn-1 (12 %), meter-1",
    "before_l": 812_345.0,
    "after_l": 12.5,
    "until": "2026-03-30 18:00",
    "by": "10:00",
    "since": "2026-03-28 14:10",
    "absence": 12,
    "alert": 17,
    "rule": "inactivity",
    "times": 2,
    "at": "03:10",
    "impact_g": 4.2,
    "confidence_pct": 92,
    "failures": 3,
    "used_l": 2.0,
    "limit_l": 10,
    "step_l": 100.0,
    "least_l": 3.3,
    "base_l": 22.0,
    "day": "2026-03-28",
    "homes": 312,
    "watched": 500,
    "gateway": "gw-3",
    "through": "2026-11-21T12:00:00+00:00",
    **dict.fromkeys(SPANS, 33_000),
    "difference_s": 12.5,
}


@pytest.mark.parametrize("message_id", TEMPLATES)
def test_both_languages_name_the_same_values_in_the_same_form(message_id: str) -> None:
    template = TEMPLATES[message_id]
    named = [
        {(name, form) for _, name, form, _ in string.Formatter().parse(text) if name is not None}
        for text in (template.en, template.zh)
    ]
    assert named[0] == named[1]
    for name, form in named[0]:
        assert form == ("duration" if name.endswith("_s") else "litres" if name.endswith("_l") else "")
    assert "{" not in sentence(message_id, VALUES, "en") + sentence(message_id, VALUES, "zh")


def test_further_sentences_follow_the_first() -> None:
    more: JsonValue = [{"id": "call_number", "values": {"times": 2}}]
    values: dict[str, JsonValue] = {"device": "btn-1", "also": more}
    assert sentence("sos_pressed", values, "en") == "SOS button btn-1 was pressed; call number 2 in this case"
    assert sentence("sos_pressed", values, "zh") == "SOS按钮btn-1被按下；本案第2次呼叫"


@pytest.mark.parametrize("also", ["x", ["x"], [{"id": "x", "values": {}}], [{"values": {}}], 3])
def test_further_sentences_that_are_none_are_our_bug(also: JsonValue) -> None:
    with pytest.raises(UnknownMessage):
        sentence("sos_pressed", {"device": "btn-1", "also": also}, "en")


def test_the_sentence_of_the_design() -> None:
    values = {"dry_s": 47_100, "used_l": 2, "limit_l": 10.0, "window_s": 43_200, "heard_s": 725}
    assert sentence("inactivity_dry", values, "en") == (
        "no water for 13 h 05 min (2 L in that time); limit 10 L in 12 h; meter heard 12 min ago"
    )
    assert sentence("inactivity_dry", values, "zh") == (
        "已13小时05分钟未正常用水（其间用水2升）；下限为12小时内10升；水表12分钟前有上报"
    )


@pytest.mark.parametrize(
    ("seconds", "en", "zh"),
    [
        (0, "0 s", "0秒"),
        (-3, "0 s", "0秒"),
        (59.9, "59 s", "59秒"),
        (60, "1 min", "1分钟"),
        (33_000, "9 h 10 min", "9小时10分钟"),
        (3_600, "1 h", "1小时"),
        (3_900, "1 h 05 min", "1小时05分钟"),
        (86_400, "1 d", "1天"),
        (100_000, "1 d 3 h", "1天3小时"),
    ],
)
def test_durations(seconds: float, en: str, zh: str) -> None:
    assert (duration(seconds, "en"), duration(seconds, "zh")) == (en, zh)


@given(st.text(), st.dictionaries(st.text(), st.one_of(st.none(), st.integers(), st.text())))
def test_unknown_ids_and_wrong_values_are_our_bug_and_never_stop_an_alert(
    message_id: str, values: dict[str, JsonValue]
) -> None:
    with pytest.raises(UnknownMessage):
        sentence("sos_" + message_id + "_no_such", values, "en")
    with capture_logs() as logged:
        assert text_of(Reason(id="inactivity_dry", values={"dry_s": "long"}), "zh") == "inactivity dry"
    assert [line["event"] for line in logged] == ["wording_missing"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None, "x", [], True])
def test_odd_figures_do_not_escape(value: object) -> None:
    text_of(Reason(id="sos_pressed_late", values={"device": "b", "age_s": value}), "en")  # type: ignore[dict-item]
