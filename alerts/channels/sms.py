"""The SMS channel: one text, several providers in turn (`alerts.channels.turns`)."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from alerts.channels.results import Outgoing, Result, Submission
from alerts.channels.sms_provider import Sms, SmsProvider
from alerts.channels.turns import ProvidersInTurn, Turn

#: For how long a submission of ours may not be in the database yet when the next message is claimed.
_UNRECORDED: Final = timedelta(minutes=5)

Route = Turn[SmsProvider]


class SmsChannel(ProvidersInTurn[SmsProvider, Sms]):
    """Short messages; remembers what it has just handed over to a number, where a provider has caps."""

    name = "sms"

    def __init__(self, routes: Sequence[Route], write: Callable[[Outgoing], Sms]) -> None:
        super().__init__(routes, write)
        self._has_caps = any(route.caps.limits for route in routes)
        self._unrecorded: dict[str, list[Submission]] = {}

    async def _hand_over(self, provider: SmsProvider, text: Sms, now: datetime) -> Result:
        return await provider.send(text, now)

    def _submitting(self, message: Outgoing, provider: str, now: datetime) -> None:
        if self._has_caps:
            # Before it is sent: others to the same number may be on their way.
            submission = Submission(notification_id=message.notification_id, provider=provider, at=now)
            self._unrecorded.setdefault(message.recipient, []).append(submission)

    def _known(self, message: Outgoing, now: datetime) -> Outgoing:
        for number, ours in list(self._unrecorded.items()):
            fresh = [one for one in ours if one.at > now - _UNRECORDED]
            if fresh:
                self._unrecorded[number] = fresh
            else:
                del self._unrecorded[number]
        ours = self._unrecorded.get(message.recipient, [])
        return message if not ours else replace(message, submitted=tuple({*message.submitted, *ours}))
