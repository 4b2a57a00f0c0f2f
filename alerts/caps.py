"""How many messages a provider lets one number have, and whether there is room for one more. Pure.

A cap is counted here as it is there: by submissions within a sliding window. Of the caps over a day a share is kept
back for urgent messages, so that a day of small news never leaves a call for help without a way. The figures of each
provider and where they are from stand in docs/sms.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from alerts.channels.results import Fault

DAY: Final = timedelta(hours=24)

#: With these nothing was handed over that a provider could have counted; any other end of an attempt may count.
NOT_COUNTED: Final = frozenset(
    {
        Fault.UNREACHABLE,
        Fault.CERTIFICATE,
        Fault.REDIRECTED,
        Fault.UNAUTHORIZED,
        Fault.NOT_FOUND,
        Fault.REFUSED,
        Fault.BUSY,
        Fault.OUR_BUG,
        Fault.CAP_REACHED,
        Fault.NO_CREDIT,
        Fault.TEMPLATE_REFUSED,
        Fault.UNKNOWN_RECIPIENT,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """At most `most` messages to one number within any `window`."""

    most: int
    window: timedelta

    def __post_init__(self) -> None:
        if self.most < 1 or not timedelta() < self.window <= DAY:
            raise ValueError("a cap is one message or more, within a day at most")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """All caps of one provider.

    Attributes:
        limits: Each holds; none means no cap.
        kept_back_share: Which part of a cap over a day only urgent messages may use, in [0, 1).
    """

    limits: tuple[Cap, ...] = ()
    kept_back_share: float = 0.2

    def __post_init__(self) -> None:
        if not 0.0 <= self.kept_back_share < 1.0:
            raise ValueError("the share kept back lies in [0, 1)")


NO_CAPS: Final = Caps()

#: What the providers that we know by name state for notifications to one number; a site may set its own.
KNOWN: Final[Mapping[str, Caps]] = MappingProxyType(
    {
        "aliyun": Caps(limits=(Cap(most=50, window=DAY),)),
        "tencent": Caps(limits=(Cap(most=1, window=timedelta(seconds=30)), Cap(most=10, window=DAY))),
    }
)


def frees_at(caps: Caps, submitted: Sequence[datetime], now: datetime, *, urgent: bool) -> datetime | None:
    """When one more message may be submitted; None: now.

    Args:
        caps: Of the provider.
        submitted: When it was handed messages to this number, in whatever order.
        now: Aware.
        urgent: Whether the message may use what is kept back.
    """
    frees = [at for cap in caps.limits if (at := _frees_at(cap, _most(caps, cap, urgent), submitted, now)) is not None]
    return max(frees, default=None)


def _most(caps: Caps, cap: Cap, urgent: bool) -> int:
    if urgent or cap.window < DAY:
        return cap.most
    return max(1, int(cap.most * (1.0 - caps.kept_back_share)))


def _frees_at(cap: Cap, most: int, submitted: Sequence[datetime], now: datetime) -> datetime | None:
    counted = sorted(at for at in submitted if at > now - cap.window)
    return None if len(counted) < most else counted[len(counted) - most] + cap.window
