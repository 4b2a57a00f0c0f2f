"""A channel to numbers over several providers: an attempt asks one of them, the next attempt the next.

Which one is asked is decided in `alerts.channels.choice`, from what became of earlier attempts, from what each provider
was handed for this number of late, be it recorded yet or not, and from how it has been doing.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from types import TracebackType
from typing import Final, Generic, Protocol, Self, TypeVar

from alerts import metrics
from alerts.caps import NO_CAPS, NOT_COUNTED, Caps
from alerts.channels.choice import Offer, choose, conclude
from alerts.channels.health import Health
from alerts.channels.results import Accepted, Fault, GiveUp, Outgoing, Result, Submission, TryAgain
from alerts.channels.unrecorded import Unrecorded
from alerts.errors import AlertError, BadProvider

_E164: Final = re.compile(r"\+[1-9]\d{6,14}")


class Provider(Protocol):
    """One who is asked; entered as a context. `name` is unique among the providers of a site."""

    name: str

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


P = TypeVar("P", bound=Provider)
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Turn(Generic[P]):
    """A provider, and how much one number may get through it."""

    provider: P
    caps: Caps = NO_CAPS


class ProvidersInTurn(ABC, Generic[P, T]):
    """Enter it as a context: it holds its providers.

    Args:
        turns: In the order in which they are asked; at least one.
        write: Makes what is handed over of a message; may raise what `alerts.errors` has, KeyError, TypeError or
            ValueError.

    Raises:
        BadProvider: There is no provider, or two have one name.
    """

    name: str

    def __init__(self, turns: Sequence[Turn[P]], write: Callable[[Outgoing], T]) -> None:
        self._turns = {turn.provider.name: turn for turn in turns}
        if not turns or len(self._turns) != len(turns):
            raise BadProvider(f"the {self.name} channel needs providers, each with a name of its own")
        self._write = write
        self._health = dict.fromkeys(self._turns, Health())
        self._has_caps = any(turn.caps.limits for turn in turns)
        self._unrecorded = Unrecorded()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            for turn in self._turns.values():
                await stack.enter_async_context(turn.provider)
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
        ours = self._unrecorded.to(message.recipient, now)
        known = replace(message, submitted=tuple({*message.submitted, *ours})) if ours else message
        offers = [Offer(name=name, caps=turn.caps, health=self._health[name]) for name, turn in self._turns.items()]
        asked = choose(offers, known, now)
        if not isinstance(asked, Offer):
            return asked
        try:
            text = self._write(message)
        except (AlertError, KeyError, TypeError, ValueError):
            return TryAgain(fault=Fault.OUR_BUG)
        submission = Submission(notification_id=message.notification_id, provider=asked.name, at=now)
        if self._has_caps:
            self._unrecorded.add(message.recipient, submission)
        result = await self._hand_over(self._turns[asked.name].provider, text, now)
        if not isinstance(result, Accepted) and result.fault in NOT_COUNTED:
            self._unrecorded.forget(message.recipient, submission)
        self._health[asked.name] = self._health[asked.name].after(result, now)
        metrics.PROVIDERS_DOWN.labels(self.name).set(sum(health.is_down(now) for health in self._health.values()))
        return conclude(offers, asked, known, result, now)

    @abstractmethod
    async def _hand_over(self, provider: P, text: T, now: datetime) -> Result:
        """Has one provider try once."""
