"""The figures of a month: what counts, where it counts, and of how many."""

import csv
import io
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final
from xml.etree.ElementTree import Element, fromstring
from zipfile import ZipFile
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.model import Kind, Outcome, Severity
from alerts.report.figures import Figures, Past, Share, figures, p90
from alerts.report.month import Month, Served, padded, watched
from alerts.report.table import Report, report
from anju.report_files import as_csv, as_html, cells, headings, write_xlsx

MAIN: Final = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
NOVEMBER = Month(2026, 11)
SHANGHAI = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 12, 24, tzinfo=UTC)
NOON = datetime(2026, 11, 10, 4, tzinfo=UTC)
S, MIN, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)


def past(
    answered: timedelta | None = None,
    there: timedelta | None = None,
    closed: timedelta | None = None,
    outcome: Outcome | None = None,
    **known: Any,
) -> Past:
    raised_at = known.get("raised_at", NOON)
    facts = {
        "area": "City/Lane",
        "time_zone": "Asia/Shanghai",
        "kind": Kind.SOS,
        "severity": Severity.URGENT,
        "raised_at": raised_at,
        "set_out": there is not None,
        "answered_at": None if answered is None else raised_at + answered,
        "on_scene_at": None if there is None else raised_at + there,
        "closed_at": None if closed is None else raised_at + closed,
        "outcome": outcome,
    }
    return Past(**{**facts, **known})


def home(area: str = "City/Lane", *periods: tuple[datetime, datetime | None]) -> Served:
    return Served(area=area, time_zone="Asia/Shanghai", periods=periods or [(NOW - 400 * DAY, None)])


# ---------------------------------------------------------------- answers and attendance


def test_a_history_by_hand() -> None:
    alerts = [
        past(20 * S, 30 * MIN, 50 * MIN, Outcome.GENUINE),
        past(60 * S, 50 * MIN, 90 * MIN, Outcome.FALSE_FORGOT),
        past(170 * S, None, 40 * MIN, Outcome.FALSE_AWAY),
        past(300 * S, 70 * MIN, None, None),
        past(None, None, 100 * S, Outcome.RESOLVED_BY_SIGN_OF_LIFE),
        past(None),
    ]
    assert figures(alerts, 12.0, NOW) == Figures(
        alerts=6,
        unanswered=1,
        answered_60_s=Share(2, 6),  # the one that ended after 100 s had its 60 s
        answered_180_s=Share(3, 5),  # and not its 180 s
        answer_median_s=115.0,
        answer_p90_s=300.0,
        on_scene_45_min=Share(1, 3),
        on_scene_60_min=Share(2, 3),
        on_scene_median_s=3000.0,
        on_scene_p90_s=4200.0,
        false=Share(2, 3),
        resolved=1,
        home_weeks=12.0,
        per_home_week=0.5,
    )


def test_nothing_is_a_share_of_nothing() -> None:
    empty = figures([], 0.0, NOW)
    assert empty.answered_60_s.ratio is empty.false.ratio is empty.per_home_week is empty.answer_median_s is None


def test_what_is_too_fresh_to_tell_does_not_count_yet() -> None:
    fresh = past(raised_at=NOW - 100 * S)
    found = figures([fresh], 1.0, NOW)
    assert (found.answered_60_s, found.answered_180_s, found.unanswered) == (Share(0, 1), Share(0, 0), 1)


def test_who_closed_it_after_setting_out_was_there_by_then() -> None:
    silent = past(10 * S, None, 40 * MIN, Outcome.GENUINE, set_out=True)
    assert figures([silent], 1.0, NOW).on_scene_45_min == Share(1, 1)
    by_itself = past(10 * S, None, 40 * MIN, Outcome.RESOLVED_BY_SIGN_OF_LIFE, set_out=True)
    assert figures([by_itself], 1.0, NOW).on_scene_45_min == Share(0, 0)
    still = past(10 * S, set_out=True, raised_at=NOW - 50 * MIN)
    found = figures([still], 1.0, NOW)
    assert (found.on_scene_45_min, found.on_scene_60_min) == (Share(0, 1), Share(0, 0))


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_nine_tenths_do_not_exceed_p90(values: list[float]) -> None:
    found = p90(values)
    assert found in values
    assert sum(value <= found for value in values) >= 0.9 * len(values)
    assert sum(value < found for value in values) < 0.9 * len(values)


spans = st.none() | st.integers(0, 20_000).map(lambda seconds: seconds * S)


@given(st.lists(st.builds(past, spans, spans, spans, st.none() | st.sampled_from(list(Outcome)))))
def test_shares_are_shares_and_longer_times_hold_no_fewer(alerts: list[Past]) -> None:
    found = figures(alerts, 1.0, NOW)
    for share in (value for value in found if isinstance(value, Share)):
        assert 0 <= share.part <= share.whole <= len(alerts)
    assert found.answered_60_s.part <= found.answered_180_s.part
    assert found.on_scene_45_min.part <= found.on_scene_60_min.part


# ---------------------------------------------------------------- months, homes, areas


def test_a_month_is_that_of_the_homes_calendar() -> None:
    begins, ends = NOVEMBER.bounds(SHANGHAI)
    assert (begins, ends) == (datetime(2026, 10, 31, 16, tzinfo=UTC), datetime(2026, 11, 30, 16, tzinfo=UTC))
    alerts = [past(raised_at=at) for at in (begins - S, begins, ends - S, ends)]
    alerts.append(past(raised_at=ends, time_zone="Europe/Berlin"))
    made = report("City", NOVEMBER, alerts, [home()], NOW)
    assert made.areas[0].figures.alerts == 3
    assert Month.parse("2026-12").bounds(SHANGHAI)[1] == datetime(2026, 12, 31, 16, tzinfo=UTC)
    for text in ("2026", "2026-13", "2026-11-01", "26-11", "November", "2026-1", "0001-01"):
        with pytest.raises(ValueError, match="is no month"):
            Month.parse(text)
    for zone in ("Pacific/Kiritimati", "Pacific/Niue", "UTC"):
        first, last = NOVEMBER.bounds(ZoneInfo(zone))
        assert padded(NOVEMBER)[0] <= first < last <= padded(NOVEMBER)[1]


