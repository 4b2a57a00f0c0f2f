"""The voice channel: a call that speaks of the alert and hears a key, by the first provider that will place it.

Accepted means that a provider dials. Whether anybody picked up comes later, as a receipt; who pressed what, as a reply.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType, TracebackType
from typing import Final, Self

from alerts import metrics
from alerts.caps import DAY, NO_CAPS, Cap, Caps
from alerts.channels.choice import Offer, choose, conclude
from alerts.channels.health import Health
from alerts.channels.results import Fault, GiveUp, Outgoing, Result, TryAgain
from alerts.channels.voice_provider import Call, VoiceProvider
from alerts.errors import AlertError, BadProvider

_E164: Final = re.compile(r"\+[1-9]\d{6,14}")
#: Calls to one number that a kind of provider lets through. Aliyun: help.aliyun.com, SingleCallByVoice, 流控频率规则.
KNOWN: Final[Mapping[str, Caps]] = MappingProxyType(
    {
        "aliyun": Caps(
            limits=(
                Cap(most=1, window=timedelta(minutes=1)),
                Cap(most=5, window=timedelta(hours=1)),
                Cap(most=20, window=DAY),
            )
        ),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """One provider of calls, and how many calls it lets one number have."""

    provider: VoiceProvider
    caps: Caps = NO_CAPS


class VoiceChannel:
    """Enter it as a context: it holds its providers.

    Args:
        callers: In the order in which they are asked; at least one.
        write: Makes the call of a message; may raise what `alerts.errors` has, KeyError, TypeError or ValueError.

    Raises:
        BadProvider: There is no provider, or two have one name.
    """

    name = "voice"

    def __init__(self, callers: Sequence[Caller], write: Callable[[Outgoing], Call]) -> None:
        self._callers = {caller.provider.name: caller for caller in callers}
        if not callers or len(self._callers) != len(callers):
            raise BadProvider("the voice channel needs providers, each with a name of its own")
        self._write = write
        self._health = dict.fromkeys(self._callers, Health())
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            for caller in self._callers.values():
                await stack.enter_async_context(caller.provider)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def send(self, message: Outgoing, now: datetime) -> Result:
        """Has the call placed by the provider whose turn it is; the dispatcher comes back at once for the next."""
        if not _E164.fullmatch(message.recipient):
            return GiveUp(fault=Fault.BAD_NUMBER)
        offers = [
            Offer(name=name, caps=caller.caps, health=self._health[name]) for name, caller in self._callers.items()
        ]
        chosen = choose(offers, message, now)
        if not isinstance(chosen, Offer):
            return chosen
        try:
            call = self._write(message)
        except (AlertError, KeyError, TypeError, ValueError):
            return TryAgain(fault=Fault.OUR_BUG)
        result = await self._callers[chosen.name].provider.call(call, now)
        self._health[chosen.name] = self._health[chosen.name].after(result, now)
        metrics.PROVIDERS_DOWN.labels(self.name).set(sum(health.is_down(now) for health in self._health.values()))
        return conclude(offers, chosen, message, result, now)
