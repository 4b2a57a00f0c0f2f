"""What the listener must know."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final


def _wall_clock() -> datetime:
    return datetime.now(UTC)


_NO_SECRETS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({})
_NO_TOKENS: Final[Mapping[str, str]] = MappingProxyType({})
_NO_PROVIDERS: Final[Mapping[str, frozenset[str]]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class WebOptions:
    """What the listener must know.

    Attributes:
        database_url: Where alerts are.
        public_url: The address at which the outside reaches us, such as `https://anju.example.org`; what Twilio signs
            is made of it, never of what a request says of its host.
        link_secret: Signs links and makes the keys of providers that do not sign.
        twilio: The auth token of each Twilio provider, by the provider's name in the settings.
        unsigned: The names of the providers that sign nothing, by their kind (`aliyun`, `tencent`, `kannel`).
        webhooks: The secrets (`whsec_...`) of each receiver: a desk signs its calls with one of them, and is thereby
            known to be one of those that have it.
        close_by_link: Whether staff may close an alert on its page.
        proxies: Addresses whose `X-Forwarded-For` is believed (for the limits only): those of the proxy before us.
        clock: The time.
    """

    database_url: str = field(repr=False)
    public_url: str
    link_secret: str = field(repr=False)
    twilio: Mapping[str, str] = field(default_factory=lambda: _NO_TOKENS, repr=False)
    unsigned: Mapping[str, frozenset[str]] = field(default_factory=lambda: _NO_PROVIDERS)
    webhooks: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: _NO_SECRETS, repr=False)
    close_by_link: bool = True
    proxies: frozenset[str] = frozenset({"127.0.0.1", "::1"})
    clock: Callable[[], datetime] = _wall_clock
