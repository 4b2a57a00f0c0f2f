"""Finds the drivers and tells which of them reads a topic.

A driver is a module in `devices.drivers` that offers what `Driver` names. The way from a topic to its driver is one
look into a table, however many families there are.
"""

import pkgutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from types import MappingProxyType
from typing import NamedTuple, Protocol, cast

from devices.errors import DriverConflict, NameInvalid, Rejected
from devices.model import Decoded, Lane, Model, Reason
from devices.naming import names_call_button, same_model
from devices.positions import Finder, keeping

Decoder = Callable[[bytes], Decoded]


class TopicFilter(NamedTuple):
    """An MQTT topic filter below a driver's prefix, and the lane its messages take."""

    filter: str
    lane: Lane


class Driver(Protocol):
    """What a module in `devices.drivers` offers.

    It may also offer

    - `MODELS: tuple[Model, ...]`, the devices that its vectors show;
    - where presses and telemetry share a topic, `URGENT_FILTERS: tuple[str, ...]`: filters below the prefix with
      `{device}` in the place of the device's name;
    - `installed_name(text: str) -> str`: the name that messages carry of a device whose label, or whoever typed it off,
      says `text`; raises `NameInvalid` where it can be no name of the family;
    - `position(payload: bytes) -> Position | None`: see `devices.positions`.

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

        Returns:
            What it says. Without readings, events and refusals: it was understood, and holds nothing for us.

        Raises:
            Rejected: nothing of it can be used.
        """
        ...


class Family(NamedTuple):
    """A driver with what it may leave out.

    Attributes:
        driver: itself.
        prefixes: first levels of its topics, as the settings have them.
        models: the devices its vectors show.
        urgent_templates: for each prefix the filters, with `{device}`, of topics that presses share with telemetry.
    """

    driver: Driver
    prefixes: tuple[str, ...]
    models: tuple[Model, ...]
    urgent_templates: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Drivers:
    """All drivers, by name and by the first level of their topics.

    Attributes:
        keep_positions: presses and falls keep where they happened.
    """

    by_name: Mapping[str, Driver]
    by_prefix: Mapping[str, Driver]
    families: Mapping[str, Family]
    keep_positions: bool = False

    def decode(self, topic: str, payload: bytes) -> Decoded:
        """Decodes a message with the driver its topic belongs to.

        Raises:
            Rejected: no driver reads the topic, or the driver refuses the message.
        """
        return self.decoder(topic)(payload)

    def decoder(self, topic: str) -> Decoder:
        """What decodes the messages on a topic; worth keeping, since a device publishes on the same ones for years.

        Raises:
            Rejected: no driver reads the topic.
        """
        prefix, _, rest = topic.partition("/")
        driver = self.by_prefix.get(prefix)
        if driver is None:
            raise Rejected(Reason.TOPIC_UNKNOWN, "no driver reads this topic")
        bind: Callable[[str], Decoder] | None = getattr(driver, "decoder", None)
        decode = partial(driver.decode, rest) if bind is None else bind(rest)
        if not self.keep_positions:
            return decode
        find: Finder | None = getattr(driver, "position", None)
        return decode if find is None else keeping(decode, find)

    def filters(self, lane: Lane) -> tuple[str, ...]:
        """The topic filters of a lane, over all drivers and prefixes."""
        return tuple(
            f"{prefix}/{found.filter}"
            for prefix, driver in self.by_prefix.items()
            for found in driver.FILTERS
            if found.lane is lane
        )

    def urgent_templates(self) -> Mapping[str, tuple[str, ...]]:
        """Of each driver whose presses share a topic with telemetry, the filters with `{device}` in them."""
        return {name: family.urgent_templates for name, family in self.families.items() if family.urgent_templates}

    def installed_name(self, driver: str, text: str) -> str:
        """The name that messages of a family carry of a device which somebody calls `text`; as it is, of most families.

        Raises:
            NameInvalid: it can be no name of this family.
        """
        bind: Callable[[str], str] | None = getattr(self.by_name.get(driver), "installed_name", None)
        return text if bind is None else bind(text)

    def spellings(self, text: str) -> Mapping[str, str]:
        """The names that messages carry of a device which somebody calls `text`, by driver, where they are others."""
        names: dict[str, str] = {}
        for driver in self.by_name:
            with suppress(NameInvalid):
                if (name := self.installed_name(driver, text)) != text:
                    names[driver] = name
        return names

    def presses(self, driver: str, model: str | None, device: str) -> bool:
        """Whether an installed device is there to call for help: by its model, else by the word in its names."""
        known = self.model(driver, model)
        return (known is not None and known.presses) or names_call_button(device) or names_call_button(model or "")

    def model(self, driver: str, named: str | None) -> Model | None:
        """The model of a driver that an installation names, if it is among those that the vectors show."""
        family = self.families.get(driver)
        if family is None or not named:
            return None
        return next((known for known in family.models if same_model(known.name, named)), None)

    def urgent_filters(
        self, driver: str, model: str | None, device: str, *, has_called: bool = False
    ) -> tuple[str, ...]:
        """What the urgent session subscribes to for one installed device; nothing for most of them.

        Args:
            driver: name of its driver.
            model: as the installation names it.
            device: the name it publishes under.
            has_called: a press or a fall of it is stored; whoever tries a button out when installing it has pressed it.
        """
        family = self.families.get(driver)
        # A wildcard in a name would subscribe to everybody's topics.
        if family is None or not family.urgent_templates or not device or set(device) & set("+#\0"):
            return ()
        if not (has_called or self.presses(driver, model, device)):
            return ()
        return tuple(template.replace("{device}", device) for template in family.urgent_templates)


