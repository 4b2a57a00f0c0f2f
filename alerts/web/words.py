"""The words of the pages, in Chinese and English: of kinds, states, outcomes, deeds and buttons."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

from alerts.model import Kind, Outcome, Severity, State
from alerts.replies.deeds import Result
from alerts.replies.meaning import Wish

Tongue = Literal["zh", "en"]
Both = tuple[str, str]


def say(words: Both, tongue: Tongue) -> str:
    """One of both."""
    return words[0] if tongue == "zh" else words[1]


KINDS: Final[Mapping[str, Both]] = MappingProxyType(
    {
        Kind.SOS: ("呼叫求助", "Call for help"),
        Kind.FALL: ("跌倒", "Fall"),
        Kind.SOS_UNKNOWN_DEVICE: ("呼叫求助（设备未登记）", "Call for help (unknown device)"),
        Kind.FALL_UNKNOWN_DEVICE: ("跌倒（设备未登记）", "Fall (unknown device)"),
        Kind.POSSIBLE_FALL: ("疑似跌倒", "Possible fall"),
        Kind.INACTIVITY: ("长时间无活动", "No activity"),
        Kind.ABSENCE_CHECK: ("外出后未见返回", "Not back from an absence"),
        Kind.ABSENCE_USE: ("外出期间有人用水", "Water used in an absence"),
        Kind.LEAK: ("漏水", "Leak"),
        Kind.CONTINUOUS_FLOW: ("持续流水", "Water running on"),
        Kind.HIGH_USE: ("用水量异常", "Very high water use"),
        Kind.MONITORING_LOST: ("监测中断", "Monitoring lost"),
        Kind.MONITORING_IMPAIRED: ("监测受限", "Monitoring impaired"),
        Kind.BATTERY_LOW: ("电量低", "Battery low"),
        Kind.TAMPER: ("设备被动过", "Device tampered with"),
        Kind.CLOCK_WRONG: ("设备时钟不准", "Device clock wrong"),
        Kind.METER_FAULT: ("水表故障", "Meter fault"),
        Kind.TEST_OVERDUE: ("按钮该测试了", "Button test overdue"),
        Kind.CHECK_OVERDUE: ("设备该检查了", "Device check overdue"),
        Kind.AREA_INCIDENT: ("片区异常", "Area incident"),
        Kind.PROBE_LOST: ("系统自检未通过", "The service's own probe is lost"),
        Kind.HEARING_LOST: ("系统收不到数据", "The service hears nothing"),
    }
)
SEVERITIES: Final[Mapping[str, Both]] = MappingProxyType(
    {
        Severity.URGENT: ("紧急", "Urgent"),
        Severity.HARD: ("需上门", "Somebody must go"),
        Severity.SOFT: ("需询问", "Somebody must ask"),
        Severity.TECHNICAL: ("技术", "Technical"),
    }
)
STATES: Final[Mapping[str, Both]] = MappingProxyType(
    {
        State.OPEN: ("无人接警", "Nobody has it"),
        State.ACKNOWLEDGED: ("已接警", "Taken"),
        State.ATTENDING: ("处理中", "Being attended"),
        State.CLOSED: ("已结束", "Over"),
    }
)
ATTENDING: Final[Mapping[str, Both]] = MappingProxyType(
    {"on_the_way": ("有人在路上", "Somebody is on the way"), "on_scene": ("有人在现场", "Somebody is on the scene")}
)
OUTCOMES: Final[Mapping[str, Both]] = MappingProxyType(
    {
        Outcome.GENUINE: ("属实，已提供帮助", "Genuine: help was given"),
        Outcome.FALSE_AWAY: ("误报：人不在家", "False: away from home"),
        Outcome.FALSE_AT_FAMILY: ("误报：在亲属家", "False: with family"),
        Outcome.FALSE_HOSPITAL: ("误报：在医院", "False: in hospital"),
        Outcome.FALSE_FORGOT: ("误报：忘了", "False: forgot"),
        Outcome.FALSE_DEVICE_FAULT: ("误报：设备故障", "False: device fault"),
        Outcome.FALSE_TEST: ("误报：测试", "False: a test"),
        Outcome.LEAK: ("漏水", "A leak"),
        Outcome.OTHER: ("其他", "Something else"),
        Outcome.RESOLVED_BY_SIGN_OF_LIFE: ("已有活动迹象，自动结束", "Ended by a sign of life"),
        Outcome.RECORDED: ("仅记录", "Recorded only"),
    }
)
ACTIONS: Final[Mapping[str, Both]] = MappingProxyType(
    {
        "raised": ("发出警情", "raised"),
        "raised_again": ("再次呼叫", "raised again"),
        "updated": ("情况有变", "changed"),
        "sign_of_life": ("出现活动迹象", "sign of life"),
        "cleared": ("自动结束", "ended by itself"),
        "recorded": ("记录", "recorded"),
        "acknowledged": ("接警", "took it"),
        "on_the_way": ("出发", "on the way"),
        "on_scene": ("到达现场", "on the scene"),
        "declined": ("不能处理", "cannot"),
        "given_back": ("退回", "gave it back"),
        "lapsed": ("接警后无人跟进，重新通知", "nobody followed up: told anew"),
        "assigned": ("指派", "assigned"),
        "commented": ("备注", "noted"),
        "muted": ("暂停通知", "muted"),
        "unmuted": ("恢复通知", "unmuted"),
        "reopened": ("重新打开", "reopened"),
        "handed_on": ("转为漏水警情", "handed on as a leak"),
        "closed": ("结束", "closed"),
    }
)
ROLES: Final[Mapping[str, Both]] = MappingProxyType(
    {
        "resident": ("本人", "resident"),
        "family": ("亲属", "family"),
        "neighbour": ("邻居", "neighbour"),
        "key_holder": ("持钥匙人", "key holder"),
        "other": ("联系人", "contact"),
    }
)
BUTTONS: Final[Mapping[str, tuple[Both, Both]]] = MappingProxyType(
    {
        Wish.ACKNOWLEDGE: (("我来接警", "I take it"), ("其他人不再被通知", "Nobody else is told any more")),
        Wish.ON_THE_WAY: (("我已出发", "I am on the way"), ("", "")),
        Wish.ON_SCENE: (("我已到场", "I am on the scene"), ("", "")),
        Wish.DECLINE: (("我不能去", "I cannot"), ("马上通知下一个人", "The next one is told at once")),
    }
)
#: What a resident who is asked first can answer.
RESIDENT_BUTTONS: Final[Mapping[str, tuple[Both, Both]]] = MappingProxyType(
    {
        Wish.ACKNOWLEDGE: (("我平安", "I am well"), ("", "")),
        Wish.DECLINE: (("我需要帮助", "I need help"), ("马上有人来", "Somebody is called at once")),
    }
)
RESIDENT_DONE: Final[Mapping[str, Both]] = MappingProxyType(
    {
        Wish.ACKNOWLEDGE: ("已记录：您平安。谢谢。", "Noted: you are well. Thank you."),
        Wish.DECLINE: ("已记录，正在为您叫人。", "Noted. Somebody is being called for you."),
    }
)
DONE: Final[Mapping[str, Both]] = MappingProxyType(
    {
        Wish.ACKNOWLEDGE: ("您已接警，谢谢。", "You have taken it. Thank you."),
        Wish.ON_THE_WAY: ("已记录：您在路上。", "Noted: you are on the way."),
        Wish.ON_SCENE: ("已记录：您已到场。", "Noted: you are on the scene."),
        Wish.DECLINE: ("已记录，将通知其他人。", "Noted. Others are being told."),
        "close": ("警情已结束，谢谢。", "The alert is closed. Thank you."),
        "reopen": ("警情已重新打开。", "The alert is open again."),
    }
)
NOT_DONE: Final[Mapping[str, Both]] = MappingProxyType(
    {
        Result.NOT_POSSIBLE: (
            "未生效：警情已由他人处理或已结束，见下。",
            "Nothing was done: somebody else has it, or it is over. See below.",
        ),
        Result.CHANGED_MEANWHILE: (
            "未生效：您打开页面后又有新的呼叫，请看过后再操作。",
            "Nothing was done: it was raised again since you opened this page. Please look, then press again.",
        ),
    }
)
ABSENCES: Final[Mapping[str, Both]] = MappingProxyType(
    {"hospital": ("住院", "hospital"), "family": ("在亲属家", "with family"), "other": ("外出", "away")}
)
_TEXTS: Final[Mapping[str, Both]] = MappingProxyType(
    {
        "title": ("警情", "Alert"),
        "since": ("开始", "Since"),
        "ago": ("{}前", "{} ago"),
        "ended": ("结束", "Ended"),
        "who": ("处理人", "Who has it"),
        "you": ("您", "you"),
        "nobody": ("尚无", "nobody yet"),
        "times": ("共呼叫{}次", "raised {} times"),
        "history": ("经过", "What happened"),
        "related": ("同一住所的相关警情", "Related alerts of this home"),
        "reload": ("刷新", "Reload"),
        "times_in": ("时间为当地时间（{}）", "Times are local ({})"),
        "offer_absence": (
            "登记外出（{reason}）：{from_}至{until}（请核对）",
            "Note an absence ({reason}) from {from_} to {until} (please correct)",
        ),
        "handed_on": ("已转为漏水警情，编号{}", "Handed on as a leak: alert {}"),
        "close_it": ("结束警情", "Close the alert"),
        "how": ("结果", "How it ended"),
        "choose": ("请选择", "Please choose"),
        "comment": ("备注（可不填）", "A note (optional)"),
        "close": ("确认结束", "Close"),
        "reopen": ("误操作，重新打开", "Closed by mistake: reopen"),
        "reopen_hint": ("将从头重新通知", "Everybody is told anew"),
        "offers": ("建议", "Suggested next"),
        "gone": ("找不到此页面", "There is no such page"),
        "busy": ("请求过多，请稍候一分钟再试。", "Too many requests. Please wait a minute."),
        "down": (
            "系统暂时无法处理，您的操作未生效。请稍后重试，紧急时请直接打电话。",
            "The service cannot do this right now; nothing was done. Please try again, and telephone if it is urgent.",
        ),
        "refused": ("此请求无法处理。", "This request cannot be handled."),
        "only_you": ("此链接仅供您本人使用，请勿转发。", "This link is yours alone. Please do not pass it on."),
    }
)


def texts(tongue: Tongue) -> dict[str, str]:
    """All further words of one language, by name."""
    return {name: say(words, tongue) for name, words in _TEXTS.items()}


def named(words: Mapping[str, Both], key: str, tongue: Tongue) -> str:
    """A word by its key; the key itself where a later release has one that is not here."""
    both = words.get(key)
    return key.replace("_", " ") if both is None else say(both, tongue)
