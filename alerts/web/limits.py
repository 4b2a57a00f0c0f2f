"""How much may be asked: requests of one caller in a time, with bounded memory; bytes and seconds of one request."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

MAX_BODY_BYTES: Final = 64 * 1024
BODY_TIMEOUT_S: Final = 10.0


@dataclass(slots=True, kw_only=True)
class RateLimit:
    """So many requests at once, and then as many per minute, for each key; of the keys the latest are remembered.

    Attributes:
        per_minute: How many.
        max_keys: How many callers are told apart; whoever was not seen for longest is forgotten first.
    """

    per_minute: int
    max_keys: int = 10_000
    _left: OrderedDict[str, tuple[float, datetime]] = field(default_factory=OrderedDict)

    def allows(self, key: str, now: datetime) -> bool:
        """Whether one more is within the limit; if so it counts."""
        left, at = self._left.pop(key, (float(self.per_minute), now))
        passed_s = max(0.0, (now - at).total_seconds())
        left = min(float(self.per_minute), left + passed_s * self.per_minute / 60)
        allowed = left >= 1
        self._left[key] = (left - 1 if allowed else left, now)
        if len(self._left) > self.max_keys:
            self._left.popitem(last=False)
        return allowed


async def body_of(request: Request) -> bytes:
    """The body, if it is short and comes in time.

    Raises:
        HTTPException: 413, it is longer than `MAX_BODY_BYTES`, and the rest is not read; 408, it did not come whole
            within `BODY_TIMEOUT_S`.
    """
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared[:12]) > MAX_BODY_BYTES:
        raise HTTPException(413)
    read = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for chunk in request.stream():
                read += chunk
                if len(read) > MAX_BODY_BYTES:
                    raise HTTPException(413)
    except (TimeoutError, ClientDisconnect):
        raise HTTPException(408) from None
    return bytes(read)
