"""The SMS channel: one text, several providers in turn (`alerts.channels.turns`)."""

from datetime import datetime

from alerts.channels.results import Result
from alerts.channels.sms_provider import Sms, SmsProvider
from alerts.channels.turns import ProvidersInTurn, Turn

Route = Turn[SmsProvider]


class SmsChannel(ProvidersInTurn[SmsProvider, Sms]):
    """Short messages."""

    name = "sms"

    async def _hand_over(self, provider: SmsProvider, text: Sms, now: datetime) -> Result:
        return await provider.send(text, now)
