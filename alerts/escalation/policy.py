"""Who is told of what, and when, as operators write it: ladders of steps for kinds and severities. Pure.

An area's policy is a list of ladders. The first that fits an alert's kind and severity counts; where none fits, that of
the area above does, then the site's, then the one that comes with Anju.
"""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import cache
from importlib import resources
from typing import Annotated, Final, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationError, model_validator
from pydantic_core import ErrorDetails

from alerts.escalation.errors import BadPolicy
from alerts.model import Kind, Severity
from alerts.refusals import causes

ChannelName = Literal["sms", "voice", "chat", "webhook"]
Role = Literal["duty", "backup", "supervisor", "operator"]
CHANNELS: Final[tuple[ChannelName, ...]] = ("sms", "voice", "chat", "webhook")
ROLES: Final[tuple[Role, ...]] = ("duty", "backup", "supervisor", "operator")
PERSON: Final = "person:"
_OF_THE_HOME: Final = frozenset({"contacts", "family", "resident"})
_LONGEST_S: Final = 30 * 86_400


def _time_of_day(given: object) -> time:
    if isinstance(given, time):
        return given
    try:
        return datetime.strptime(str(given), "%H:%M").time()  # noqa: DTZ007 (a time of day has no zone)
    except ValueError:
        raise ValueError(f"{given!r} is no time of day; right would be '09:00'") from None


TimeOfDay = Annotated[time, BeforeValidator(_time_of_day), PlainSerializer(lambda at: at.strftime("%H:%M"))]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Tell(_Part):
    """Somebody who is told at a step."""

    who: str = Field(
        pattern=r"^(duty|backup|supervisor|operator|contacts|family|resident|person:[a-z0-9][a-z0-9_.-]{0,39})$"
    )
    """A role on the roster, those around the home, or one person by key. `contacts` are told one after the other."""
    by: tuple[ChannelName, ...] = Field(default=CHANNELS, min_length=1)
    """The channels, best first."""
    ways: Literal["first", "all"] = "first"
    """Whether the first of these channels that a person has is used, or all of them at once."""
    at_most: int | None = Field(default=None, ge=1, le=20)
    """How many of those on duty are told, in their order; not set: all."""

    @property
    def is_staff(self) -> bool:
        """Whether somebody of the service is meant, and not somebody around the home."""
        return self.who not in _OF_THE_HOME


class Step(_Part):
    """What is done at one moment after the telling began."""

    after_s: int = Field(ge=0, le=_LONGEST_S)
    tell: tuple[Tell, ...] = Field(min_length=1, max_length=10)
    ask: bool = False
    """The first of `tell` who can be reached is asked whether all is well; the others then need not be."""


class Ladder(_Part):
    """The steps for alerts of some kinds and severities, and how long those who took one have."""

    name: str = Field(min_length=1, max_length=60)
    kinds: frozenset[Kind] = frozenset()
    """Empty: any."""
    severities: frozenset[Severity] = frozenset()
    """Empty: any."""
    steps: tuple[Step, ...] = Field(alias="step", min_length=1, max_length=50)
    repeat_s: int = Field(ge=60, le=_LONGEST_S)
    """After the last step, when nobody has taken it: from the first again."""
    contact_every_s: int = Field(default=60, ge=15, le=86_400)
    """From one contact to the next."""
    remind_s: int | None = Field(default=None, ge=30, le=_LONGEST_S)
    """After an acknowledgement, when nobody is on the way: who took it is reminded, and again after as long."""
    lapse_s: int | None = Field(default=None, ge=60, le=_LONGEST_S)
    """After an acknowledgement, when nobody is on the way: telling starts again."""
    scene_remind_s: int | None = Field(default=None, ge=30, le=_LONGEST_S)
    """The same from being on the way to being on the scene."""
    scene_lapse_s: int | None = Field(default=None, ge=60, le=_LONGEST_S)
    close_remind_s: int | None = Field(default=None, ge=300, le=_LONGEST_S)
    """On the scene, when the alert is still not closed."""
    digest_at: TimeOfDay | None = None
    """Messages wait until this time of day at the home, and go as one."""

    def fits(self, kind: Kind, severity: Severity) -> bool:
        """Whether it is for such alerts."""
        return (not self.kinds or kind in self.kinds) and (not self.severities or severity in self.severities)

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        after = [step.after_s for step in self.steps]
        if after[0] != 0:
            raise ValueError("the first step must have after_s = 0")
        if after != sorted(after):
            raise ValueError("the steps must be in the order of their after_s")
        if not any(tell.is_staff for step in self.steps if not step.ask for tell in step.tell):
            raise ValueError("no step tells anybody of the service: name a role or a person in one that does not ask")
        for remind, lapse in (("remind_s", "lapse_s"), ("scene_remind_s", "scene_lapse_s")):
            first, then = getattr(self, remind), getattr(self, lapse)
            if first is not None and then is not None and first >= then:
                raise ValueError(f"{remind} must be less than {lapse}")
        if self._may_be_urgent and (self.digest_at is not None or self.steps[0].ask):
            raise ValueError(
                "calls for help can neither wait for a digest nor ask first: name the severities it is meant for"
            )
        return self

    @property
    def _may_be_urgent(self) -> bool:
        return any(self.fits(kind, Severity.URGENT) for kind in Kind if not kind.clears)


