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
    """Microseconds a message of each family, the mean over its good vectors; and a value, a reading or an event.

    Processor time of this process, from topic and payload to readings and events; the look for the driver included, as
    a topic that is new each time would need it. Some meters send a day's 24 hours at once: hence the cost of a value.
    """
    drivers = discover()
    costs: dict[str, float] = {}
    for name in drivers.by_name:
        messages = [(vector["topic"], _payload(vector["payload"])) for vector in _vectors(name)]
        good = {each: values for each in messages if (values := _values(drivers, *each)) is not None}
        if good:
            cost_us = costs[f"{name}_us"] = _mean_us(drivers, list(good), rounds)
            costs[f"{name}_us_per_value"] = cost_us * len(good) / max(1, sum(good.values()))
    return costs


def _mean_us(drivers: Drivers, good: list[tuple[str, bytes]], rounds: int) -> float:
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


def _values(drivers: Drivers, topic: str, payload: bytes) -> int | None:
    """How many readings and events a message holds; None when it is rejected."""
    try:
        decoded = drivers.decode(topic, payload)
    except Rejected:
        return None
    return sum(len(each.readings) + len(each.events) for each in (decoded, *decoded.others))
