"""Where a broker is, and how a connection to it behaves."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self
from urllib.parse import unquote, urlsplit

import mqtt5

from ingest.errors import ConfigurationFault, EndpointInvalid

_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
_UINT16_MAX: Final = 65_535
_TEXT_BYTES_MAX: Final = 65_534  # the codec's limit, one below MQTT's
_UINT32_MAX: Final = 4_294_967_295


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A broker's address and our credentials there. The password never shows in a repr or an error."""

    host: str
    port: int
    tls: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read `mqtt://user:password@host:1883` or `mqtts://...`; user and password may be percent-encoded.

        Raises:
            EndpointInvalid: says what is wrong with the URL, without repeating it.
        """
        try:
            parts = urlsplit(url.strip())
            host, port = parts.hostname, parts.port
        except ValueError:
            # The standard library's message may repeat the part with the password in it.
            raise EndpointInvalid("not a URL: host or port cannot be read") from None
        if parts.scheme not in _PORTS:
            raise EndpointInvalid("a broker's URL starts with mqtt:// or mqtts://")
        if not host:
            raise EndpointInvalid("the URL names no host")
        try:
            host.encode("idna")
        except UnicodeError:
            raise EndpointInvalid(f"{host!r} cannot be a host's name") from None
        if port == 0:
            raise EndpointInvalid("port 0 cannot be connected to")
        if parts.path.strip("/") or parts.query or parts.fragment:
            raise EndpointInvalid("nothing may follow host and port (a password's / ? # are written %2F %3F %23)")
        if parts.password and not parts.username:
            raise EndpointInvalid("the URL has a password but no user")
        username = unquote(parts.username) if parts.username else None
        password = unquote(parts.password) if parts.password is not None else None
        if any(
            len(text.encode(errors="replace")) > _TEXT_BYTES_MAX or "\0" in text
            for text in (username, password)
            if text
        ):
            raise EndpointInvalid("user or password is too long or contains NUL")
        return cls(
            host=host,
            port=port if port is not None else _PORTS[parts.scheme],
            tls=parts.scheme == "mqtts",
            username=username,
            password=password,
        )

    def __str__(self) -> str:
        """Host and port, fit for a log."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _require_text(name: str, text: str) -> None:
    if not 0 < len(text.encode(errors="replace")) <= _TEXT_BYTES_MAX or "\0" in text:
        raise ConfigurationFault(f"{name} has 1 to {_TEXT_BYTES_MAX:,} bytes and no NUL")


@dataclass(frozen=True, slots=True)
class Subscription:
    """A topic filter and the highest quality of service wanted on it (0 or 1)."""

    filter: str
    qos: int = 1

    def __post_init__(self) -> None:
        if self.qos not in (0, 1):
            raise ConfigurationFault(f"subscription to {self.filter!r}: qos is 0 or 1, not {self.qos}")
        try:
            mqtt5.TopicFilter(self.filter)
        except ValueError as error:
            raise ConfigurationFault(f"{self.filter!r} is no topic filter: {error}") from error
        _require_text("a topic filter", self.filter)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionOptions:
    """How one connection behaves. Nothing here is per broker but `client_id` and `ca_file`.

    Attributes:
        client_id: stable; the broker keeps the session, and what is queued in it, under this name.
        subscriptions: filters subscribed to after every CONNACK.
        session_expiry_s: how long the broker keeps session and queue while we are away.
        keep_alive_s: a PINGREQ goes out every half of this; nothing heard for 1.5 of it closes the connection.
        receive_maximum: how many unacknowledged QoS 1 messages the broker may send us at once.
        max_outstanding_messages: our own bound on messages read and neither acknowledged nor, for those that need no
            acknowledgement, taken. Above it (or `max_outstanding_bytes`) the socket is not read; below half it is
            again. What one read brings (at most 128 KiB) may exceed it.
        max_packet_bytes: a larger PUBLISH comes out as an `IrregularPublish`. Never announced: brokers would drop such
            messages in silence.
        rest_s: how long to leave the socket alone after a small read, so that the next one brings more: at tens of
            thousands of messages a second this takes most of the CPU out of reading. For bulk; 0 where every
            millisecond counts.
        connect_timeout_s: for TCP, TLS and CONNACK together.
        backoff_min_s: upper end of the first random wait before reconnecting; doubles with each failure.
        backoff_max_s: upper end of every later one; a connection that lasted this long starts from the first again.
        refused_retry_s: wait after the broker refused user, password, certificate, or a subscription.
        ca_file: PEM file of the authorities trusted for `mqtts`; the system's when None.
        tls_context: used as it is instead of one made from `ca_file` (client certificates, pinning).
    """

    client_id: str
    subscriptions: tuple[Subscription, ...] = ()
    session_expiry_s: int = 7 * 24 * 3600
    keep_alive_s: int = 30
    receive_maximum: int = 10_000
    max_outstanding_messages: int = 20_000
    max_outstanding_bytes: int = 32 * 1024 * 1024
    max_packet_bytes: int = 1024 * 1024
    rest_s: float = 0.0
    connect_timeout_s: float = 10.0
    backoff_min_s: float = 0.1
    backoff_max_s: float = 10.0
    refused_retry_s: float = 30.0
    ca_file: Path | None = None
    tls_context: ssl.SSLContext | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        _require_text("client_id", self.client_id)
        limits: tuple[tuple[str, float, float, float], ...] = (
            ("session_expiry_s", self.session_expiry_s, 0, _UINT32_MAX),
            ("keep_alive_s", self.keep_alive_s, 1, _UINT16_MAX),
            ("receive_maximum", self.receive_maximum, 1, _UINT16_MAX),
            ("max_outstanding_messages", self.max_outstanding_messages, 1, _UINT32_MAX),
            ("max_outstanding_bytes", self.max_outstanding_bytes, 1, float("inf")),
            ("max_packet_bytes", self.max_packet_bytes, 1, 268_435_460),
            ("rest_s", self.rest_s, 0, 1),
            ("connect_timeout_s", self.connect_timeout_s, 0.001, float("inf")),
            ("backoff_min_s", self.backoff_min_s, 0.001, self.backoff_max_s),
            ("refused_retry_s", self.refused_retry_s, 0.001, float("inf")),
        )
        for name, value, low, high in limits:
            if not low <= value <= high:
                raise ConfigurationFault(f"{name} must be from {low:g} to {high:g}, not {value:g}")

    def tls(self) -> ssl.SSLContext:
        """The context for `mqtts`.

        Raises:
            ConfigurationFault: `ca_file` is missing or no PEM file.
        """
        if self.tls_context is not None:
            return self.tls_context
        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ValueError) as error:
            raise ConfigurationFault(f"CA file {self.ca_file}: {error}") from error


def backoff_s(failures: int, chance: float, options: ConnectionOptions) -> float:
    """How long to wait before the next attempt: exponential with full jitter.

    Args:
        failures: attempts that failed since the last lasting connection, at least 1.
        chance: uniform in [0, 1); spreads the workers of a fleet after a broker's restart.
        options: gives the smallest and the largest upper end.
    """
    ceiling = options.backoff_max_s
    doublings = failures - 1
    if doublings < 32:  # beyond that 2**n only costs
        ceiling = min(ceiling, options.backoff_min_s * 2**doublings)
    return ceiling * chance
