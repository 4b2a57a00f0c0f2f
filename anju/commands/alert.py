"""`anju alert`: see open cases, take them over, end them."""

from dataclasses import asdict
from datetime import UTC, datetime
from difflib import get_close_matches
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from anju import context as ctx
from anju.errors import Usage
from anju.login import login
from anju.output import JSON_OPTION, instant, say, show_json, show_table

if TYPE_CHECKING:
    from alerts.commands import AlertRow, By

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
    area: Annotated[
        str | None, typer.Option(help="Only this area and all below it, as a path.", metavar="PATH")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many, newest first.")] = 100,
    language: _LANGUAGE = Language.EN,
    as_json: _JSON = False,
) -> None:
    """List alerts, newest first."""
    from alerts import commands

    found = ctx.with_database(context, lambda conn: commands.list_alerts(conn, closed=closed, area=area, limit=limit))
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
                alert.state if alert.outcome is None else f"{alert.state}: {alert.outcome}",
                alert.raised_at,
                _where(alert),
                alert.text(language.value) + (f" ({alert.times_raised} times)" if alert.times_raised > 1 else ""),
            )
            for alert in found
        ],
    )


@app.command()
def show(context: typer.Context, number: _ID, language: _LANGUAGE = Language.EN, as_json: _JSON = False) -> None:
    """Show one alert with its evidence, its history and the messages sent about it."""
    from alerts import commands

    found = ctx.with_database(context, lambda conn: commands.show(conn, number))
    if as_json:
        show_json(
            {
                **_as_json(found.alert, language),
                "evidence": found.evidence,
                "entries": [asdict(entry) for entry in found.entries],
                "messages": [asdict(message) for message in found.messages],
            }
        )
        return
    alert = found.alert
    say(f"alert {alert.alert_id}: {alert.kind}, {alert.severity}, {alert.state}")
    say(f"where:   {_where(alert)}")
    say(f"reason:  {alert.text(language.value)}")
    say(f"since:   {instant(alert.since)}; raised {instant(alert.raised_at)}, {alert.times_raised} times in all")
    if alert.outcome is not None:
        say(f"outcome: {alert.outcome}, {instant(alert.closed_at)}")
    say("evidence:")
    for name, value in found.evidence.items():
        say(f"  {name}: {value}")
    say("history:")
    for entry in found.entries:
        comment = entry.detail.get("comment")
        said = f": {comment}" if isinstance(comment, str) else ""
        say(f"  {instant(entry.at)}  {entry.action} by {entry.actor} ({entry.source}){said}")
    say("messages:")
    for message in found.messages:
        last = f", last: {message.last_reason}" if message.last_reason else ""
        say(
            f"  {instant(message.created_at)}  {message.type} to {message.channel}/{message.recipient}:"
            f" {message.state} after {message.attempts} attempts{last}"
        )


@app.command()
def ack(context: typer.Context, number: _ID, by: _BY = None, comment: _COMMENT = None) -> None:
    """Take an open alert over: others hear that somebody acts."""
    from alerts import commands

    ctx.with_database(context, lambda conn: commands.acknowledge(conn, number, _actor(by, comment)))
    say(f"alert {number} is acknowledged")


@app.command()
def close(
    context: typer.Context,
    *,
    number: _ID,
    outcome: Annotated[str, typer.Option(help="How it ended: genuine, false_away, ...; --help names them all.")],
    by: _BY = None,
    comment: _COMMENT = None,
) -> None:
    """End an alert and say how it ended.

    Outcomes: genuine, false_away, false_at_family, false_hospital, false_forgot, false_device_fault, false_test, leak,
    other.
    """
    from alerts import commands
    from alerts.model import Outcome

    by_person = [known.value for known in Outcome if known.by_person]
    if outcome not in by_person:
        close_ones = get_close_matches(outcome, by_person, n=1)
        hint = f"did you mean {close_ones[0]}?" if close_ones else f"there are {', '.join(by_person)}"
        raise Usage(f"{outcome!r} is no outcome a person gives; {hint}")
    ctx.with_database(context, lambda conn: commands.close(conn, number, Outcome(outcome), _actor(by, comment)))
    say(f"alert {number} is closed: {outcome}")


def _actor(by: str | None, comment: str | None) -> "By":
    from alerts.commands import By

    return By(actor=by or login(), source="cli", now=datetime.now(UTC), comment=comment)


def _where(alert: "AlertRow") -> str:
    return ", ".join(part for part in (alert.home, alert.area) if part) or alert.device or alert.subject


def _as_json(alert: "AlertRow", language: Language) -> dict[str, object]:
    return {**asdict(alert), "text": alert.text(language.value)}
