"""What a call for help says beyond itself: further sentences under `also` in its reason, and its evidence. Pure."""

from collections.abc import Iterable
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import JsonValue

from alerts.findings import Reason
from rules.woken import Event, Woken

_REASONS = frozenset({"hospital", "travel", "family"})


def circumstances(woken: Woken) -> tuple[Reason, ...]:
    """What else whoever goes must know: that the home is marked as absent, and what the acceleration shows."""
    more: list[Reason] = []
    if woken.away is not None:
        why = woken.away.reason if woken.away.reason in _REASONS else "other"
        until = woken.away.until_at.astimezone(_zone(woken.time_zone))
        more.append(Reason(id=f"marked_absent_{why}", values={"until": f"{until:%Y-%m-%d %H:%M}"}))
    if woken.motion is not None:
        more.append(woken.motion.said)
    return tuple(more)


def with_more(reason: Reason, more: Iterable[Reason]) -> Reason:
    """A reason with further sentences after its own."""
    also: list[JsonValue] = [{"id": each.id, "values": dict(each.values)} for each in more]
    return Reason(id=reason.id, values={**reason.values, "also": also}) if also else reason


def more_of(reason: Reason) -> list[Reason]:
    """The further sentences of a reason that was stored."""
    also = reason.values.get("also")
    return [stored for each in also if (stored := _stored(each)) is not None] if isinstance(also, list) else []


def _stored(also: JsonValue) -> Reason | None:
    if not isinstance(also, dict):
        return None
    message, values = also.get("id"), also.get("values")
    return Reason(id=message, values=values) if isinstance(message, str) and isinstance(values, dict) else None


def evidence_of(woken: Woken, event: Event) -> dict[str, JsonValue]:
    """What a call rests on."""
    evidence: dict[str, JsonValue] = {"device": woken.device, "received_at": event.received_at.isoformat()}
    if woken.away is not None:
        evidence["absence_id"] = woken.away.absence_id
    return evidence


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")