def collect(
    drivers: Iterable[Driver],
    prefixes: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
    *,
    keep_positions: bool = False,
) -> Drivers:
    """Puts drivers into tables.

    Args:
        drivers: each name once.
        prefixes: for some drivers, by name, other prefixes than their own.
        keep_positions: presses and falls keep where they happened, in their detail; else no driver looks.

    Raises:
        DriverConflict: two of them share a name or a prefix, or a name in `prefixes` is no driver's.
    """
    families: dict[str, Family] = {}
    by_prefix: dict[str, Driver] = {}
    for driver in drivers:
        if driver.NAME in families:
            raise DriverConflict(f"two drivers are named {driver.NAME!r}")
        family = families[driver.NAME] = _family(driver, prefixes.get(driver.NAME, driver.PREFIXES))
        for prefix in family.prefixes:
            if prefix in by_prefix:
                raise DriverConflict(
                    f"drivers {by_prefix[prefix].NAME!r} and {driver.NAME!r} both read topics below {prefix!r}"
                )
            by_prefix[prefix] = driver
    if strangers := set(prefixes) - set(families):
        raise DriverConflict(f"no driver is named {min(strangers)!r} (there are: {', '.join(families)})")
    by_name = {name: family.driver for name, family in families.items()}
    return Drivers(
        MappingProxyType(by_name),
        MappingProxyType(by_prefix),
        MappingProxyType(families),
        keep_positions=keep_positions,
    )


def _family(driver: Driver, prefixes: tuple[str, ...]) -> Family:
    models: tuple[Model, ...] = getattr(driver, "MODELS", ())
    templates: tuple[str, ...] = getattr(driver, "URGENT_FILTERS", ())
    return Family(
        driver, prefixes, models, tuple(f"{prefix}/{template}" for prefix in prefixes for template in templates)
    )


def discover(
    prefixes: Mapping[str, tuple[str, ...]] = MappingProxyType({}), *, keep_positions: bool = False
) -> Drivers:
    """Loads every module of `devices.drivers`; see `collect`."""
    package = import_module("devices.drivers")
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    modules = [cast(Driver, import_module(f"devices.drivers.{name}")) for name in names]
    return collect(modules, prefixes, keep_positions=keep_positions)
