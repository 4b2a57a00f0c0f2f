"""From a claimed row to the woken event that is judged. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from psycopg.rows import DictRow

from alerts.findings import Reason
from devices.model import EventKind
from rules.bursts import motion_of
from rules.snapshot import Absence
from rules.woken import Event, Told, Woken

_FALLS: Final = frozenset({EventKind.FALL, EventKind.ACCELERATION_BURST})


def concerns_a_fall(row: DictRow) -> bool:
    """Whether it is a fall, its cancellation, or raw acceleration that may be one."""
    return row["kind"] in _FALLS or row["kind"] == EventKind.FALL_CANCELLED


def followed_home(row: DictRow) -> int | None:
    """The home to be asked what followed, where the event is a fall that was raised and is still open."""
    is_raised = row["kind"] in _FALLS and row["fall_id"] is None and row["is_open"] and row["is_newest"]
    return row["home_id"] if is_raised else None


def woken_from(row: DictRow, *, cancel_s: float, followed: tuple[Reason, ...] | None) -> Woken:
    """What is judged.

    Args:
        row: as `claim` gives it; its event exists.
        cancel_s: for how long a fall waits for a cancellation here.
        followed: what followed the fall, where that was asked.
    """
    is_burst, burst, fall = row["kind"] == EventKind.ACCELERATION_BURST, row["burst"], _fall(row)
    reported = row["fall_detail"] if fall is not None else row["detail"]
    motion = motion_of(row["detail"]) if is_burst else None if burst is None else motion_of(burst)
    if fall is not None and "g" in row["fall_detail"]:
        # What was cancelled is raw acceleration: a fall only if it looks like one.
        motion = motion_of(row["fall_detail"])
        fall = fall if motion is not None and motion.is_fall else None
    return Woken(
        kind=row["kind"],
        device=row["device"],
        event=Event(event_id=row["event_id"], measured_at=row["measured_at"], received_at=row["received_at"]),
        home_id=row["home_id"],
        area_id=row["area_id"] if row["home_id"] is None else None,
        time_zone=row["time_zone"] or "UTC",
        fall=fall,
        cancelled_at=row["cancelled_at"],
        waited_s=_waited_s(reported),
        cancel_s=cancel_s,
        motion=motion,
        away=_away(row),
        told=_told(row),
        followed=followed,
    )


def _fall(row: DictRow) -> Event | None:
    if row["fall_id"] is None:
        return None
    return Event(event_id=row["fall_id"], measured_at=row["fall_at"], received_at=row["fall_received_at"])


def _waited_s(detail: Mapping[str, Any]) -> float:
    waited_s = detail.get("cancel_s")
    return float(waited_s) if isinstance(waited_s, int | float) and not isinstance(waited_s, bool) else 0.0


def _away(row: DictRow) -> Absence | None:
    if row["absence_id"] is None:
        return None
    return Absence(
        absence_id=row["absence_id"], from_at=row["from_at"], until_at=row["until_at"], reason=row["away_reason"]
    )


def _told(row: DictRow) -> Told | None:
    if row["is_open"] is None:
        return None
    return Told(
        is_open=row["is_open"],
        is_newest=row["is_newest"],
        since=row["since"],
        reason=Reason(id=row["reason_id"], values=row["reason_values"]),
        evidence=row["evidence"],
    )