def test_a_home_counts_while_a_device_is_in_it_and_once() -> None:
    begins, ends = NOVEMBER.bounds(SHANGHAI)
    assert watched(home(), NOVEMBER, NOW) == 30 * DAY
    assert watched(home(), NOVEMBER, begins + 3 * DAY) == 3 * DAY, "what lies ahead does not count"
    assert watched(home(), NOVEMBER, begins - DAY) == timedelta()
    two = home("x", (begins + 2 * DAY, begins + 5 * DAY), (begins + 4 * DAY, begins + 6 * DAY))
    assert watched(two, NOVEMBER, NOW) == 4 * DAY
    apart = home("x", (begins - 9 * DAY, begins + DAY), (ends - DAY, None))
    assert watched(apart, NOVEMBER, NOW) == 2 * DAY
    inside = home("x", (begins, None), (begins + DAY, begins + 2 * DAY))
    assert watched(inside, NOVEMBER, NOW) == 30 * DAY


def sample() -> Report:
    alerts = [
        past(20 * S, 30 * MIN, 50 * MIN, Outcome.GENUINE),
        past(30 * S, area="City/North/Lane", kind=Kind.INACTIVITY, severity=Severity.HARD),
        past(area="City/=1+1", kind=Kind.BATTERY_LOW, severity=Severity.TECHNICAL),
        past(area="Cityville"),
    ]
    homes = [home("City/Lane"), home("City/Lane"), home("City/North/Lane"), home("City/=1+1")]
    return report("City", NOVEMBER, alerts[:3], homes, NOW)


def test_areas_severities_and_kinds() -> None:
    made = sample()
    assert [(row.label, row.figures.alerts) for row in made.areas] == [
        ("City", 2),
        ("City/=1+1", 0),
        ("City/Lane", 1),
        ("City/North", 1),
    ]
    assert [round(row.figures.home_weeks, 3) for row in made.areas] == [17.143, 4.286, 8.571, 4.286]
    assert [(row.label, row.figures.alerts) for row in made.severities] == [
        ("urgent", 1),
        ("hard", 1),
        ("soft", 0),
        ("technical", 1),
    ]
    assert [row.label for row in made.kinds] == ["sos", "inactivity", "battery_low"]
    whole = report("", NOVEMBER, [past(area="Cityville"), past(area="")], [home()], NOW)
    assert [(row.label, row.figures.alerts) for row in whole.areas] == [("site", 2), ("City", 0), ("Cityville", 1)]


# ---------------------------------------------------------------- files


def test_csv_has_every_row_and_no_formula() -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(sample()))))
    assert len(rows) == 4 + 4 + 3
    assert rows[0] | {"section": "area", "of": "City", "alerts": "2", "answered_60_s_share": "1.0"} == rows[0]
    assert rows[0]["home_weeks"] == "17.142857"
    assert not any(value.startswith(("=", "+", "@")) for row in rows for value in row.values())


def test_the_page_stands_alone_and_escapes_what_comes_from_outside() -> None:
    alerts = [past(area="City/<script>alert(1)</script>")]
    page = as_html(report("City", NOVEMBER, alerts, [home()], NOW), NOW)
    seen: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            seen.append(tag)
            assert not {"src", "href"} & {name for name, _ in attrs}

    Reader(convert_charrefs=True).feed(page)
    assert "script" not in seen
    assert seen.count("table") == 3
    assert "http" not in page.replace("http-equiv", "")
    assert [len(cells(row)) for row in sample().areas] == [len(headings())] * 4


def test_the_workbook_has_numbers_and_no_formulas(tmp_path: Path) -> None:
    path = tmp_path / "report.xlsx"
    write_xlsx(sample(), path)
    with ZipFile(path) as book:
        titles = [sheet.get("name") for sheet in tree(book, "xl/workbook.xml").iter(f"{{{MAIN}}}sheet")]
        strings = [each.text for each in tree(book, "xl/sharedStrings.xml").iter(f"{{{MAIN}}}t")]
        sheets = [tree(book, f"xl/worksheets/sheet{n}.xml") for n in range(1, 5)]
    assert titles == ["By area", "By severity", "By kind", "Definitions"]
    assert not any(list(sheet.iter(f"{{{MAIN}}}f")) for sheet in sheets)
    found = {
        cell.get("r"): strings[int(text)] if cell.get("t") == "s" else float(text)
        for cell in sheets[0].iter(f"{{{MAIN}}}c")
        if (text := cell.findtext(f"{{{MAIN}}}v")) is not None
    }
    assert [found[f"{column}1"] for column in "ABCDEFGHIJKLMNO"] == list(headings())
    assert [found[f"A{line}"] for line in range(2, 6)] == ["City", "City/=1+1", "City/Lane", "City/North"]
    assert (found["B2"], found["D2"]) == (2, 1)
    assert found["F2"] == pytest.approx(25 / 86_400)
    assert "D3" not in found, "a share of nothing is empty"
    with pytest.raises(OSError, match="missing"):
        write_xlsx(sample(), tmp_path / "missing" / "report.xlsx")


def tree(book: ZipFile, name: str) -> Element:
    return fromstring(book.read(name))
