"""A month's report as text, CSV, a workbook and one HTML file that stands alone.

Everything that comes from outside is escaped; no cell is a formula.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Final

from alerts.report.figures import Figures, Share
from alerts.report.table import Report, Row

DEFINITIONS: Final = (
    ("Alerts", "raised in the month by the calendar of the home; without probes and cases that were only recorded"),
    ("By area", "urgent, hard and soft alerts; technical ones have a line of their own below"),
    ("Answered", "from raising to when somebody first took it, set out, was there or closed it"),
    ("Share answered", "of alerts answered, or unanswered for that long; one that ended by itself before is left out"),
    ("On the scene", "from raising to when somebody said they were there, or closed it after setting out"),
    ("Share on the scene", "of alerts to which somebody set out"),
    ("False", "closed as false (away, at family, hospital, forgot, device fault, test), of those a person closed"),
    ("Ended by itself", "by a sign of life, before anybody answered"),
    ("Home-week", "a home with a device installed for seven days; parts add up"),
    ("Median, p90", "half, nine tenths of those that were answered or attended came within"),
)
_HEADINGS: Final = (
    "Of",
    "Alerts",
    "Open, unanswered",
    "Answered ≤ 60 s",
    "Answered ≤ 180 s",
    "Answer median",
    "Answer p90",
    "On scene ≤ 45 min",
    "On scene ≤ 60 min",
    "On scene median",
    "On scene p90",
    "False",
    "Ended by itself",
    "Home-weeks",
    "Alerts per home-week",
)
_TITLES: Final = {"area": "By area", "severity": "By severity", "kind": "By kind"}
_MINUTE_S: Final = 60
_HOUR_S: Final = 3600


def plain(figures: Figures) -> dict[str, object]:
    """All figures by name, flat; shares as a ratio and of how many."""
    found: dict[str, object] = {}
    for name, value in figures._asdict().items():
        if isinstance(value, Share):
            found[f"{name}_share"] = value.ratio
            found[f"{name}_of"] = value.whole
        else:
            found[name] = value
    return found


def lines(report: Report) -> Iterator[tuple[str, Row]]:
    """All rows, each with the name of its section."""
    for section, rows in report.sections.items():
        for row in rows:
            yield section, row


def cells(row: Row) -> list[str]:
    """A row as people read it."""
    f = row.figures
    return [
        row.label,
        str(f.alerts),
        str(f.unanswered),
        _share(f.answered_60_s),
        _share(f.answered_180_s),
        _span(f.answer_median_s),
        _span(f.answer_p90_s),
        _share(f.on_scene_45_min),
        _share(f.on_scene_60_min),
        _span(f.on_scene_median_s),
        _span(f.on_scene_p90_s),
        _share(f.false),
        str(f.resolved),
        f"{f.home_weeks:.1f}",
        "–" if f.per_home_week is None else f"{f.per_home_week:.3f}",
    ]


def headings() -> Sequence[str]:
    """What stands above `cells`."""
    return _HEADINGS


def as_csv(report: Report) -> str:
    """For programs and spreadsheets: seconds, ratios, counts; a line for each row."""
    out = io.StringIO()
    rows = list(lines(report))
    names = ["month", "area", "section", "of", *plain(rows[0][1].figures)]
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    for section, row in rows:
        values = ["" if value is None else value for value in plain(row.figures).values()]
        rounded = [round(value, 6) if isinstance(value, float) else value for value in values]
        writer.writerow([str(report.month), _inert(report.area or "site"), section, _inert(row.label), *rounded])
    return out.getvalue()


def as_html(report: Report, made_at: datetime) -> str:
    """One page without scripts, fonts or addresses of others."""
    title = f"{report.area or 'Site'}, {report.month}"
    parts = [_HEAD.format(title=escape(title)), f"<h1>{escape(title)}</h1>"]
    until = f"{report.until.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    made = f"{made_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    parts.append(f"<p>How alerts were answered and attended, up to {until}. Made {made}.</p>")
    for section, rows in report.sections.items():
        if not rows:
            continue
        parts.append(f'<h2>{_TITLES[section]}</h2><div class="wide"><table><thead><tr>')
        parts += [f'<th scope="col">{escape(name).replace("≤ ", "≤&nbsp;")}</th>' for name in _HEADINGS]
        parts.append("</tr></thead><tbody>")
        for row in rows:
            first, *others = cells(row)
            parts.append(f'<tr><th scope="row">{escape(first)}</th>')
            parts += [f"<td>{escape(cell)}</td>" for cell in others]
            parts.append("</tr>")
        parts.append("</tbody></table></div>")
    parts.append("<h2>What the figures mean</h2><dl>")
    parts += [f"<dt>{escape(term)}</dt><dd>{escape(meaning)}</dd>" for term, meaning in DEFINITIONS]
    parts.append("</dl>\n</body>\n</html>\n")
    return "\n".join(parts)


def write_xlsx(report: Report, path: Path) -> None:
    """A workbook: a sheet for each section, one for the definitions; ratios as percentages, times as times.

    Raises:
        OSError: the file cannot be written.
    """
    import xlsxwriter  # type: ignore[import-untyped]
    from xlsxwriter.exceptions import FileCreateError  # type: ignore[import-untyped]

    book = xlsxwriter.Workbook(str(path), {"strings_to_formulas": False, "strings_to_urls": False, "in_memory": True})
    head = book.add_format({"bold": True, "text_wrap": True, "valign": "top", "bottom": 1})
    formats = {
        Share: book.add_format({"num_format": "0.0%"}),
        float: book.add_format({"num_format": "[h]:mm:ss"}),
    }
    number = book.add_format({"num_format": "0.000"})
    for section, rows in report.sections.items():
        sheet = book.add_worksheet(_TITLES[section])
        sheet.freeze_panes(1, 1)
        sheet.set_column(0, 0, 34)
        sheet.set_column(1, len(_HEADINGS) - 1, 13)
        for column, name in enumerate(_HEADINGS):
            sheet.write_string(0, column, name, head)
        for line, row in enumerate(rows, start=1):
            sheet.write_string(line, 0, row.label)
            for column, (name, value) in enumerate(row.figures._asdict().items(), start=1):
                if isinstance(value, Share):
                    if value.ratio is not None:
                        sheet.write_number(line, column, value.ratio, formats[Share])
                elif name.endswith("_s") and value is not None:
                    sheet.write_number(line, column, value / (24 * _HOUR_S), formats[float])
                elif isinstance(value, float):
                    sheet.write_number(line, column, value, number)
                elif value is not None:
                    sheet.write_number(line, column, value)
    sheet = book.add_worksheet("Definitions")
    sheet.set_column(0, 0, 22)
    sheet.set_column(1, 1, 100)
    about = (("Area", report.area or "site"), ("Month", str(report.month)),
             ("Up to", f"{report.until.astimezone(UTC):%Y-%m-%d %H:%M} UTC"))  # fmt: skip
    for line, (term, meaning) in enumerate((*about, *DEFINITIONS)):
        sheet.write_string(line, 0, term, head)
        sheet.write_string(line, 1, meaning)
    try:
        book.close()
    except FileCreateError as error:
        raise OSError(str(error)) from error


def _share(share: Share) -> str:
    return "–" if share.ratio is None else f"{100 * share.ratio:.1f} % of {share.whole}"


def _span(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    if seconds < 2 * _MINUTE_S:
        return f"{seconds:.0f} s"
    if seconds < 2 * _HOUR_S:
        return f"{seconds / _MINUTE_S:.0f} min"
    return f"{seconds / _HOUR_S:.1f} h"


def _inert(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t") else text


_HEAD: Final = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
:root {{ color-scheme: light; font: 15px/1.45 system-ui, sans-serif; color: #1c2733; background: #fff; }}
body {{ max-width: 90rem; margin: 0 auto; padding: 1.5rem; }}
h1 {{ font-size: 1.5rem; }} h2 {{ font-size: 1.15rem; margin: 2rem 0 .3rem; }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; margin: .6rem 0; font-size: .88rem; }}
th, td {{ text-align: right; padding: .3rem .7rem; border-bottom: 1px solid #dde3e9; vertical-align: top; }}
th:first-child {{ text-align: left; }} thead th {{ background: #f1f4f7; }} td {{ white-space: nowrap; }}
dt {{ font-weight: 600; }} dd {{ margin: 0 0 .4rem; }}
@media print {{ body {{ padding: 0; }} table {{ font-size: .7rem; }} }}
</style>
</head>
<body>"""
