"""What an answer means, and which alert it answers. Pure: a text and the alerts the person was told of go in.

A word too little is asked for, never guessed: an alert that was taken by mistake is told to nobody any more.
"""

import re
import unicodedata
from collections.abc import Sequence, Set
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Wish(StrEnum):
    """What somebody answers. A resident who is well acknowledges; one who needs help declines: the next is told."""

    ACKNOWLEDGE = "acknowledge"
    ON_THE_WAY = "on_the_way"
    ON_SCENE = "on_scene"
    DECLINE = "decline"
    NO_MORE = "no_more"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True, kw_only=True)
class Understood:
    """What a text says: the wish, and the code or number of the alert where it names one."""

    wish: Wish
    code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldOf:
    """An alert, not closed, of which the person was told."""

    alert_id: int

    @property
    def code(self) -> str:
        """The three digits that stand for it in a reply."""
        return f"{self.alert_id % 1000:03d}"

    @property
    def number(self) -> str:
        """The whole number, in four digits or more: never the code of another."""
        return f"{self.alert_id:04d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """The answer is about this alert."""

    alert_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AskWhich:
    """It may be about any of these, which is told apart by these codes."""

    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NothingOpen:
    """There is nothing it could be about."""


Choice = Means | AskWhich | NothingOpen

BY_DIGIT: Final = {
    "1": Wish.ACKNOWLEDGE,
    "2": Wish.ON_THE_WAY,
    "3": Wish.ON_SCENE,
    "0": Wish.DECLINE,
}
#: Chinese ones are parted by blanks, English ones by bars.
_PHRASES: Final = {
    Wish.ACKNOWLEDGE: (
        "收到 已收到 接警 已接警 接 接了 知道 知道了 明白 了解 好 好的 行 可以 我来 我来处理 我处理 处理中 确认 "
        "平安 我平安 没事 我没事 我很好",
        "ack|acknowledge|acknowledged|ok|okay|yes|got it|received|roger|copy|confirmed|taking it|mine|i'll take it"
        "|fine|all is well",
    ),
    Wish.ON_THE_WAY: (
        "出发 已出发 马上出发 路上 在路上 已在路上 正在路上 马上到 马上去 马上来 这就去 这就来 "
        "我去 我过去 正在赶去 赶过去",
        "omw|on my way|on the way|coming|leaving|going|en route",
    ),
    Wish.ON_SCENE: (
        "到了 已到 到达 已到达 到场 已到场 我到了 到现场 已到现场 现场",
        "arrived|on scene|on site|here|there|at the door",
    ),
    Wish.DECLINE: (
        "不能 我不能 不能去 不行 去不了 我去不了 来不了 没空 没时间 无法 无法处理 无法前往 不方便 拒绝 处理不了 不在 "
        "帮助 要帮助 需要帮助 我需要帮助 帮帮我 救命 救我 不舒服 我不舒服",
        "no|cannot|can not|can't|cant|i cannot|i can't|i can not|i cant|unable|not available|unavailable"
        "|decline|no time|help|help me|need help|i need help|not well",
    ),
    Wish.NO_MORE: ("退订", "td|t|stop|unsubscribe"),
}
_BY_PHRASE: Final = {
    phrase: wish
    for wish, (chinese, english) in _PHRASES.items()
    for phrase in (*chinese.split(" "), *english.split("|"))
}

_MAX_CHARS: Final = 1_000
_FILLER: Final = re.compile(
    r"^(?:(?:好的|好|嗯|谢谢|请|我已经|已经|我已|我们|ok|okay|i'm|i am|im|we're|we are|sorry|yes)(?=.)\s*)+"
    r"|\s*(?:了|的|啦|哦|啊|呢|哈|谢谢|thanks|thank you|please|now)+$"
)
_NEGATION: Final = re.compile(r"[不没未别非无勿]|\b(?:not|no|never|nobody|cannot|cant)\b|n't")
_SIGNATURE: Final = re.compile(r"\[[^\]]*\]|〔[^〕]*〕")
#: When somebody will be there says nothing about which alert.
_MINUTES: Final = re.compile(r"[0-9]{1,3}\s*(?:分钟|分|min(?:ute)?s?\b)(?:以?[后内]|之[后内])?(?:就到|能到|到达|到)?")
_QUESTION: Final = re.compile(r"[?吗]")
_DIGIT_AND_CODE: Final = re.compile(r"([0-3])([0-9]{3})")
_CODE: Final = re.compile(r"[0-9]{3,6}")
#: Between clauses: anything but letters, digits, blanks and the apostrophe.
_BETWEEN: Final = re.compile(r"[^\w\s']+|_+")
_PIECE: Final = re.compile(r"[0-9]+|[^0-9]+")
#: Words that count with a name after them.
_ALONE: Final = frozenset({"ack", "omw", "ok", "roger"})


def understand(text: str) -> Understood:
    """What a text means; `UNCLEAR` where it says nothing known, or two things at once.

    The first line that says anything counts, whatever signature follows.
    """
    plain = unicodedata.normalize("NFKC", text[:_MAX_CHARS].replace("【", "[").replace("】", "]")).casefold()
    plain = plain.replace("’", "'").replace("`", "'")
    lines = [_MINUTES.sub(",", _SIGNATURE.sub(" ", line)).strip() for line in plain.splitlines()]
    for number, line in enumerate(lines):
        understood = _line(line)
        if understood is None:
            continue
        if understood.code is None and understood.wish is not Wish.UNCLEAR:
            return Understood(wish=understood.wish, code=_lone_code(lines[number + 1 :]))
        return understood
    return Understood(wish=Wish.UNCLEAR)


def choose(code: str | None, told_of: Sequence[ToldOf]) -> Choice:
    """Which alert is meant: the one that was named, else the only one; else it has to be asked.

    Args:
        code: What the answer names: three digits, or the whole number of the alert.
        told_of: The alerts, not closed, that the person was told of; the newest first.
    """
    if not told_of:
        return NothingOpen()
    if code is None:
        return Means(alert_id=told_of[0].alert_id) if len(told_of) == 1 else AskWhich(codes=_codes(told_of))
    named = [alert for alert in told_of if code in (alert.code, alert.number)]
    return Means(alert_id=named[0].alert_id) if len(named) == 1 else AskWhich(codes=_codes(told_of))


def _codes(told_of: Sequence[ToldOf]) -> tuple[str, ...]:
    """By which each can be named; those that share a code by their whole number."""
    codes = [alert.code for alert in told_of]
    return tuple(code if codes.count(code) == 1 else alert.number for alert, code in zip(told_of, codes, strict=True))


def _line(line: str) -> Understood | None:
    """What one line says; None where it says nothing known."""
    digits, codes, clauses = _taken_apart(line)
    if not digits and len(codes) == 1 and not clauses and (both := _DIGIT_AND_CODE.fullmatch(codes[0])) is not None:
        digits, codes = {BY_DIGIT[both.group(1)]}, [both.group(2)]
    phrases = {wish for clause in clauses if (wish := _phrase(clause)) is not None}
    if not digits and not phrases:
        return None
    if _QUESTION.search(line) or len(codes) > 1:
        return Understood(wish=Wish.UNCLEAR)
    wish = _settled(digits, phrases)
    if not digits and wish is not Wish.DECLINE and _denied(clauses):
        wish = Wish.UNCLEAR
    return Understood(wish=wish, code=codes[0] if codes and wish is not Wish.UNCLEAR else None)


def _taken_apart(line: str) -> tuple[set[Wish], list[str], list[str]]:
    """The wishes given by digits, the codes, and the clauses."""
    digits: set[Wish] = set()
    codes: list[str] = []
    clauses: list[str] = []
    for part in _BETWEEN.split(line):
        words: list[str] = []
        for word in part.split():
            pieces = _PIECE.findall(word)
            letters = [piece for piece in pieces if not piece.isdecimal()]
            # "1收到" says 1; "2号楼" and "3min" are about a house and a time.
            if all(_phrase(piece) is not None for piece in letters):
                for number in (piece for piece in pieces if piece.isdecimal()):
                    if number in BY_DIGIT:
                        digits.add(BY_DIGIT[number])
                    elif _CODE.fullmatch(number):  # longer: a telephone number; shorter: a door
                        codes.append(number)
                words += letters
            else:
                words.append(word)
        if " ".join(words).isascii():
            # English: several words are one phrase, "nobody here" is no "here".
            clauses += [" ".join(words)] if words else []
        else:
            clauses += words
    return digits, codes, clauses


def _phrase(clause: str) -> Wish | None:
    known = _BY_PHRASE.get(clause)
    if known is not None:
        return known
    shorter = _FILLER.sub("", clause).strip()
    if shorter in _BY_PHRASE:
        return _BY_PHRASE[shorter]
    first = clause.split(" ", maxsplit=1)[0]
    return _BY_PHRASE[first] if first in _ALONE and not _NEGATION.search(clause) else None


def _settled(by_digit: Set[Wish], by_phrase: Set[Wish]) -> Wish:
    """One wish of several: a digit beside a greeting counts, "got it, on my way" is on the way; else it is unclear."""
    said = by_digit | by_phrase
    if len(said) == 1:
        return next(iter(said))
    if len(by_digit) > 1 or Wish.NO_MORE in said:
        return Wish.UNCLEAR
    if Wish.DECLINE in said:
        # "Got it, I cannot": to have read it is not to go.
        return Wish.DECLINE if by_phrase == said and said == {Wish.DECLINE, Wish.ACKNOWLEDGE} else Wish.UNCLEAR
    if len(by_digit) == 1:
        (wish,) = by_digit
        return wish if by_phrase <= {Wish.ACKNOWLEDGE, wish} else Wish.UNCLEAR
    return max(said, key=_AS_FAR_AS.index)


_AS_FAR_AS: Final = (Wish.ACKNOWLEDGE, Wish.ON_THE_WAY, Wish.ON_SCENE)


def _denied(clauses: Sequence[str]) -> bool:
    """Whether something beside what was understood says no."""
    return any(_NEGATION.search(clause) for clause in clauses if _phrase(clause) is None)


def _lone_code(lines: Sequence[str]) -> str | None:
    """A code in a line of its own, right after the wish."""
    following = next((line for line in lines if line), "")
    return following if _CODE.fullmatch(following) else None
