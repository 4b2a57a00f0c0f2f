"""HomeWizard Watermeter, bridged to MQTT: what its `/api/v1/data` answers, on `homewizard/{device}/data`.

It has no clock: the time of receipt counts.
"""

from typing import Final

from devices.errors import Rejected
from devices.fields import Gathered, json_object
from devices.model import Decoded, Lane, Model, Reason
from devices.quantities import WATER_FLOW, WATER_TOTAL, Quantity
from devices.registry import TopicFilter

NAME: Final = "homewizard"
PREFIXES: Final[tuple[str, ...]] = ("homewizard",)
FILTERS: Final[tuple[TopicFilter, ...]] = (TopicFilter("+", Lane.BULK), TopicFilter("+/data", Lane.BULK))
MODELS: Final[tuple[Model, ...]] = (Model("HWE-WTR", False, "total, flow"),)

_FIELDS: Final[dict[str, tuple[Quantity, float]]] = {
    "total_liter_m3": (WATER_TOTAL, 1000.0),
    "active_liter_lpm": (WATER_FLOW, 60.0),
}


def decode(topic: str, payload: bytes) -> Decoded:
    """Decodes one message.

    Args:
        topic: the topic it came on, without `homewizard/`.
        payload: its bytes.

    Raises:
        Rejected: nothing of it can be used.
    """
    device, _, rest = topic.partition("/")
    if not device or rest not in ("", "data"):
        raise Rejected(Reason.TOPIC_UNKNOWN, "expected homewizard/{device}/data")
    message = json_object(payload)
    if message is None:
        raise Rejected(Reason.PAYLOAD_INVALID, "not a JSON object", device=device)
    found = Gathered()
    for field, (quantity, scale) in _FIELDS.items():
        if message.get(field) is not None:
            found.measure(field, message[field], quantity, scale=scale)
    if not found.readings:
        reason, detail = (
            found.refusals[0] if found.refusals else (Reason.PAYLOAD_INVALID, "no known quantity in the message")
        )
        raise Rejected(reason, detail, device=device)
    return found.decoded(device)
