"""What we say to a broker, and what its answers mean (pure). Requests with an answer by packet id: `requests`."""

import sys
from array import array
from collections.abc import Iterable
from typing import Final

import mqtt5

from ingest.errors import BrokerBusy, ConnectionLost, ConnectionRefused, IngestError, SessionTakenOver
from ingest.mqtt.options import ConnectionOptions, Endpoint

_PUBACK: Final = 0x4002_0000
# One more is MQTT's default, which the codec leaves out; Mosquitto then holds us to its max_inflight_messages, 20.
_RECEIVE_MAXIMUM_SENT: Final = 65_534
# The codec's codes are no IntEnums, whatever its stubs say: equality and int() work, hash, order and truth do not.
_BUSY: Final = (
    mqtt5.ConnAckReasonCode.UNSPECIFIED_ERROR,
    mqtt5.ConnAckReasonCode.IMPLEMENTATION_SPECIFIC_ERROR,
    mqtt5.ConnAckReasonCode.SERVER_UNAVAILABLE,
    mqtt5.ConnAckReasonCode.SERVER_BUSY,
    mqtt5.ConnAckReasonCode.QUOTA_EXCEEDED,
    mqtt5.ConnAckReasonCode.CONNECTION_RATE_EXCEEDED,
)


def connect_packet(endpoint: Endpoint, options: ConnectionOptions) -> bytes:
    """CONNECT to our session. Maximum Packet Size is not announced: brokers drop what exceeds it in silence."""
    return mqtt5.ConnectPacket(
        options.client_id,
        username=endpoint.username,
        password=endpoint.password.encode() if endpoint.password is not None else None,
        clean_start=False,
        keep_alive=options.keep_alive_s,
        session_expiry_interval=options.session_expiry_s,
        receive_max=min(options.receive_maximum, _RECEIVE_MAXIMUM_SENT),
    ).write()


def acks(packet_ids: Iterable[int]) -> bytes:
    """PUBACKs with reason *success*, four bytes each (MQTT 5, 3.4), without a packet object for every one."""
    words = array("I", [_PUBACK | packet_id for packet_id in packet_ids])
    if sys.byteorder == "little":
        words.byteswap()
    return words.tobytes()


def refusal(connack: mqtt5.ConnAckPacket) -> IngestError | None:
    """Why the broker will not have us: for now (`BrokerBusy`), or until somebody changes something."""
    code = connack.reason_code
    if code == mqtt5.ConnAckReasonCode.SUCCESS:
        return None
    kind = BrokerBusy if code in _BUSY else ConnectionRefused
    return kind(f"broker refused the connection: {code.name}")


def goodbye(disconnect: mqtt5.DisconnectPacket) -> IngestError:
    """Why the broker ends the connection."""
    if disconnect.reason_code == mqtt5.DisconnectReasonCode.SESSION_TAKEN_OVER:
        return SessionTakenOver("another client connected with our client id")
    return ConnectionLost(f"broker disconnected us: {disconnect.reason_code.name}")
