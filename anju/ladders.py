"""What the commands of escalation share: what people type, and what it means."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from anju.errors import InputRefused, Usage
from anju.output import JSON_OPTION

if TYPE_CHECKING:
    from alerts.model import Kind, Severity
    from config.settings import Settings


class Grave(StrEnum):
    """How grave."""

    URGENT = "urgent"
    HARD = "hard"
    SOFT = "soft"
    TECHNICAL = "technical"


AREA = Annotated[str | None, typer.Option(help="For this area, as a path.", metavar="PATH", show_default=False)]
SITE = Annotated[bool, typer.Option("--site", help="For the whole site.")]
KIND = Annotated[
    str | None, typer.Option(help="Of this kind, as sos or inactivity.", metavar="KIND", show_default=False)
]
SEVERITY = Annotated[
    Grave | None, typer.Option(help="How grave it is.", show_default="what its kind usually is, the milder one")
]
JSON = Annotated[bool, JSON_OPTION]


def kind_of(text: str) -> "Kind":
    """The kind of alert that was typed.

    Raises:
        Usage: there is none.
    """
    from alerts.model import Kind

    try:
        return Kind(text)
    except ValueError:
        raise Usage(f"there is no kind {text!r}; there are: {', '.join(Kind)}") from None


def severities_of(kind: "Kind", among: "list[Severity]") -> "list[Severity]":
    """Those that alerts of a kind can have, the mildest first; all that were asked for where none of them can be."""
    from alerts.model import Kind, Severity

    match kind:
        case Kind.SOS | Kind.FALL | Kind.SOS_UNKNOWN_DEVICE | Kind.FALL_UNKNOWN_DEVICE:
            usual = [Severity.URGENT]
        case Kind.POSSIBLE_FALL | Kind.INACTIVITY | Kind.ABSENCE_CHECK | Kind.CONTINUOUS_FLOW:
            usual = [Severity.SOFT, Severity.HARD]
        case Kind.ABSENCE_USE | Kind.LEAK | Kind.HIGH_USE:
            usual = [Severity.SOFT]
        case Kind.AREA_INCIDENT | Kind.PROBE_LOST:
            usual = [Severity.HARD]
        case Kind.HEARING_LOST:
            usual = [Severity.TECHNICAL, Severity.HARD]
        case _:
            usual = [Severity.TECHNICAL]
    return [each for each in usual if each in among] or among


def channels_of(settings: "Settings") -> frozenset[str]:
    """The ways out that the settings name."""
    named = {name for name in ("sms", "voice", "chat", "webhook") if getattr(settings, name)}
    return frozenset(named | ({"webhook"} if settings.webhook_url is not None else set()))


@contextmanager
def refusals() -> Iterator[None]:
    """Tells whoever wrote the file that it is their turn."""
    from alerts.escalation.errors import BadPolicy

    try:
        yield
    except BadPolicy as refused:
        raise InputRefused(str(refused)) from None
