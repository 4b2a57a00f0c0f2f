"""What is said in return: by SMS (within one segment) where an answer could not be done, by voice always. Pure."""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Final

from alerts.replies.deeds import Result
from alerts.replies.meaning import Wish

_SHOWN_CODES: Final = 5

_WHICH: Final = MappingProxyType(
    {
        "zh": "您有{count}条警情，请带编号再回，如“1 {first}”。编号：{codes}",
        "en": "{count} alerts are open. Reply with a code, such as 1 {first}. Codes: {codes}",
    }
)
_BY_RESULT: Final = MappingProxyType(
    {
        Result.UNCLEAR: {
            "zh": "未能识别，未生效。请回：1接警 2出发 3到场 0不能",
            "en": "Not understood, nothing was done. Reply 1 I take it, 2 on the way, 3 on the scene, 0 cannot",
        },
        Result.NOTHING_OPEN: {
            "zh": "您收到的警情均已结束，无需处理。",
            "en": "All alerts that you were told of are over. Nothing needs to be done.",
        },
        Result.NOT_POSSIBLE: {
            "zh": "未生效：该警情已由他人处理或已结束。",
            "en": "Nothing was done: somebody else has this alert, or it is over.",
        },
        Result.CHANGED_MEANWHILE: {
            "zh": "未生效：该警情刚有变化，请再回一次。",
            "en": "Nothing was done: the alert changed just then. Please reply again.",
        },
    }
)
_UNCLEAR_TO_RESIDENT: Final = MappingProxyType(
    {
        "zh": "未能识别。平安请回1，需要帮助请回0",
        "en": "Not understood. Reply 1 if all is well, 0 if you need help",
    }
)
_SPOKEN: Final = MappingProxyType(
    {
        Wish.ACKNOWLEDGE: {"zh": "已接警，谢谢。", "en": "You have taken the alert. Thank you."},
        Wish.ON_THE_WAY: {"zh": "已记录，您在路上。谢谢。", "en": "Noted: you are on the way. Thank you."},
        Wish.ON_SCENE: {"zh": "已记录，您已到场。谢谢。", "en": "Noted: you are on the scene. Thank you."},
        Wish.DECLINE: {"zh": "已记录，将通知其他人。", "en": "Noted. Others will be told."},
    }
)


def to_reply(result: Result, codes: Sequence[str], language: str, *, resident: bool = False) -> str | None:
    """The SMS in return; None where none is due: what was done is told to all who were told of the alert."""
    tongue = _tongue(language)
    if result is Result.ASKED_WHICH:
        joint, rest = ("、", "…") if tongue == "zh" else (", ", "...")
        shown = [*codes[:_SHOWN_CODES], *([rest] if len(codes) > _SHOWN_CODES else [])]
        return _WHICH[tongue].format(count=len(codes), first=codes[0], codes=joint.join(shown))
    if result is Result.UNCLEAR and resident:
        return _UNCLEAR_TO_RESIDENT[tongue]
    said = _BY_RESULT.get(result)
    return None if said is None else said[tongue]


def spoken(result: Result, wish: Wish | None, language: str) -> str:
    """What a caller hears after a key."""
    tongue = _tongue(language)
    if result.holds and wish is not None and wish in _SPOKEN:
        return _SPOKEN[wish][tongue]
    return _BY_RESULT.get(result, _BY_RESULT[Result.NOTHING_OPEN])[tongue]


def _tongue(language: str) -> str:
    return language if language in _WHICH else "zh"
