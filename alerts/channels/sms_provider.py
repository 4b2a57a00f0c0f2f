"""The seam between the SMS channel and those who carry short messages: one file per provider behind it.

Some providers carry text, others (Aliyun, Tencent) only the parameters of a template that they have approved. So a
message comes as both, and each provider takes what it needs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType, TracebackType
from typing import Final, Protocol, Self
from uuid import UUID

from alerts.channels.results import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Sms:
    """One short message to one number.

    Attributes:
        reference: The notification's id: the same over all attempts and providers; comes back with receipts.
        to: The number in E.164, with the plus sign.
        text: What is to be read, whole; without the signature (【...】) that Chinese providers put in front.
        template: Which text that is, for providers that send templates: a key of `alerts.templates.named.TEMPLATES`.
        parameters: What the template's places hold, in the order of that template; never empty strings.
        language: `zh` or `en`.
    """

    reference: UUID
    to: str = field(repr=False)
    text: str = field(repr=False)
    template: str
    parameters: Mapping[str, str] = field(default_factory=lambda: _NONE, repr=False)
    language: str = "zh"


class SmsProvider(Protocol):
    """One who carries short messages; entered as a context, so that connections stay open between messages.

    `name` is unique among the providers of a site: attempts, receipts and replies are known by it.
    """

    name: str

    async def send(self, sms: Sms, now: datetime) -> Result:
        """Tries once, within the provider's own time limit; ends in a Result that names the provider, no exception."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


_NONE: Final[Mapping[str, str]] = MappingProxyType({})
