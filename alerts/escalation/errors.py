"""What can go wrong with an escalation policy."""

from alerts.errors import Refused


class BadPolicy(Refused):
    """The text given is no escalation policy; each fault is named."""
