"""The base of providers over HTTP."""

from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

from yarl import URL

from alerts.channels.http import Answer, HttpClient
from alerts.channels.results import Fault

_BODY_TIMEOUT_S: Final = 3.0


class HttpProvider:
    """What all providers over HTTP share: a name, a client with limits, and faults instead of exceptions.

    Args:
        name: Unique among the providers of a site.
        timeout_s: How long one attempt may take in all.
        max_connections: How many attempts run at once.
    """

    def __init__(self, *, name: str, timeout_s: float = 10.0, max_connections: int = 64) -> None:
        self.name = name
        self._client = HttpClient(timeout_s=timeout_s, body_timeout_s=_BODY_TIMEOUT_S, max_connections=max_connections)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.__aexit__(kind, error, trace)

    async def _ask(
        self,
        method: str,
        url: URL | str,
        *,
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
    ) -> Answer | Fault:
        """As `HttpClient.ask`."""
        return await self._client.ask(method, URL(url), content=content, headers=headers, auth=auth)
