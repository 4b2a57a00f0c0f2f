"""A back-test as one HTML file: what each home used by day and hour, its line, and what would have been told.

The file stands alone: no script, no font, no address of anybody else. Everything that comes from outside is escaped.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from html import escape
from itertools import groupby
from typing import Final
from zoneinfo import ZoneInfo

from alerts.findings import Kind, Severity
from alerts.wording import text_of
from rules.backtest.cases import Told
from rules.backtest.figures import HomeTrial
from rules.backtest.series import Series
from rules.snapshot import instant

HOMES_SHOWN: Final = 100
_ALERTS_LISTED: Final = 200
_LEVELS_L: Final = (1.0, 10.0, 50.0, 200.0)
_SLOTS: Final = 48
_DRAWN: Final = tuple(kind for kind in Kind if kind is not Kind.MONITORING_LOST)

_HEAD: Final = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Back-test of {title}</title>
<style>
:root {{ color-scheme: light; font: 15px/1.45 system-ui, sans-serif; color: #1c2733; background: #fff; }}
body {{ max-width: 72rem; margin: 0 auto; padding: 1.5rem; }}
h1 {{ font-size: 1.5rem; }} h2 {{ font-size: 1.15rem; margin: 2.5rem 0 .3rem; }}
p {{ margin: .3rem 0; max-width: 60rem; }}
table {{ border-collapse: collapse; margin: .6rem 0; font-size: .9rem; }}
th, td {{ text-align: left; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid #dde3e9; vertical-align: top; }}
.picture {{ display: grid; grid-template-columns: 2.6rem 1fr; font-size: .75rem; color: #52606d; }}
.hours {{ position: relative; }} .hours span {{ position: absolute; right: .4rem; transform: translateY(-50%); }}
.days {{ grid-column: 2; position: relative; height: 1.3rem; }}
.days span {{ position: absolute; white-space: nowrap; }}
svg {{ display: block; width: 100%; background: #e3e6ea; }}
.use {{ height: 13rem; }} .line {{ height: 8rem; max-width: 36rem; background: #f4f6f8; }}
.u0 {{ fill: #f7fafc; }} .u1 {{ fill: #cfe5f5; }} .u2 {{ fill: #8fc1e3; }} .u3 {{ fill: #4292c6; }}
.u4 {{ fill: #08519c; }}
.soft {{ fill: #f0a202; fill-opacity: .75; }} .hard, .urgent {{ fill: #d1102b; fill-opacity: .8; }}
.technical {{ fill: #6b4fa1; fill-opacity: .5; }}
.line polyline {{ fill: none; stroke-width: 2; vector-effect: non-scaling-stroke; }}
.line .soft {{ stroke: #d08700; }} .line .hard {{ stroke: #d1102b; }}
.key i {{ display: inline-block; width: .9em; height: .9em; margin: 0 .3em 0 .9em; vertical-align: -.1em; }}
summary {{ cursor: pointer; color: #355; }}
</style>
</head>
<body>
"""

_KEY: Final = (
    '<p class="key">Litres in an hour:'
    '<i style="background:#e3e6ea"></i>not known<i style="background:#f7fafc;outline:1px solid #dde3e9"></i>below 1'
    '<i style="background:#cfe5f5"></i>1<i style="background:#8fc1e3"></i>10<i style="background:#4292c6"></i>50'
    '<i style="background:#08519c"></i>200 and more. Told:<i style="background:#f0a202"></i>soft'
    '<i style="background:#d1102b"></i>hard<i style="background:#a695c7"></i>technical</p>\n'
)


