"""The voice channel: a call that speaks of the alert and hears a key, by the first provider that will place it.

Accepted means that a provider dials. Whether anybody picked up comes later, as a receipt; who pressed what, as a reply.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from alerts.caps import DAY, Cap, Caps
from alerts.channels.results import Result
from alerts.channels.turns import ProvidersInTurn, Turn
from alerts.channels.voice_provider import Call, VoiceProvider

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

Caller = Turn[VoiceProvider]


class VoiceChannel(ProvidersInTurn[VoiceProvider, Call]):
    """Calls."""

    name = "voice"

    async def _hand_over(self, provider: VoiceProvider, text: Call, now: datetime) -> Result:
        return await provider.call(text, now)
