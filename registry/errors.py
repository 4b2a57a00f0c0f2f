"""What can go wrong in the registry, told apart by culprit."""

from collections.abc import Sequence
from dataclasses import dataclass


class RegistryError(Exception):
    """Root of this package's errors; the text says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing wrong with an import file.

    Attributes:
        line: the line in the file, counted from 1; the header is line 1. None: the file as a whole.
        column: the column concerned, where one can be named.
        problem: what is wrong, and what would be right.
    """

    line: int | None
    column: str | None
    problem: str

    def __str__(self) -> str:
        place = [] if self.line is None else [f"line {self.line}"]
        if self.column is not None:
            place.append(self.column)
        return f"{', '.join(place)}: {self.problem}" if place else self.problem


class ImportRefused(RegistryError):
    """The file's fault: at least one row is faulty, and nothing was written.

    Attributes:
        faults: every fault found, in the order of the file.
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        count = len(self.faults)
        super().__init__(f"{count} fault{'' if count == 1 else 's'} found, nothing was imported")


class DeviceRefused(RegistryError):
    """The fault of whoever described a device: nothing was written.

    Attributes:
        faults: every fault found; a fault's column is the import file's name of what is wrong.
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(map(str, self.faults)))


class InstallationRefused(RegistryError):
    """What is installed now does not allow it, or there is no such device or home; nothing was written."""


class CredentialRefused(InstallationRefused):
    """No credential of this kind for this name, or none stands; nothing was written."""
