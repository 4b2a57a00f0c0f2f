"""The form of a sentence."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """One sentence in both languages: `str.format` strings, whose values may carry a form (see `alerts.wording`)."""

    en: str
    zh: str
