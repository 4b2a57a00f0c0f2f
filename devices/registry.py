"""Finds the drivers and tells which of them reads a topic.

A driver is a module in `devices.drivers` with `NAME`, `PREFIX` (the first level of its topics), `FILTERS` and
`decode(topic, payload)`. The way from a topic to its driver is one look into a table, however many families there are.
"""

import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import NamedTuple, Protocol, cast

from devices.errors import DriverConflict, Rejected
from devices.model import Decoded, Lane, Reason


class TopicFilter(NamedTuple):
    """One MQTT topic filter of a driver, and the lane its messages take."""

    filter: str
    lane: Lane


class Driver(Protocol):
    """What a module in `devices.drivers` offers."""

    NAME: str
    PREFIX: str
    FILTERS: tuple[TopicFilter, ...]

    def decode(self, topic: str, payload: bytes) -> Decoded:
        """Decodes one message, or raises `Rejected`."""
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
        driver = self.by_prefix.get(topic.partition("/")[0])
        if driver is None:
            raise Rejected(Reason.TOPIC_UNKNOWN, "no driver reads this topic")
        return driver.decode(topic, payload)

    def filters(self, lane: Lane) -> tuple[str, ...]:
        """The topic filters of a lane, over all drivers."""
        return tuple(found.filter for driver in self.by_name.values() for found in driver.FILTERS if found.lane is lane)


def collect(drivers: list[Driver]) -> Drivers:
    """Puts drivers into a table.

    Raises:
        DriverConflict: two of them share a name or a prefix.
    """
    by_name: dict[str, Driver] = {}
    by_prefix: dict[str, Driver] = {}
    for driver in drivers:
        for table, key in ((by_name, driver.NAME), (by_prefix, driver.PREFIX)):
            if key in table:
                raise DriverConflict(f"drivers {table[key].NAME} and {driver.NAME} both claim {key!r}")
            table[key] = driver
    return Drivers(MappingProxyType(by_name), MappingProxyType(by_prefix))


def discover() -> Drivers:
    """Loads every module of `devices.drivers`."""
    package = import_module("devices.drivers")
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    return collect([cast(Driver, import_module(f"devices.drivers.{name}")) for name in names])
