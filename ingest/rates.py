"""How much one device may send (pure): one that floods must fill neither the database nor the time of the others.

A bucket for each device holds `burst` readings and fills up again at `per_s`; what a full one holds a device may upload
at once after weeks without a connection. The hot path only counts. Levels are settled once a second, and only of
devices that sent more than flows in; one whose bucket is nearly empty is watched, which is exact.
"""

import math
from dataclasses import dataclass, field
from typing import Final

_SETTLE_EVERY_S: Final = 1.0
# Below this part of its burst a device is watched.
_WATCHED_BELOW: Final = 0.1
# A bound for memory, 20 MB: more devices than this that upload at once are not limited until some have done.
_MAX_LEVELS: Final = 200_000
_BYTES_A_READING: Final = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """What one device may send.

    Attributes:
        per_s: readings a second in the long run.
        burst: readings at once after a silence of `burst / per_s` seconds.
    """

    per_s: float
    burst: float


def cost(readings: int, payload_bytes: int) -> int:
    """What a message counts for: its readings, and one more for every 4 KiB of it."""
    return readings + payload_bytes // _BYTES_A_READING


@dataclass(slots=True)
class DeviceRates:
    """The buckets of all devices, in memory of one process.

    Attributes:
        limit: the same for each.
        heard: what each device sent since the last settling, about; the hot path adds to it.
        watched: devices of which `admit` decides, message by message.
    """

    limit: RateLimit
    heard: dict[int, int] = field(default_factory=dict)
    watched: set[int] = field(default_factory=set)
    _levels: dict[int, float] = field(default_factory=dict)
    _settled_s: float | None = None

    def admit(self, device_id: int, counts: int) -> bool:
        """Whether a message of a watched device is still taken; it is, as long as anything is left."""
        level = self._levels[device_id]
        if level <= 0:
            return False
        self._levels[device_id] = level - counts
        return True

    def take(self, device_id: int, counts: int) -> bool:
        """Counts a message, and says whether it is taken; the hot path of `ingest.intake` has this spelled out."""
        if device_id in self.watched:
            return self.admit(device_id, counts)
        self.heard[device_id] = self.heard.get(device_id, 0) + counts
        return True

    def settle(self, now_s: float) -> None:
        """Lets flow in and out what was since the last time.

        Args:
            now_s: of a clock that never goes back.
        """
        if self._settled_s is None:
            self._settled_s = now_s
        elapsed_s = now_s - self._settled_s
        if elapsed_s < _SETTLE_EVERY_S:
            return
        self._settled_s = now_s
        inflow = elapsed_s * self.limit.per_s
        heard, levels = self.heard, self._levels
        if levels:
            for device_id in list(levels):
                self._set(device_id, levels[device_id] + inflow, heard.pop(device_id, 0))
        if heard:
            if max(heard.values()) > inflow:
                for device_id, counts in heard.items():
                    if counts > inflow and len(levels) < _MAX_LEVELS:
                        self._set(device_id, self.limit.burst + inflow, counts)
            heard.clear()

    def _set(self, device_id: int, before: float, counts: int) -> None:
        level = before - counts
        if level >= self.limit.burst:
            self._levels.pop(device_id, None)
        else:
            self._levels[device_id] = level
        # At the pace of the last second it would be empty within the next two.
        if level < max(_WATCHED_BELOW * self.limit.burst, 2 * counts) and device_id in self._levels:
            self.watched.add(device_id)
        else:
            self.watched.discard(device_id)


def unlimited() -> DeviceRates:
    """Buckets that are never empty."""
    return DeviceRates(limit=RateLimit(per_s=math.inf, burst=math.inf))
