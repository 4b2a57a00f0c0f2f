"""Every driver against its vectors, and against the same messages cut, garbled and of wrong types.

A new family needs no change here: its module and its `.vectors.json` beside it are found.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from paho.mqtt.client import topic_matches_sub

import devices.drivers
from devices.errors import Rejected
from devices.model import WAKING, Decoded, Lane, Reason
from devices.quantities import by_code
from devices.registry import discover

FOLDER: Final = Path(devices.drivers.__file__).parent
DRIVERS: Final = discover()
_BRIEFLY: Final = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@cache
def vectors_of(driver: str) -> list[dict[str, Any]]:
    path = FOLDER / f"{driver}.vectors.json"
    vectors: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    return vectors


def payload_of(vector: dict[str, Any]) -> bytes:
    match vector["payload"]:
        case str(text):
            return text.encode()
        case {"json": message}:
            return json.dumps(message).encode()
        case {"hex": digits}:
            return bytes.fromhex(digits)
        case other:
            raise AssertionError(f"{vector['name']}: no payload of this form is known: {other!r}")


def _every_vector() -> list[Any]:
    return [
        pytest.param(driver, vector, id=f"{driver}: {vector['name']}")
        for driver in DRIVERS.by_name
        for vector in vectors_of(driver)
    ]


EVERY_VECTOR: Final = _every_vector()


def instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


def shown(decoded: Decoded) -> dict[str, Any]:
    """What was decoded in the form that vectors have."""
    return {
        "device": decoded.device,
        "readings": [
            (name, at, pytest.approx(value, rel=1e-9))
            for name, at, value in sorted((by_code[code].name, str(at), value) for code, at, value in decoded.readings)
        ],
        "events": sorted((event.kind.value, str(event.measured_at), event.source_id) for event in decoded.events),
        "refusals": sorted(refusal.reason.value for refusal in decoded.refusals),
        "others": [shown(other) for other in decoded.others],
    }


def promised(vector: dict[str, Any]) -> dict[str, Any]:
    return {
        "device": vector["device"],
        "readings": sorted(
            (reading["quantity"], str(instant(reading["measured_at"])), reading["value"])
            for reading in vector.get("readings", [])
        ),
        "events": sorted(
            (event["kind"], str(instant(event["measured_at"])), event["source_id"])
            for event in vector.get("events", [])
        ),
        "refusals": sorted(vector.get("refusals", [])),
        "others": [promised(other) for other in vector.get("others", [])],
    }


def check(decoded: Decoded) -> None:
    """What holds for anything that was decoded, from whatever bytes."""
    for code, measured_at, value in decoded.readings:
        quantity = by_code[code]
        assert quantity.minimum <= value <= quantity.maximum
        assert measured_at is None or measured_at.tzinfo is UTC
    for event in decoded.events:
        for text in (event.source_id, event.likeness, json.dumps(event.detail)):
            assert text is None or ("\0" not in text and "\\u0000" not in text and text.encode())
    assert all(refusal.reason in Reason and refusal.detail for refusal in decoded.refusals)
    for other in decoded.others:
        assert not other.others
        check(other)


def decode_or_reject(topic: str, payload: bytes) -> None:
    try:
        decoded = DRIVERS.decode(topic, payload)
    except Rejected as rejected:
        assert rejected.detail
        return
    check(decoded)


@pytest.mark.parametrize(("driver", "vector"), EVERY_VECTOR)
def test_a_vector_decodes_as_it_says(driver: str, vector: dict[str, Any]) -> None:
    topic = vector["topic"]
    assert driver == DRIVERS.by_prefix[topic.partition("/")[0]].NAME
    if "rejected" in vector:
        with pytest.raises(Rejected) as rejected:
            DRIVERS.decode(topic, payload_of(vector))
        assert rejected.value.reason.value == vector["rejected"]
        return
    decoded = DRIVERS.decode(topic, payload_of(vector))
    check(decoded)
    assert shown(decoded) == promised(vector)


@pytest.mark.parametrize(("driver", "vector"), EVERY_VECTOR)
def test_a_vector_is_heard_and_a_call_is_heard_at_once(driver: str, vector: dict[str, Any]) -> None:
    topic = vector["topic"]
    heard = {lane for lane in Lane for name in DRIVERS.filters(lane) if topic_matches_sub(name, topic)}
    assert heard or vector.get("rejected") == "topic_unknown", f"nothing subscribes to {topic}"
    calls = {event["kind"] for event in vector.get("events", [])} & {kind.value for kind in WAKING}
    if not calls or vector.get("wrong_topic"):
        return
    one_by_one = DRIVERS.urgent_filters(driver, vector.get("model"), vector["device"])
    assert Lane.URGENT in heard or any(topic_matches_sub(name, topic) for name in one_by_one), (
        "a call from this device waits behind the meters' readings: its model must be among MODELS, or its name say so"
    )


@pytest.mark.parametrize("driver", DRIVERS.by_name)
def test_a_driver_has_good_and_bad_vectors_with_names_and_sources(driver: str) -> None:
    vectors = vectors_of(driver)
    assert any(vector.get("readings") or vector.get("events") for vector in vectors), "no vector that decodes"
    assert any("rejected" in vector for vector in vectors), "no vector that is rejected"
    names = [vector["name"] for vector in vectors]
    assert len(names) == len(set(names))
    assert all(vector["source"].strip() for vector in vectors)


@pytest.mark.parametrize("driver", DRIVERS.by_name)
def test_no_model_is_claimed_without_a_vector(driver: str) -> None:
    models = [model.name for model in DRIVERS.families[driver].models]
    assert len(models) == len(set(models))
    shown_by_vectors = {
        vector["model"]
        for vector in vectors_of(driver)
        if vector.get("model") and (vector.get("readings") or vector.get("events"))
    }
    assert set(models) <= shown_by_vectors
    for name in (vector.get("model") for vector in vectors_of(driver)):
        assert name is None or name in models, f"a vector names model {name!r}, MODELS does not"


@pytest.mark.parametrize(("driver", "vector"), EVERY_VECTOR)
def test_a_cut_message_is_decoded_or_rejected(driver: str, vector: dict[str, Any]) -> None:
    payload = payload_of(vector)
    for end in range(0, len(payload), max(1, len(payload) // 40)):
        decode_or_reject(vector["topic"], payload[:end])
        decode_or_reject(vector["topic"], payload[end:])


_WRONG: Final = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([-1, 10**400, 2**63, 1e308, -0.0, "", "\0", "\ud800", "NaN"]),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=4), st.integers(), max_size=2),
)


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if at:
        yield at
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*at, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from places(inner, (*at, index))


@st.composite
def garbled(draw: st.DrawFn, driver: str) -> tuple[str, bytes]:
    vector = draw(st.sampled_from(vectors_of(driver)))
    topic, payload = vector["topic"], payload_of(vector)
    try:
        message = json.loads(payload)
    except ValueError:
        message = None
    if isinstance(message, dict | list) and draw(st.booleans()):
        *way, last = draw(st.sampled_from(list(places(message)) or [(0,)]))
        target = message
        for step in way:
            target = target[step]
        if target:
            target[last] = draw(_WRONG)
        payload = json.dumps(message).encode("utf-8", "surrogatepass")
    else:
        bytes_ = bytearray(payload)
        for _ in range(draw(st.integers(1, 4))):
            where = draw(st.integers(0, max(0, len(bytes_) - 1)))
            bytes_[where : where + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
        payload = bytes(bytes_)
    if draw(st.integers(0, 4)) == 0:
        levels = topic.split("/")
        levels[draw(st.integers(1, len(levels) - 1)) if len(levels) > 1 else 0] = draw(st.text(max_size=6))
        topic = "/".join(levels)
    return topic, payload


@pytest.mark.parametrize("driver", DRIVERS.by_name)
def test_a_garbled_message_is_decoded_or_rejected(driver: str) -> None:
    @_BRIEFLY
    @given(garbled(driver))
    def run(message: tuple[str, bytes]) -> None:
        decode_or_reject(*message)

    run()


@pytest.mark.parametrize("driver", DRIVERS.by_name)
def test_any_bytes_below_a_prefix_are_decoded_or_rejected(driver: str) -> None:
    prefix = DRIVERS.families[driver].prefixes[0]
    levels = sorted({level for vector in vectors_of(driver) for level in vector["topic"].split("/")[1:]} | {""})

    @_BRIEFLY
    @given(st.lists(st.sampled_from(levels) | st.text(max_size=4), max_size=7), st.binary(max_size=120))
    def run(below: list[str], payload: bytes) -> None:
        decode_or_reject("/".join([prefix, *below]), payload)

    run()
