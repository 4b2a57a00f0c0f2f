"""What the keep role does, from the settings: how long each quantity is kept, and never less than rules read back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from anju.context import database_url
from config.errors import SettingsError
from config.settings import RETENTION_DAYS
from devices import quantities
from rules.learning import LOOKED_BACK
from storage.retention import Retention

if TYPE_CHECKING:
    from config.settings import Settings

OTHERS: Final = "others"

_REGISTERS: Final = (quantities.WATER_TOTAL, quantities.PULSES)
# A look reads two windows back at most, each of a week at most.
_LOOKS: Final = timedelta(days=14)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepOptions:
    """What the role needs.

    Attributes:
        database_url: where the database is.
        late_window: how old a reading may be when it comes.
        retention: for how long readings are kept.
        replies_kept: for how long the words of replies are; None: for ever.
    """

    database_url: str = field(repr=False)
    late_window: timedelta
    retention: Retention
    replies_kept: timedelta | None


def of_settings(settings: "Settings") -> KeepOptions:
    """The options that the settings say.

    Raises:
        SettingsError: a quantity is unknown, or would be deleted while rules still read it.
    """
    late_window = timedelta(days=settings.late_window_days)
    return KeepOptions(
        database_url=database_url(settings),
        late_window=late_window,
        retention=retention(settings.retention_days, late_window),
        replies_kept=_kept(settings.reply_retention_days),
    )


def retention(days: Mapping[str, float], late_window: timedelta) -> Retention:
    """For how long each quantity is kept.

    Args:
        days: by name of the quantity, or `others`; 0 for ever. What is missing goes by the built-in days.
        late_window: how old a reading may be when it comes.

    Raises:
        SettingsError: a quantity is unknown, or would be deleted while rules still read it.
    """
    said = {**RETENTION_DAYS, **days}
    if unknown := sorted(set(said) - quantities.by_name.keys() - {OTHERS}):
        raise SettingsError(
            f"ANJU_RETENTION_DAYS names {unknown[0]}, which is no quantity;"
            f" there are {', '.join(quantities.by_name)} and {OTHERS}"
        )
    for name, wanted in said.items():
        least = late_window + (LOOKED_BACK if quantities.by_name.get(name) in _REGISTERS else _LOOKS)
        kept = _kept(wanted)
        if kept is not None and kept < least:
            raise SettingsError(
                f"ANJU_RETENTION_DAYS keeps {name} for {wanted:g} days; {least.days} are the least,"
                " since readings may come late and rules look back"
            )
    return Retention(
        of={quantities.by_name[name].code: _kept(wanted) for name, wanted in said.items() if name != OTHERS},
        others=_kept(said[OTHERS]),
    )


def _kept(days: float) -> timedelta | None:
    return timedelta(days=days) if days else None
