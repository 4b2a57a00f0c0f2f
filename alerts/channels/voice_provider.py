"""The seam between the voice channel and those who place calls: one file per provider behind it.

As with SMS, some speak any text and others only the parameters of a template that they have approved; a call comes as
both.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType, TracebackType
from typing import Final, Protocol, Self
from uuid import UUID

from alerts.channels.results import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call to one number.

    Attributes:
        reference: The notification's id: the same over all attempts; key presses and reports come back with it.
        to: The number in E.164, with the plus sign.
        text: What is spoken, whole, with the keys that may be pressed.
        template: Which text that is, for providers that speak templates.
        parameters: What the template's places hold.
        language: `zh` or `en`.
    """

    reference: UUID
    to: str = field(repr=False)
    text: str = field(repr=False)
    template: str
    parameters: Mapping[str, str] = field(default_factory=lambda: _NONE, repr=False)
    language: str = "zh"


class VoiceProvider(Protocol):
    """One who places calls; entered as a context. `name` is unique among the providers of a site."""

    name: str

    async def call(self, call: Call, now: datetime) -> Result:
        """Tries once to have the call placed, within a time limit; ends in a Result with `provider` set, never in an
        exception. Accepted means that the provider will dial, not that anybody has picked up.
        """
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


_NONE: Final[Mapping[str, str]] = MappingProxyType({})
