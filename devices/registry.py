"""Finds the drivers and tells which of them reads a topic.

A driver is a module in `devices.drivers` that offers what `Driver` names. The way from a topic to its driver is one
look into a table, however many families there are.
"""

import pkgutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import NamedTuple, Protocol, cast

from devices.errors import DriverConflict, Rejected
from devices.model import Decoded, Lane, Reason


class TopicFilter(NamedTuple):
    """An MQTT topic filter below a driver's prefix, and the lane its messages take."""

    filter: str
    lane: Lane


class Driver(Protocol):
    """What a module in `devices.drivers` offers.

    Attributes:
        NAME: of the family; stored with each device.
        PREFIXES: first levels of its topics unless the settings name others; one level each.
        FILTERS: what to subscribe to below each prefix.
    """

    NAME: str
    PREFIXES: tuple[str, ...]
    FILTERS: tuple[TopicFilter, ...]

    def decode(self, topic: str, payload: bytes) -> Decoded:
        """Decodes one message.

        Args:
            topic: below the prefix.
            payload: its bytes.

        Raises:
            Rejected: nothing of it can be used.
        """
        ...


@dataclass(frozen=True, slots=True)
class Drivers:
    """All drivers, by name and by the first level of their topics."""

    by_name: Mapping[str, Driver]
    by_prefix: Mapping[str, Driver]

    def decode(self, topic: str, payload: bytes) -> Decoded:
        """Decodes a message with the driver its topic belongs to.

        Raises:
            Rejected: no driver reads the topic, or the driver refuses the message.
        """
        prefix, _, rest = topic.partition("/")
        driver = self.by_prefix.get(prefix)
        if driver is None:
            raise Rejected(Reason.TOPIC_UNKNOWN, "no driver reads this topic")
        return driver.decode(rest, payload)

    def filters(self, lane: Lane) -> tuple[str, ...]:
        """The topic filters of a lane, over all drivers and prefixes."""
        return tuple(
            f"{prefix}/{found.filter}"
            for prefix, driver in self.by_prefix.items()
            for found in driver.FILTERS
            if found.lane is lane
        )


def collect(drivers: Iterable[Driver], prefixes: Mapping[str, tuple[str, ...]] = MappingProxyType({})) -> Drivers:
    """Puts drivers into tables.

    Args:
        drivers: each name once.
        prefixes: for some drivers, by name, other prefixes than their own.

    Raises:
        DriverConflict: two of them share a name or a prefix, or a name in `prefixes` is no driver's.
    """
    by_name: dict[str, Driver] = {}
    by_prefix: dict[str, Driver] = {}
    for driver in drivers:
        if driver.NAME in by_name:
            raise DriverConflict(f"two drivers are named {driver.NAME!r}")
        by_name[driver.NAME] = driver
        for prefix in prefixes.get(driver.NAME, driver.PREFIXES):
            if prefix in by_prefix:
                raise DriverConflict(
                    f"drivers {by_prefix[prefix].NAME!r} and {driver.NAME!r} both read topics below {prefix!r}"
                )
            by_prefix[prefix] = driver
    if strangers := set(prefixes) - set(by_name):
        raise DriverConflict(f"no driver is named {min(strangers)!r} (there are: {', '.join(by_name)})")
    return Drivers(MappingProxyType(by_name), MappingProxyType(by_prefix))


def discover(prefixes: Mapping[str, tuple[str, ...]] = MappingProxyType({})) -> Drivers:
    """Loads every module of `devices.drivers`; see `collect`."""
    package = import_module("devices.drivers")
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    return collect([cast(Driver, import_module(f"devices.drivers.{name}")) for name in names], prefixes)