class Definition(_Part):
    """The policy of one area, or of the site."""

    ladders: tuple[Ladder, ...] = Field(alias="ladder", min_length=1, max_length=50)

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [ladder.name for ladder in self.ladders]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two ladders are called {twice[0]!r}")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What one level says: the path of an area, `site`, or `Anju` for what comes with it."""

    by: str
    definition: Definition


def read(text: str) -> Definition:
    """Reads a policy from TOML.

    Raises:
        BadPolicy: it is none; the text names each fault.
    """
    try:
        return checked(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise BadPolicy(f"this is no TOML: {error}") from None


def checked(definition: object) -> Definition:
    """A policy from its stored form.

    Raises:
        BadPolicy: it is none.
    """
    try:
        return Definition.model_validate(definition)
    except ValidationError as error:
        raise BadPolicy("; ".join(_sentence(fault) for fault in causes(error))) from None


@cache
def built_in() -> Said:
    """What holds where nobody says otherwise: it fits every alert."""
    text = resources.files(__package__).joinpath("ladders.toml").read_text(encoding="utf-8")
    return Said(by="Anju", definition=read(text))


def choose(levels: Iterable[Said], kind: Kind, severity: Severity) -> tuple[Ladder, str]:
    """The ladder for an alert, and who says so.

    Args:
        levels: What is said, the nearest area first.
        kind: Of the alert.
        severity: Of the alert.
    """
    for said in (*levels, built_in()):
        for ladder in said.definition.ladders:
            if ladder.fits(kind, severity):
                return ladder, said.by
    raise AssertionError(f"the built-in ladders have none for {kind}, {severity}")


def next_digest(ladder: Ladder, zone: ZoneInfo, now: datetime) -> datetime | None:
    """When a message of now goes, where the ladder has a digest; None where it goes at once.

    A time of day that the clocks jump over is the instant at which they jump; one that comes twice is its first.
    """
    if ladder.digest_at is None:
        return None
    local = now.astimezone(zone)
    for days in range(3):
        day = local.date() + timedelta(days=days)
        at = datetime.combine(day, ladder.digest_at, tzinfo=zone).astimezone(now.tzinfo)
        if at > now:
            return at
    raise AssertionError("a time of day comes within two days")


def _sentence(fault: ErrorDetails) -> str:
    place = ".".join(str(part + 1) if isinstance(part, int) else part for part in fault["loc"])
    text = fault["msg"].removeprefix("Value error, ")
    shown = "" if isinstance(fault["input"], dict | list | tuple) else f", not {fault['input']!r}"
    return f"{place or 'policy'}: {text[:1].lower()}{text[1:]}{'' if fault['type'] == 'value_error' else shown}"
