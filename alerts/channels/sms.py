"""The SMS channel: one text, several providers; an attempt asks one of them, the next attempt the next.

Which one is asked is decided in `alerts.channels.choice`, from what became of earlier attempts, from what each provider
was handed for this number of late, and from how it has been doing.
"""

import re
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import TracebackType
from typing import Final, Self

from alerts import metrics
from alerts.caps import NO_CAPS, Caps
from alerts.channels.choice import Offer, choose, conclude
from alerts.channels.health import Health
from alerts.channels.results import Fault, GiveUp, Outgoing, Result, Submission, TryAgain
from alerts.channels.sms_provider import Sms, SmsProvider
from alerts.errors import AlertError, BadProvider

_E164: Final = re.compile(r"\+[1-9]\d{6,14}")
#: For how long a submission of ours may not be in the database yet when the next message is claimed.
_UNRECORDED: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A provider, and how much one number may get through it."""

    provider: SmsProvider
    caps: Caps = NO_CAPS


class SmsChannel:
    """Enter it as a context: it holds its providers.

    Args:
        routes: In the order in which they are asked; at least one.
        write: Makes the text of a message; may raise what `alerts.errors` has, KeyError, TypeError or ValueError.

    Raises:
        BadProvider: There is no provider, or two have one name.
    """

    name = "sms"

    def __init__(self, routes: Sequence[Route], write: Callable[[Outgoing], Sms]) -> None:
        self._routes = {route.provider.name: route for route in routes}
        if not routes or len(self._routes) != len(routes):
            raise BadProvider("the sms channel needs providers, each with a name of its own")
        self._write = write
        self._has_caps = any(route.caps.limits for route in routes)
        self._health = dict.fromkeys(self._routes, Health())
        self._unrecorded: dict[str, list[Submission]] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            for route in self._routes.values():
                await stack.enter_async_context(route.provider)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def send(self, message: Outgoing, now: datetime) -> Result:
        """Asks one provider; says whether another stands ready."""
        if not _E164.fullmatch(message.recipient):
            return GiveUp(fault=Fault.BAD_NUMBER)
        known = self._with_unrecorded(message, now)
        offers = [Offer(name=name, caps=route.caps, health=self._health[name]) for name, route in self._routes.items()]
        asked = choose(offers, known, now)
        if not isinstance(asked, Offer):
            return asked
        try:
            sms = self._write(message)
        except (AlertError, KeyError, TypeError, ValueError):
            return TryAgain(fault=Fault.OUR_BUG)
        if self._has_caps:
            # Before it is sent: others to the same number may be on their way.
            submission = Submission(notification_id=message.notification_id, provider=asked.name, at=now)
            self._unrecorded.setdefault(message.recipient, []).append(submission)
        result = await self._routes[asked.name].provider.send(sms, now)
        self._health[asked.name] = self._health[asked.name].after(result, now)
        metrics.PROVIDERS_DOWN.labels(self.name).set(sum(health.is_down(now) for health in self._health.values()))
        return conclude(offers, asked, known, result, now)

    def _with_unrecorded(self, message: Outgoing, now: datetime) -> Outgoing:
        for number, ours in list(self._unrecorded.items()):
            fresh = [one for one in ours if one.at > now - _UNRECORDED]
            if fresh:
                self._unrecorded[number] = fresh
            else:
                del self._unrecorded[number]
        ours = self._unrecorded.get(message.recipient, [])
        return message if not ours else replace(message, submitted=tuple({*message.submitted, *ours}))
