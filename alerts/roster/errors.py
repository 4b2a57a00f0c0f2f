"""What can be wrong with a roster."""

from collections.abc import Sequence

from alerts.errors import Refused


class RosterInvalid(Refused):
    """What was given is no roster (the doing of whoever wrote it); nothing was written.

    Attributes:
        faults: every fault found, each with where it is.
    """

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(self.faults))


class RosterRefused(Refused):
    """What is on record does not allow it: no such roster or person; nothing was written."""
