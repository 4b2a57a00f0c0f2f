"""The report of an area and a month: which alerts and homes belong to which line. Pure."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from alerts.model import Kind, Severity
from alerts.report.figures import Figures, Past, figures
from alerts.report.month import Month, Served, watched

_WEEK: Final = timedelta(days=7)


class Row(NamedTuple):
    """One line of the report."""

    label: str
    figures: Figures


class Report(NamedTuple):
    """The figures of an area and a month.

    Attributes:
        areas: the area with all below it, then each area directly below; without technical alerts.
        severities: of the area with all below it.
        kinds: likewise.
    """

    area: str
    month: Month
    until: datetime
    areas: tuple[Row, ...]
    severities: tuple[Row, ...]
    kinds: tuple[Row, ...]

    @property
    def sections(self) -> Mapping[str, tuple[Row, ...]]:
        """By name."""
        return {"area": self.areas, "severity": self.severities, "kind": self.kinds}


def report(area: str, month: Month, alerts: Iterable[Past], homes: Iterable[Served], now: datetime) -> Report:
    """The report of an area and a month.

    Args:
        area: its path; "" for the site.
        month: by the calendar of each home.
        alerts: of the area and all below it; those of other months are left out.
        homes: of the area and all below it.
        now: the time; what lies ahead counts for nothing.
    """
    past = [each for each in alerts if month.has(each.raised_at, ZoneInfo(each.time_zone))]
    served = list(homes)
    weeks = dict.fromkeys((home.area for home in served), 0.0)
    for home in served:
        weeks[home.area] += watched(home, month, now) / _WEEK

    def row(label: str, wanted: Callable[[Past], bool], below: str = area) -> Row:
        home_weeks = sum(each for path, each in weeks.items() if is_below(path, below))
        chosen = [each for each in past if wanted(each) and is_below(each.area, below)]
        return Row(label, figures(chosen, home_weeks, now))

    def told(each: Past) -> bool:
        return each.severity is not Severity.TECHNICAL

    children = sorted({child for path in {*weeks, *(each.area for each in past)} if (child := _child(path, area))})
    kinds = {each.kind for each in past}
    return Report(
        area=area,
        month=month,
        until=min(now, max(month.bounds(ZoneInfo(home.time_zone))[1] for home in served) if served else now),
        areas=(row(area or "site", told), *(row(child, told, child) for child in children)),
        severities=tuple(
            row(severity.value, lambda each, severity=severity: each.severity is severity)  # type: ignore[misc]
            for severity in reversed(Severity)
        ),
        kinds=tuple(
            row(kind.value, lambda each, kind=kind: each.kind is kind)  # type: ignore[misc]
            for kind in Kind
            if kind in kinds
        ),
    )


def is_below(path: str, area: str) -> bool:
    """Whether a path is an area or lies below it; everything lies below ""."""
    return not area or path == area or path.startswith(f"{area}/")


def _child(path: str, area: str) -> str | None:
    """The area directly below `area` in which a path lies."""
    if path == area or not is_below(path, area):
        return None
    depth = len(area.split("/")) if area else 0
    return "/".join(path.split("/")[: depth + 1])
