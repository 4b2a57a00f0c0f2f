"""Every sentence a duty worker reads, in English and Chinese, by message id, and how the values in it are written.

A template is a `str.format` string; a value may carry a form: `duration` (seconds: "9 h 10 min") or `litres`. What is
further known stands in the value `also`, a list of `{"id": …, "values": {…}}`: each is a sentence after the first.
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
from alerts.sentences import absence, area, calls, flow, hearing, monitoring, proof, supervision, water
from alerts.sentences.template import Template

log = structlog.get_logger()

Language = Literal["en", "zh"]
_JOINTS: Final[Mapping[Language, str]] = {"en": "; ", "zh": "；"}


TEMPLATES: Final[Mapping[str, Template]] = MappingProxyType(
    calls.TEMPLATES
    | water.TEMPLATES
    | absence.TEMPLATES
    | flow.TEMPLATES
    | monitoring.TEMPLATES
    | supervision.TEMPLATES
    | hearing.TEMPLATES
    | area.TEMPLATES
    | proof.TEMPLATES
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
        own = _FORMATTERS[language].vformat(text, (), values)
        also = [sentence(more["id"], more["values"], language) for more in _also(values)]
        return _JOINTS[language].join([own, *also])
    except (KeyError, ValueError, TypeError, OverflowError) as error:
        raise UnknownMessage(f"values of message {message_id!r} do not fit its sentence: {error!r}") from error


def _also(values: Mapping[str, JsonValue]) -> list[Any]:
    also = values.get("also", [])
    if not isinstance(also, list):
        raise TypeError("also is not a list of sentences")
    return also


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
