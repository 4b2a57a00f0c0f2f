"""Places in trouble as rows of `area_trouble`, and as subjects of cases."""

from collections.abc import Sequence
from typing import Any

from alerts.findings import Subject
from rules.areas import Cause, Scope
from rules.troubles import Key, Known


def subject_of(scope: Scope, area_id: int | None = None) -> Subject:
    """Whose case it is: a gateway's also names an area, whose duty workers are told."""
    return Subject(gateway=scope.gateway, area_id=area_id) if scope.gateway else Subject(area_id=scope.area_id)


def known_from(row: Sequence[Any]) -> Known:
    """A row of `area_trouble` as types."""
    area_id, gateway, cause, since, suspected_at, opened_at, ended_at, told_area, told_gateway, homes, watched = row
    return Known(
        key=Key(Scope(area_id=area_id, gateway=gateway), Cause(cause)),
        since=since,
        suspected_at=suspected_at,
        opened_at=opened_at,
        ended_at=ended_at,
        told=None if opened_at is None else Scope(area_id=told_area, gateway=told_gateway),
        homes=homes,
        watched=watched,
    )


def row_of(known: Known) -> dict[str, object]:
    """The reverse of `known_from`."""
    told = known.told
    return {
        "scope": subject_of(known.key.place).key,
        "cause": known.key.cause,
        "area_id": known.key.place.area_id,
        "gateway": known.key.place.gateway,
        "since": known.since,
        "suspected_at": known.suspected_at,
        "opened_at": known.opened_at,
        "ended_at": known.ended_at,
        "told": None if told is None else subject_of(told).key,
        "told_area_id": None if told is None else told.area_id,
        "told_gateway": None if told is None else told.gateway,
        "homes": known.homes,
        "watched": known.watched,
    }
