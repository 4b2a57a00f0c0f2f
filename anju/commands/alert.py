"""`anju alert`: see open cases, take them over, say how far you are, hand them over, end them."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, datetime
from difflib import get_close_matches
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from anju import alert_lines, arguments
from anju import context as ctx
from anju.errors import Usage
from anju.login import login
from anju.output import JSON_OPTION, say, show_json, show_table

if TYPE_CHECKING:
    from psycopg import AsyncConnection
    from psycopg.rows import TupleRow

    from alerts.life.commands import AlertRow, By

app = typer.Typer(help="See alerts, take them over, end them.", no_args_is_help=True, rich_markup_mode=None)

_BY = Annotated[str | None, typer.Option("--by", help="Who acts; stands in the alert's history.", show_default="you")]
_ID = Annotated[int, typer.Argument(help="The alert's number.", metavar="ALERT")]
_JSON = Annotated[bool, JSON_OPTION]


class Language(StrEnum):
    """The languages in which a reason is worded."""

    EN = "en"
    ZH = "zh"


_LANGUAGE = Annotated[Language, typer.Option("--language", help="The language of the reason.")]
_COMMENT = Annotated[str | None, typer.Option("--comment", help="What there is to say; stays in the alert's history.")]


@app.command(name="list")
def list_(
    context: typer.Context,
    *,
    closed: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False,
    probes: Annotated[bool, typer.Option("--probes", help="Also the service's own, which tell nobody.")] = False,
    area: Annotated[
        str | None, typer.Option(help="Only this area and all below it, as a path.", metavar="PATH")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many, the gravest first.")] = 100,
    language: _LANGUAGE = Language.EN,
    as_json: _JSON = False,
) -> None:
    """List alerts: those of one home together, the home with the gravest first."""
    from alerts.life import commands, reading
    from registry import policies

    async def work(conn: "AsyncConnection[TupleRow]") -> "list[AlertRow]":
        # Of an area that is not there, "no alert is open" would be calm for nothing.
        path = await policies.area_path(conn, area)
        return await commands.list_alerts(conn, closed=closed, probes=probes, area=path, limit=limit)

    rows = ctx.with_database(context, work)
    found = [alert for home in reading.by_case(rows) for alert in home]
    if as_json:
        show_json([_as_json(alert, language) for alert in found])
        return
    if not found:
        say("no alert is open" if not closed else "there are no alerts")
        return
    columns = ("Alert", "Severity", "Kind", "State", "Raised", "Where", "Reason")
    show_table(
        columns,
        [
            (
                alert.alert_id,
                alert.severity,
                alert.kind,
                alert_lines.standing(alert),
                alert.raised_at,
                alert_lines.where(alert),
                alert.text(language.value) + (f" ({alert.times_raised} times)" if alert.times_raised > 1 else ""),
            )
            for alert in found
        ],
    )


@app.command()
def show(context: typer.Context, number: _ID, language: _LANGUAGE = Language.EN, as_json: _JSON = False) -> None:
    """Show one alert with its evidence, its history, the messages sent about it, and others of the same home."""
    from alerts.life import commands

    found = ctx.with_database(context, lambda conn: commands.show(conn, number))
    if not as_json:
        for line in alert_lines.described(found, language.value):
            say(line)
        return
    show_json(
        {
            **_as_json(found.alert, language),
            "evidence": found.evidence,
            "entries": [asdict(entry) for entry in found.entries],
            "messages": [asdict(message) for message in found.messages],
            "related": [_as_json(other, language) for other in found.related],
        }
    )


@app.command()
def ack(context: typer.Context, number: _ID, by: _BY = None, comment: _COMMENT = None) -> None:
    """Take an alert over: others hear that somebody acts."""
    from alerts.life import commands

    _do(context, commands.acknowledge, number, _actor(by, comment))
    say(f"alert {number} is acknowledged")


@app.command()
def attend(
    context: typer.Context,
    *,
    number: _ID,
    on_scene: Annotated[bool, typer.Option("--on-scene", help="Arrived, not just on the way.")] = False,
    by: _BY = None,
    comment: _COMMENT = None,
) -> None:
    """Say that somebody is on the way, or with --on-scene that they are there."""
    from alerts.life import commands

    _do(context, commands.on_scene if on_scene else commands.on_the_way, number, _actor(by, comment))
    say(f"alert {number}: on the {'scene' if on_scene else 'way'}")


@app.command()
def decline(context: typer.Context, number: _ID, by: _BY = None, comment: _COMMENT = None) -> None:
    """Say that somebody cannot come: the next ones are told at once. Who has the alert gives it back."""
    from alerts.life import commands

    _do(context, commands.decline, number, _actor(by, comment))
    say(f"alert {number} is declined; the next step follows")


@app.command()
def assign(
    context: typer.Context,
    *,
    number: _ID,
    to: Annotated[str, typer.Argument(help="A person's key.", metavar="PERSON", show_default=False)],
    by: _BY = None,
    comment: _COMMENT = None,
) -> None:
    """Give or hand over an alert to somebody, who is told; acknowledging it stays theirs to do."""
    from alerts.life import commands

    who = _actor(by, comment)
    ctx.with_database(context, lambda conn: commands.assign(conn, number, to, who))
    say(f"alert {number} is assigned to {to}")


@app.command()
def comment(
    context: typer.Context,
    *,
    number: _ID,
    text: Annotated[str, typer.Argument(help="What there is to say.", metavar="TEXT", show_default=False)],
    by: _BY = None,
) -> None:
    """Enter something in an alert's history, also of a closed one."""
    from alerts.life import commands

    _do(context, commands.comment, number, _actor(by, text))
    say(f"alert {number}: entered")


