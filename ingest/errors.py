"""Everything that can go wrong between a broker and the database, told apart by who has to act."""


class IngestError(Exception):
    """Root of the errors of this package."""


class ConfigurationFault(IngestError):
    """An operator has to change something; trying again alone does not help."""


class PassingFault(IngestError):
    """The network, the broker or the database is away or overloaded; trying again later helps."""


class EndpointInvalid(ConfigurationFault):
    """A broker's URL cannot be understood."""


class ConnectionRefused(ConfigurationFault):
    """The broker answered CONNECT and will not have us (user, password, client id, version)."""


class CertificateRefused(ConfigurationFault):
    """TLS failed: the broker's certificate is not trusted, or does not match its name."""


class SubscriptionRefused(ConfigurationFault):
    """The broker refused topic filters.

    Attributes:
        filters: the refused filters, each with the broker's reason.
    """

    def __init__(self, filters: dict[str, str]) -> None:
        super().__init__("broker refused " + ", ".join(f"{name!r}: {reason}" for name, reason in filters.items()))
        self.filters = filters


class BrokerUnreachable(PassingFault):
    """No connection to the broker could be made."""


class BrokerBusy(PassingFault):
    """The broker answered CONNECT and asks us to come back later."""


class ConnectionLost(PassingFault):
    """The connection ended, or there is none."""


class PublishRefused(PassingFault):
    """The broker did not take a message of ours."""


class ProtocolViolation(PassingFault):
    """The peer sent bytes that MQTT 5 does not allow here; the connection cannot go on."""


class SessionTakenOver(IngestError):
    """Another client connected with our client id; the session is theirs now."""


class ConnectionClosed(IngestError):
    """The connection was closed by its owner; no more messages will come."""
