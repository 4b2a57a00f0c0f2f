"""The chat channel: one message to a named chat (WeCom, DingTalk, Feishu, e-mail and what else `apprise` knows).

Best effort: the library says only whether the service took the message, not why it did not, and nothing is heard of
what became of it. It works in threads; a thread that is late is left to its own time limits, and the attempt counts
as timed out. Unlike all other channels it uses the environment's proxies (HTTPS_PROXY), since the library does.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Final, Self

from apprise import Apprise, AppriseAsset, AppriseResultStatus, NotifyType
from apprise.exception import AppriseException

from alerts.channels.results import Accepted, Fault, Outgoing, Result, TryAgain
from alerts.errors import AlertError, BadProvider

_THREADS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatOptions:
    """One chat.

    Attributes:
        name: The address by which people name it.
        url: Where it is, as `apprise` writes it: `wecombot://...`, `dingtalk://...`, `feishu://...`, `mailtos://...`.
    """

    name: str
    url: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatText:
    """What is written: a line above (services without one put it in front of the body), and the body."""

    title: str = field(repr=False)
    body: str = field(repr=False)


class ChatChannel:
    """Enter it as a context.

    Args:
        chats: The chats there are.
        write: Makes the text of a message; may raise what `alerts.errors` has, KeyError, TypeError or ValueError.
        timeout_s: How long one attempt may take.

    Raises:
        BadProvider: Two chats have one name, or an address is none that the library knows.
    """

    name = "chat"

    def __init__(
        self,
        chats: Sequence[ChatOptions],
        write: Callable[[Outgoing], ChatText],
        *,
        timeout_s: float = 15.0,
    ) -> None:
        # It would write warnings of its own, with parts of addresses in them.
        logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
        self._write = write
        self._timeout_s = timeout_s
        self._chats: dict[str, Apprise] = {}
        for chat in chats:
            service = Apprise(asset=AppriseAsset(app_id="Anju", app_desc="Anju", http_redirects=False))
            if chat.name in self._chats or not service.add(chat.url):
                raise BadProvider(f"chat {chat.name} is there twice, or its url is none that apprise knows")
            self._chats[chat.name] = service
        self._threads = ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="chat")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def send(self, message: Outgoing, now: datetime) -> Result:
        """Hands the message to the chat's service."""
        provider = f"chat:{message.recipient}"
        service = self._chats.get(message.recipient)
        if service is None:
            return TryAgain(fault=Fault.UNKNOWN_RECIPIENT, provider=provider)
        try:
            text = self._write(message)
        except (AlertError, KeyError, TypeError, ValueError):
            return TryAgain(fault=Fault.OUR_BUG, provider=provider)
        urgent = NotifyType.FAILURE if message.priority == 0 else NotifyType.WARNING
        try:
            async with asyncio.timeout(self._timeout_s):
                status = await asyncio.get_running_loop().run_in_executor(
                    self._threads, _notified, service, text, urgent
                )
        except TimeoutError:
            return TryAgain(fault=Fault.TIMED_OUT, provider=provider)
        except AppriseException:
            return TryAgain(fault=Fault.OUR_BUG, provider=provider)
        if status is AppriseResultStatus.SUCCESS:
            return Accepted(provider=provider)
        timed_out = status is AppriseResultStatus.TIMEOUT
        return TryAgain(fault=Fault.TIMED_OUT if timed_out else Fault.UNREACHABLE, provider=provider)


def _notified(service: Apprise, text: ChatText, kind: NotifyType) -> AppriseResultStatus:
    return service.notify(body=text.body, title=text.title, notify_type=kind).status