@app.command()
def mute(
    context: typer.Context,
    *,
    number: _ID,
    until: Annotated[
        str,
        typer.Option(
            help="Until when nobody is told (ISO 8601 with an offset), at most 30 days.",
            metavar="TIME",
            show_default=False,
        ),
    ],
    by: _BY = None,
    comment: _COMMENT = None,
) -> None:
    """Tell nobody of a technical alert until a time; others cannot be muted."""
    from alerts.life import commands

    until_at, who = arguments.instant(until, "--until"), _actor(by, comment)
    assert until_at is not None  # noqa: S101 (the option is required)
    ctx.with_database(context, lambda conn: commands.mute(conn, number, until_at, who))
    say(f"alert {number} is muted")


@app.command()
def unmute(context: typer.Context, number: _ID, by: _BY = None, comment: _COMMENT = None) -> None:
    """Let a muted alert be told again."""
    from alerts.life import commands

    _do(context, commands.unmute, number, _actor(by, comment))
    say(f"alert {number} is not muted any more")


@app.command()
def close(
    context: typer.Context,
    *,
    number: _ID,
    outcome: Annotated[str, typer.Option(help="How it ended: genuine, false_away, ...; --help names them all.")],
    by: _BY = None,
    comment: _COMMENT = None,
) -> None:
    """End an alert and say how it ended; what follows from that is printed.

    Outcomes: genuine, false_away, false_at_family, false_hospital, false_forgot, false_device_fault, false_test, leak,
    other.
    """
    from alerts.life import commands
    from alerts.model import Outcome

    by_person = [known.value for known in Outcome if known.by_person]
    if outcome not in by_person:
        close_ones = get_close_matches(outcome, by_person, n=1)
        hint = f"did you mean {close_ones[0]}?" if close_ones else f"there are {', '.join(by_person)}"
        raise Usage(f"{outcome!r} is no outcome a person gives; {hint}")
    who = _actor(by, comment)
    closing = ctx.with_database(context, lambda conn: commands.close(conn, number, Outcome(outcome), who))
    say(f"alert {number} is closed: {outcome}")
    for line in alert_lines.consequences(closing):
        say(line)


@app.command()
def reopen(context: typer.Context, number: _ID, by: _BY = None, comment: _COMMENT = None) -> None:
    """Open an alert again that was closed by mistake, within 24 hours; it is told from the beginning."""
    from alerts.life import commands

    _do(context, commands.reopen, number, _actor(by, comment))
    say(f"alert {number} is open again")


def _do(
    context: typer.Context,
    command: "Callable[[AsyncConnection[TupleRow], int, By], Awaitable[None]]",
    number: int,
    by: "By",
) -> None:
    ctx.with_database(context, lambda conn: command(conn, number, by))


def _actor(by: str | None, comment: str | None) -> "By":
    from alerts.life.commands import By

    return By(actor=by or login(), source="cli", now=datetime.now(UTC), comment=comment)


def _as_json(alert: "AlertRow", language: Language) -> dict[str, object]:
    return {**asdict(alert), "attending": alert.attending, "text": alert.text(language.value)}
