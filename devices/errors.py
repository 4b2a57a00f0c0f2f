"""What can go wrong while decoding, told apart by culprit."""

from devices.model import Reason


class DevicesError(Exception):
    """Root of this package's errors."""


class Rejected(DevicesError):
    """The message cannot be decoded: the sender's fault, and the message belongs in quarantine.

    Attributes:
        reason: why, from the closed set.
        detail: what exactly was wrong, for the operator who looks at the message.
        device: who sent it, where the driver knows; None: for whoever asks to make out from the topic.
    """

    def __init__(self, reason: Reason, detail: str, *, device: str | None = None) -> None:
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason
        self.detail = detail
        self.device = device


class DriverConflict(DevicesError):
    """Two drivers claim the same name or the same first topic level: ours to mend before anything starts."""


class TableInvalid(DevicesError):
    """A table that comes with Anju is wrong or leaves something open: ours to mend before anything starts."""


class NameInvalid(DevicesError):
    """No device of this family can have this name: whoever typed it can mend it. The text says what would be right."""
