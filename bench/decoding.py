"""What a driver costs: processor time per message, over the test vectors of each family."""

import json
import time
from importlib import resources
from typing import Any, Final

from devices.errors import Rejected
from devices.registry import Drivers, discover

ROUNDS: Final = 400
# Frames in hex, not JSON: shown, but no part of the limit.
BINARY: Final = frozenset({"cjt188"})


def decode(rounds: int = ROUNDS) -> dict[str, float]:
    """Microseconds a message of each family, the mean over its good vectors.

    Processor time of this process, from topic and payload to readings and events; the look for the driver included, as
    a topic that is new each time would need it.
    """
    drivers = discover()
    return {f"{name}_us": cost for name in drivers.by_name if (cost := _family(drivers, name, rounds)) is not None}


def _family(drivers: Drivers, name: str, rounds: int) -> float | None:
    messages = [(vector["topic"], _payload(vector["payload"])) for vector in _vectors(name)]
    good = [each for each in messages if _decodes(drivers, *each)]
    if not good:
        return None
    started_s = time.process_time()
    for _ in range(rounds):
        for topic, payload in good:
            drivers.decode(topic, payload)
    return (time.process_time() - started_s) / (rounds * len(good)) * 1e6


def _vectors(name: str) -> list[dict[str, Any]]:
    text = resources.files("devices.drivers").joinpath(f"{name}.vectors.json").read_text(encoding="utf-8")
    vectors: list[dict[str, Any]] = json.loads(text)
    return vectors


def _payload(written: str | dict[str, Any]) -> bytes:
    if isinstance(written, str):
        return written.encode()
    if "hex" in written:
        return bytes.fromhex(written["hex"])
    return json.dumps(written["json"], ensure_ascii=False, separators=(",", ":")).encode()


def _decodes(drivers: Drivers, topic: str, payload: bytes) -> bool:
    try:
        drivers.decode(topic, payload)
    except Rejected:
        return False
    return True
