"""Presses that both lanes bring: of which the urgent session is known to have got a copy of its own.

Such a copy is recognised however late it comes (see `ingest.repetition` and `ingest.listening`).
"""

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from ingest.batch import Batch, Happening
from ingest.listening import twin_since
from ingest.subscriptions import CallButtons

if TYPE_CHECKING:
    from ingest.session import Session

# A beacon takes milliseconds. An urgent session that needs longer is in trouble, and so the bulk lane's press counts.
_WITHIN_S: Final = 2.0


class Twin:
    """The urgent session of this process at the same broker, as the bulk session asks after it.

    Args:
        session: the urgent one.
        call_buttons: know what it is subscribed to.
    """

    def __init__(self, session: "Session", call_buttons: CallButtons) -> None:
        self._session = session
        self._call_buttons = call_buttons

    async def look(self, batch: Batch, *, heard_until: datetime | None, now: datetime) -> None:
        """Finds out of which events the urgent session got a copy, and notes it in the batch.

        Args:
            batch: of the bulk session.
            heard_until: until when the bulk session has committed what it was sent.
            now: the time.
        """
        if all(each.twin_since for each in batch.happenings):
            return
        if not any(self._since(each, heard_until) for each in batch.happenings):
            return
        if await self._session.heard(now, within_s=_WITHIN_S):
            batch.happenings = [
                replace(each, twin_since=each.twin_since or self._since(each, heard_until)) for each in batch.happenings
            ]

    def _since(self, event: Happening, heard_until: datetime | None) -> datetime | None:
        since = self._call_buttons.heard_since(self._session.connection, event.device_name, event.message.topic)
        return twin_since(event.message, heard_until, since)
