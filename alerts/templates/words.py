"""The words of short texts, in Chinese and English: kinds, outcomes, roles. No diagnoses, no names."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from alerts.model import Kind, Outcome

Language = Literal["zh", "en"]


@dataclass(frozen=True, slots=True)
class Words:
    """One thing in both languages."""

    zh: str
    en: str

    def in_(self, language: Language) -> str:
        """In one of them."""
        return self.zh if language == "zh" else self.en


_KINDS: Final[Mapping[str, Words]] = MappingProxyType(
    {
        Kind.SOS: Words("紧急呼叫", "SOS"),
        Kind.FALL: Words("跌倒报警", "Fall alarm"),
        Kind.SOS_UNKNOWN_DEVICE: Words("未登记设备呼叫", "SOS, device not installed"),
        Kind.FALL_UNKNOWN_DEVICE: Words("未登记设备跌倒报警", "Fall alarm, device not installed"),
        Kind.POSSIBLE_FALL: Words("夜间异常", "Unusual night"),
        Kind.INACTIVITY: Words("久无动静", "No activity"),
        Kind.ABSENCE_CHECK: Words("未见返家", "Nobody seems back"),
        Kind.ABSENCE_USE: Words("外出期间用水", "Water used in absence"),
        Kind.LEAK: Words("疑似漏水", "Possible leak"),
        Kind.CONTINUOUS_FLOW: Words("持续流水", "Water keeps running"),
        Kind.HIGH_USE: Words("用水过多", "High water use"),
        Kind.MONITORING_LOST: Words("监测中断", "Monitoring lost"),
        Kind.MONITORING_IMPAIRED: Words("监测受限", "Monitoring impaired"),
        Kind.BATTERY_LOW: Words("电量低", "Battery low"),
        Kind.TAMPER: Words("设备被动过", "Device tampered with"),
        Kind.CLOCK_WRONG: Words("设备时钟有误", "Device clock wrong"),
        Kind.METER_FAULT: Words("水表故障", "Meter fault"),
        Kind.TEST_OVERDUE: Words("久未测试", "Test overdue"),
        Kind.CHECK_OVERDUE: Words("久未检查", "Check overdue"),
        Kind.AREA_INCIDENT: Words("片区事件", "Area incident"),
        Kind.HEARING_LOST: Words("平台收不到数据", "Service hears nothing"),
        Kind.PROBE_LOST: Words("平台自检失败", "Self-test failed"),
    }
)

_ALERT: Final = Words("警情", "Alert")
_FALSE: Final = Words("误报", "false alarm")
_OUTCOMES: Final[Mapping[str, Words]] = MappingProxyType(
    {
        Outcome.GENUINE: Words("已救助", "help given"),
        Outcome.LEAK: Words("漏水", "leak"),
        Outcome.RESOLVED_BY_SIGN_OF_LIFE: Words("已恢复", "over"),
        # Where somebody was instead is nobody's business on a telephone's screen.
        Outcome.FALSE_AWAY: _FALSE,
        Outcome.FALSE_AT_FAMILY: _FALSE,
        Outcome.FALSE_HOSPITAL: _FALSE,
        Outcome.FALSE_FORGOT: _FALSE,
        Outcome.FALSE_DEVICE_FAULT: _FALSE,
        Outcome.FALSE_TEST: _FALSE,
    }
)
_ENDED: Final = Words("已处理", "done")

_ROLES: Final[Mapping[str, Words]] = MappingProxyType(
    {
        "duty": Words("值班", "the duty worker"),
        "backup": Words("备班", "the backup"),
        "supervisor": Words("主管", "the supervisor"),
        "operator": Words("运维", "the operator"),
        "contacts": Words("联系人", "the contacts"),
        "family": Words("家属", "the family"),
        "resident": Words("住户", "the resident"),
    }
)


def kind(name: str, language: Language) -> str:
    """What an alert is about; the kind's own name where a word is lacking."""
    words = _KINDS.get(name)
    if words is None:
        return name.replace("_", " ").strip() or _ALERT.in_(language)
    return words.in_(language)


def outcome(name: str | None, language: Language) -> str:
    """How it ended."""
    return _OUTCOMES.get(name or "", _ENDED).in_(language)


def role(name: str, language: Language) -> str:
    """Whom somebody stands in for; a person's key as it is."""
    words = _ROLES.get(name)
    return name if words is None else words.in_(language)