def page(title: str, facts: Sequence[str], tables: Iterable[str], homes: Iterable[str]) -> Iterator[str]:
    """The parts of the file, in order.

    Args:
        title: what was tested; escaped here, as are `facts`.
        facts: sentences at the top.
        tables: from `table`.
        homes: from `home_section`.
    """
    yield _HEAD.format(title=escape(title))
    yield f"<h1>Back-test of {escape(title)}</h1>\n"
    for fact in facts:
        yield f"<p>{escape(fact)}</p>\n"
    yield from tables
    yield _KEY
    yield from homes
    yield "</body>\n</html>\n"


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; every cell is escaped."""
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>\n" for row in rows)
    return f"<table>\n<tr>{head}</tr>\n{body}</table>\n"


def home_section(series: Series, tested: HomeTrial, zone: ZoneInfo, unbroken_s: float) -> str:
    """One home: its use by day and hour with what was told, its line by time of day, and the sentences."""
    used = _by_hour(series, zone, unbroken_s)
    first, last = (instant(series.measured_s[place]).astimezone(zone).date() for place in (0, -1))
    days = (last - first).days + 1
    parts = [
        f"<h2>{escape(tested.meter_id)}</h2>\n",
        f"<p>{tested.home_months:.1f} home-months, {tested.readings} readings, one in {tested.interval_s // 60} min; "
        f"{escape(_counted(tested))}</p>\n",
        '<div class="picture"><div class="hours">',
        "".join(f'<span style="top:{hour / 24:.1%}">{hour:02}:00</span>' for hour in (0, 6, 12, 18)),
        f'</div>\n<svg class="use" viewBox="0 0 {days} 24" preserveAspectRatio="none" role="img" '
        f'aria-label="water used by day and hour">\n',
        *_cells(used, first),
        *(mark for told in tested.alerts if told.kind in _DRAWN for mark in _marks(told, first, days, zone)),
        "</svg>\n",
        f'<div class="days">{_months(first, days)}</div></div>\n',
        _line(tested.lines),
        _listed(tested.alerts, zone),
    ]
    return "".join(parts)


def _counted(tested: HomeTrial) -> str:
    counts = sorted(tested.counts.items(), key=lambda item: (item[0][0], item[0][1].rank))
    return "; ".join(f"{kind.replace('_', ' ')}, {severity}: {n}" for (kind, severity), n in counts) or "nothing told"


def _by_hour(series: Series, zone: ZoneInfo, unbroken_s: float) -> dict[tuple[date, int], float]:
    used: dict[tuple[date, int], float] = defaultdict(float)
    before_s, before_l = series.measured_s[0], series.totals_l[0]
    for at_s, total_l in zip(series.measured_s, series.totals_l, strict=True):
        if 0.0 < at_s - before_s <= unbroken_s:
            local = instant((before_s + at_s) / 2).astimezone(zone)
            used[local.date(), local.hour] += max(0.0, total_l - before_l)
        before_s, before_l = at_s, total_l
    return used


def _cells(used: Mapping[tuple[date, int], float], first: date) -> Iterator[str]:
    """A path for each level; what follows on in a day is drawn at one go."""
    paths: dict[int, list[str]] = defaultdict(list)
    levels = sorted((day, hour, sum(litres >= level for level in _LEVELS_L)) for (day, hour), litres in used.items())
    for (day, level), run in groupby(levels, key=lambda cell: (cell[0], cell[2])):
        hours = [hour for _, hour, _ in run]
        start = hours[0]
        for place, hour in enumerate(hours):
            if place + 1 == len(hours) or hours[place + 1] != hour + 1:
                paths[level].append(f"M{(day - first).days} {start}h1v{hour + 1 - start}h-1z")
                start = hours[place + 1] if place + 1 < len(hours) else hour
    for level, steps in sorted(paths.items()):
        yield f'<path class="u{level}" d="{"".join(steps)}"/>\n'


def _marks(told: Told, first: date, days: int, zone: ZoneInfo) -> Iterator[str]:
    """While it was open, as a bar in the column of each day."""
    begin = told.raised_at.astimezone(zone)
    end_of_all = datetime.combine(first + timedelta(days=days), begin.timetz().replace(hour=0, minute=0, second=0))
    end = min((told.cleared_at or end_of_all).astimezone(zone), end_of_all.astimezone(zone))
    said = escape(f"{told.severity}: {_sentence(told)} ({begin:%Y-%m-%d %H:%M})")
    day = begin.date()
    while day <= end.date():
        top = _hour(begin) if day == begin.date() else 0.0
        bottom = _hour(end) if day == end.date() else 24.0
        column = (day - first).days
        if 0 <= column < days and bottom > top:
            height = max(0.4, bottom - top)
            yield (
                f'<rect class="{told.severity}" x="{column + 0.2:.1f}" y="{top:.2f}" width=".6" height="{height:.2f}">'
                f"<title>{said}</title></rect>\n"
            )
        day += timedelta(days=1)


def _hour(local: datetime) -> float:
    return local.hour + local.minute / 60


def _months(first: date, days: int) -> str:
    each = 1 if days <= 31 * 14 else 3
    labels = [f'<span style="left:0">{first:%Y-%m-%d}</span>']
    for offset in range(20 if days > 60 else 5, days):
        day = first + timedelta(days=offset)
        if day.day == 1 and (day.month - 1) % each == 0:
            labels.append(f'<span style="left:{offset / days:.2%}">{day:%Y-%m}</span>')
    return "".join(labels)


def _line(lines: Mapping[Severity, Sequence[float]]) -> str:
    if not lines:
        return ""
    highest = max(24.0, *(hours for line in lines.values() for hours in line))
    drawn = []
    for severity, line in lines.items():
        points = " ".join(f"{slot / 2:g},{highest - hours:.2f}" for slot, hours in enumerate([*line, line[0]]))
        drawn.append(f'<polyline class="{severity}" points="{points}"><title>{severity}</title></polyline>\n')
    spans = "; ".join(
        f"{severity} after {min(line):.1f} h" + (f" to {max(line):.1f} h" if max(line) - min(line) >= 0.05 else "")
        for severity, line in lines.items()
    )
    return (
        f"<p>The line at the end of the recording, by the local hour of the last use: {escape(spans)}.</p>\n"
        '<div class="picture"><div class="hours">'
        + "".join(f'<span style="top:{(highest - h) / highest:.1%}">{h} h</span>' for h in (8, 16, 24))
        + f'</div><svg class="line" viewBox="0 0 24 {highest:g}" preserveAspectRatio="none" role="img" '
        f'aria-label="the line by time of day">\n{"".join(drawn)}</svg></div>\n'
    )


def _listed(alerts: Sequence[Told], zone: ZoneInfo) -> str:
    if not alerts:
        return ""
    rows = [
        (
            told.kind.replace("_", " "),
            told.severity,
            _local(told.raised_at, zone),
            _local(told.cleared_at, zone) if told.cleared_at else "open",
            _sentence(told),
        )
        for told in alerts[:_ALERTS_LISTED]
    ]
    more = len(alerts) - len(rows)
    heading = f"{len(alerts)} alerts" + (f", the first {len(rows)}" if more else "")
    listed = table(("kind", "severity", "raised", "cleared", "reason"), rows)
    return f"<details><summary>{heading}</summary>\n{listed}</details>\n"


def _sentence(told: Told) -> str:
    return text_of(told.reason, "en")


def _local(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M}"
