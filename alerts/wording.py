"""Every sentence a duty worker reads, in English and Chinese, by message id, and how the values in it are written.

A template is a `str.format` string; a value may carry a form: `duration` (seconds: "9 h 10 min") or `litres`.
"""

import math
import string
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

import structlog
from pydantic import JsonValue

from alerts.errors import UnknownMessage
from alerts.model import Reason

log = structlog.get_logger()

Language = Literal["en", "zh"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """One sentence in both languages."""

    en: str
    zh: str


TEMPLATES: Final[Mapping[str, Template]] = MappingProxyType(
    {
        "sos_pressed": Template(
            en="SOS button {device} was pressed",
            zh="SOS按钮{device}被按下",
        ),
        "sos_pressed_late": Template(
            en="SOS button {device} was pressed {age_s:duration} ago; the message came late",
            zh="SOS按钮{device}在{age_s:duration}前被按下，消息迟到",
        ),
        "sos_unknown_device": Template(
            en="SOS button {device} was pressed; it is not installed in any home",
            zh="SOS按钮{device}被按下，该设备未安装在任何住所",
        ),
        "sos_unknown_device_late": Template(
            en=(
                "SOS button {device} was pressed {age_s:duration} ago; it is not installed in any home, "
                "and the message came late"
            ),
            zh="SOS按钮{device}在{age_s:duration}前被按下，该设备未安装在任何住所，消息迟到",
        ),
        "fall_detected": Template(
            en="{device} detected a fall",
            zh="{device}检测到跌倒",
        ),
        "fall_detected_late": Template(
            en="{device} detected a fall {age_s:duration} ago; the message came late",
            zh="{device}在{age_s:duration}前检测到跌倒，消息迟到",
        ),
        "fall_cancelled": Template(
            en="{device} detected a fall; it was cancelled on the device {after_s:duration} later",
            zh="{device}检测到跌倒，{after_s:duration}后在设备上被取消",
        ),
        "fall_unknown_device": Template(
            en="{device} detected a fall; it is not installed in any home",
            zh="{device}检测到跌倒，该设备未安装在任何住所",
        ),
        "fall_unknown_device_late": Template(
            en=(
                "{device} detected a fall {age_s:duration} ago; it is not installed in any home, "
                "and the message came late"
            ),
            zh="{device}在{age_s:duration}前检测到跌倒，该设备未安装在任何住所，消息迟到",
        ),
        "inactivity_dry": Template(
            en=(
                "no water for {dry_s:duration} ({used_l:litres} in that time); "
                "limit {limit_l:litres} in {window_s:duration}; meter heard {heard_s:duration} ago"
            ),
            zh=(
                "已{dry_s:duration}未正常用水（其间用水{used_l:litres}）；下限为{window_s:duration}内{limit_l:litres}；"
                "水表{heard_s:duration}前有上报"
            ),
        ),
        "inactivity_over": Template(
            en=(
                "no water for {dry_s:duration} ({used_l:litres} in that time); "
                "limit {limit_l:litres} in {window_s:duration}; it is over"
            ),
            zh="曾{dry_s:duration}未正常用水（其间用水{used_l:litres}）；下限为{window_s:duration}内{limit_l:litres}；现已恢复",
        ),
        "sign_of_life": Template(
            en="sign of life: water was used again",
            zh="已恢复用水，有生活迹象",
        ),
        "monitoring_silent": Template(
            en="nothing heard from {device} for {silent_s:duration}; limit {limit_s:duration}",
            zh="{device}已{silent_s:duration}没有上报，上限为{limit_s:duration}",
        ),
        "monitoring_never_heard": Template(
            en="nothing heard from {device} since it was installed {silent_s:duration} ago; limit {limit_s:duration}",
            zh="{device}自{silent_s:duration}前安装以来从未上报，上限为{limit_s:duration}",
        ),
        "monitoring_heard_again": Template(
            en="heard from again",
            zh="设备已恢复上报",
        ),
        "monitoring_no_water_reading": Template(
            en="meter {device} is heard, but has sent no usable water reading for {uncovered_s:duration}",
            zh="水表{device}在线，但已{uncovered_s:duration}没有可用的用水读数",
        ),
        "monitoring_pulses_unknown": Template(
            en=(
                "meter {device} counts pulses, and the litres per pulse of its installation are missing: "
                "use is not judged"
            ),
            zh="水表{device}按脉冲计数，但安装信息缺少每脉冲升数：无法判断用水",
        ),
        "monitoring_meter_too_coarse": Template(
            en="meter {device} moves in steps of {step_l:litres}: less than {limit_l:litres} cannot be told by it",
            zh="水表{device}的最小读数为{step_l:litres}：无法判断用水是否少于{limit_l:litres}",
        ),
        "monitoring_covered_again": Template(
            en="usable readings again",
            zh="读数已恢复可用",
        ),
        "monitoring_rule_failed": Template(
            en="rule {rule} failed for this home {failures} times in a row; it is tried again in {retry_s:duration}",
            zh="规则{rule}对该住所连续失败{failures}次，{retry_s:duration}后重试",
        ),
        "monitoring_rule_recovered": Template(
            en="rule {rule} works again",
            zh="规则{rule}已恢复",
        ),
        "hearing_late": Template(
            en="the service is {lag_s:duration} behind the broker",
            zh="系统落后于消息服务器{lag_s:duration}",
        ),
        "hearing_lost": Template(
            en="the service has heard nothing for {lag_s:duration}: homes are unprotected",
            zh="系统已{lag_s:duration}收不到消息：住所处于无保护状态",
        ),
        "hearing_clocks_differ": Template(
            en="the clocks of service and database differ by {difference_s:duration}: silence is not judged",
            zh="系统与数据库时钟相差{difference_s:duration}：暂停静默判断",
        ),
        "hearing_recovered": Template(
            en="the service hears the broker again",
            zh="系统已恢复接收消息",
        ),
    }
)


def sentence(message_id: str, values: Mapping[str, JsonValue], language: Language) -> str:
    """The sentence of a message id in one language.

    Raises:
        UnknownMessage: No such message id, or a value the sentence names is missing or of the wrong type: our bug.
    """
    template = TEMPLATES.get(message_id)
    if template is None:
        raise UnknownMessage(f"no sentence for message id {message_id!r}")
    text = template.en if language == "en" else template.zh
    try:
        return _FORMATTERS[language].vformat(text, (), values)
    except (KeyError, ValueError, TypeError, OverflowError) as error:
        raise UnknownMessage(f"values of message {message_id!r} do not fit its sentence: {error!r}") from error


def text_of(reason: Reason, language: Language) -> str:
    """The sentence of a reason; its id where a sentence is lacking: no call for help fails for want of words."""
    try:
        return sentence(reason.id, reason.values, language)
    except UnknownMessage as bug:
        log.error("wording_missing", message_id=reason.id, fault=str(bug))
        return reason.id.replace("_", " ")


def duration(seconds: float, language: Language) -> str:
    """A span as people say it, to two units: `duration(33_000, "en")` is "9 h 10 min"."""
    units = _UNITS[language]
    whole = max(0, math.floor(seconds))
    days, rest = divmod(whole, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, secs = divmod(rest, 60)
    if days:
        parts = [units.day.format(days), units.hour.format(hours)] if hours else [units.day.format(days)]
    elif hours:
        parts = (
            [units.hour.format(hours), units.minute.format(f"{minutes:02}")] if minutes else [units.hour.format(hours)]
        )
    elif minutes:
        parts = [units.minute.format(minutes)]
    else:
        parts = [units.second.format(secs)]
    return units.joint.join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Units:
    day: str
    hour: str
    minute: str
    second: str
    litre: str
    joint: str


_UNITS: Final[Mapping[Language, _Units]] = {
    "en": _Units(day="{} d", hour="{} h", minute="{} min", second="{} s", litre="{} L", joint=" "),
    "zh": _Units(day="{}天", hour="{}小时", minute="{}分钟", second="{}秒", litre="{}升", joint=""),
}


class _Formatter(string.Formatter):
    def __init__(self, language: Language) -> None:
        self._language: Language = language

    def format_field(self, value: Any, format_spec: str) -> str:
        match format_spec:
            case "duration":
                return duration(float(value), self._language)
            case "litres":
                return _UNITS[self._language].litre.format(f"{float(value):.1f}".removesuffix(".0"))
            case _:
                return str(value)


_FORMATTERS: Final[Mapping[Language, _Formatter]] = {"en": _Formatter("en"), "zh": _Formatter("zh")}
