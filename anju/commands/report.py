"""`anju report`: how alerts were answered and attended, by area and month."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anju import context as ctx
from anju.errors import CommandError, Usage
from anju.output import JSON_OPTION, complain, say, show_json, show_table

if TYPE_CHECKING:
    from psycopg import AsyncConnection
    from psycopg.rows import TupleRow

    from alerts.report.month import Month
    from alerts.report.table import Report


def add_to(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    app.command()(report)


def report(
    context: typer.Context,
    *,
    month: Annotated[str, typer.Option(help="By the calendar of each home.", metavar="YYYY-MM", show_default=False)],
    area: Annotated[
        str | None, typer.Option(help="This area and all below it, as a path.", metavar="PATH", show_default="the site")
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="Write CSV; - for standard output.", metavar="FILE")] = None,
    xlsx: Annotated[Path | None, typer.Option(help="Write a workbook.", metavar="FILE")] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page that stands alone.", metavar="FILE")] = None,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Show how alerts of a month were answered and attended, how many were false, how many there were per home-week.

    For the area, each area directly below it, each severity and each kind. Probes and cases that were only recorded
    do not count. docs/report.md says what each figure is.
    """
    from alerts.report.month import Month
    from anju import report_files

    try:
        wanted = Month.parse(month)
    except ValueError as error:
        raise Usage(f"--month: {error}") from None
    now = datetime.now(UTC)
    if wanted > (now.year, now.month + 1):
        raise Usage(f"--month: {month} has not begun")
    found = _read(context, area, wanted, now)
    for path, content in ((csv, report_files.as_csv), (html, lambda each: report_files.as_html(each, now))):
        if path is not None:
            _write(path, content(found))
    if xlsx is not None:
        try:
            report_files.write_xlsx(found, xlsx)
        except OSError as error:
            raise CommandError(f"{xlsx} cannot be written: {error}") from error
        complain(f"written: {xlsx}")
    if as_json:
        show_json(
            {
                "area": found.area or None,
                "month": str(found.month),
                "until": found.until,
                "rows": [
                    {"section": section, "of": row.label, **report_files.plain(row.figures)}
                    for section, row in report_files.lines(found)
                ],
            }
        )
    elif csv is xlsx is html is None:
        show_table(report_files.headings(), [report_files.cells(row) for _, row in report_files.lines(found)])


def _read(context: typer.Context, area: str | None, month: "Month", now: datetime) -> "Report":
    from alerts.report.reading import read_report
    from registry.policies import find

    async def work(conn: "AsyncConnection[TupleRow]") -> "Report":
        where = await find(conn, area=area)
        return await read_report(conn, where.place, month, now=now)

    return ctx.with_database(context, work)


def _write(path: Path, content: str) -> None:
    if str(path) == "-":
        say(content.removesuffix("\n"))
        return
    try:
        path.write_text(content, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from error
    complain(f"written: {path}")
