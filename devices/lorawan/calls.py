"""A press or a fall in any object, whoever's it is: fields whose names leave no doubt.

A model that is in no table can be worn by somebody all the same. What meters and sensors write must not look like a
call, so a field like `alarm` or `event` counts only with a word that means one.
"""

import math
from functools import lru_cache
from typing import Final

from devices.model import EventKind, JsonValue


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_PRESS_FLAGS: Final = _set("""
    sos sosflag sosalarm sosevent sosbutton sospressed panic panicbutton panicalarm emergency emergencybutton
    emergencyalarm helpbutton callbutton button buttonpress buttonpressed buttonpushed buttonevent press pressed
""")
_FALL_FLAGS: Final = _set("fall falldetected fallalarm fallevent falldetection mandown mandownalarm")
_WORDED: Final = _set("alarm alarmtype event eventtype action type status reason trigger")
_PRESS_WORDS: Final = _set("""
    sos sosalarm sospressed sosbutton emergency emergencycall panic panicalarm help buttonpress buttonpressed
""")
_MANNERS: Final = _set("""
    press pressed pushed push click short long double single triple shortpress longpress doublepress singlepress
    triplepress pressshort presslong pressdouble shortclick longclick doubleclick
""")
_FALL_WORDS: Final = _set("fall falldetected fallalarm mandown")
_YES: Final = _set("true yes on 1 active detected alarm triggered")
_MAX_WORD: Final = 40
_MAX_INNER: Final = 8


@lru_cache(maxsize=1 << 12)
def _letters(text: str) -> str:
    return "".join(char for char in text.casefold() if char.isalnum())


def _bare(text: str) -> str:
    return _letters(text[:_MAX_WORD])


@lru_cache(maxsize=1 << 12)
def may_call(name: str) -> bool:
    """Whether a field of this name is worth a look; nearly none is."""
    bare = _bare(name)
    return bare in _PRESS_FLAGS or bare in _FALL_FLAGS or bare in _WORDED


def is_set(value: JsonValue) -> bool:
    """Whether a flag says yes: true, any number but 0, or a word for yes."""
    if isinstance(value, str):
        return _bare(value) in _YES
    return isinstance(value, bool | int | float) and value != 0 and not math.isnan(value)


def call_in(name: str, value: JsonValue) -> EventKind | None:
    """The press or fall that a field tells of; None for nearly every field."""
    if not may_call(name) or value is None or value is False or value == "":
        return None
    bare = _bare(name)
    kind = EventKind.BUTTON_PRESS if bare in _PRESS_FLAGS else EventKind.FALL if bare in _FALL_FLAGS else None
    if kind is not None and is_set(value):
        return kind
    if isinstance(value, str):
        return _by_word(_bare(value), kind)
    if isinstance(value, dict) and kind is not None:
        told = [_by_word(_bare(each), kind) for each in list(value.values())[:_MAX_INNER] if isinstance(each, str)]
        return next((each for each in told if each is not None), None)
    return None


def _by_word(word: str, kind: EventKind | None) -> EventKind | None:
    if word in _FALL_WORDS:
        return EventKind.FALL
    if word in _PRESS_WORDS or (kind is EventKind.BUTTON_PRESS and word in _MANNERS):
        return EventKind.BUTTON_PRESS
    return None
