"""What can go wrong while decoding, told apart by culprit."""

from devices.model import Reason


class DevicesError(Exception):
    """Root of this package's errors."""


class Rejected(DevicesError):
    """The message cannot be decoded: the sender's fault, and the message belongs in quarantine.

    Attributes:
        reason: why, from the closed set.
        detail: what exactly was wrong, for the operator who looks at the message.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason
        self.detail = detail


class DriverConflict(DevicesError):
    """Two drivers claim the same name or the same first topic level: ours to mend before anything starts."""
