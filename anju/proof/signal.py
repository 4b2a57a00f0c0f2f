"""The dead-man signal: an outside monitor that is not called any more tells the operators."""

import asyncio
from types import TracebackType
from typing import Final, Self

import httpx
import structlog

from anju.proof import metrics

log = structlog.get_logger()

_TIMEOUT_S: Final = 10.0


class DeadMan:
    """Calls one URL; enter it as a context."""

    def __init__(self, url: str) -> None:
        self._url = url
        for result in ("taken", "refused", "unreachable"):
            metrics.SIGNALS.labels(result)  # from zero on: a monitor that was never reached must show
        self._client = httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=_TIMEOUT_S)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def signal(self) -> bool:
        """Says that all is well; whether the monitor took it. A monitor that is away is its own alarm."""
        try:
            async with (
                asyncio.timeout(_TIMEOUT_S),
                # Not read: what a monitor says is nothing to us, and may be long.
                self._client.stream("GET", self._url) as response,
            ):
                taken = response.is_success
                result = "taken" if taken else "refused"
        except (httpx.HTTPError, OSError, TimeoutError) as error:
            taken, result = False, "unreachable"
            log.warning("dead_man_unreachable", fault=type(error).__name__)
        metrics.SIGNALS.labels(result).inc()
        return taken
