"""`anju escalation try`: who would be told of an alert when."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from anju import arguments
from anju import context as ctx
from anju.ladders import JSON, SEVERITY, channels_of, kind_of, refusals, severities_of
from anju.output import complain, instant, say, show_json, show_table

if TYPE_CHECKING:
    from psycopg import AsyncConnection
    from psycopg.rows import TupleRow

    from alerts.escalation.model import Message
    from alerts.escalation.rehearsal import Rehearsal


def add_to(app: typer.Typer) -> None:
    """Adds the command of this module."""
    app.command(name="try")(try_)


def try_(
    context: typer.Context,
    *,
    home: Annotated[
        str, typer.Option(help="Of this home, as area path and name.", metavar="AREA/HOME", show_default=False)
    ],
    kind: Annotated[str, typer.Option(help="As sos or inactivity.", metavar="KIND")] = "sos",
    severity: SEVERITY = None,
    at: Annotated[
        str | None, typer.Option(help="When (ISO 8601 with an offset).", metavar="TIME", show_default="now")
    ] = None,
    as_json: JSON = False,
) -> None:
    """Show who would be told of an alert when, if nobody took it. Nothing is sent and nothing is written."""
    from alerts.model import Severity
    from registry.installing import find_home

    channels = channels_of(ctx.settings(context))
    which = kind_of(kind)
    severe = severities_of(which, list(Severity))[0] if severity is None else Severity(severity.value)
    begins = arguments.instant(at, "--at") or datetime.now(UTC)

    async def work(conn: "AsyncConnection[TupleRow]") -> "Rehearsal":
        from alerts.escalation.rehearsal import Scene, area_of_home, rehearse

        home_id, _ = await find_home(conn, home)
        area_id = await area_of_home(conn, home_id)
        return await rehearse(
            conn,
            Scene(area_id=area_id, home_id=home_id, kind=which, severity=severe, at=begins, channels=channels),
        )

    with refusals():
        found = ctx.with_database(context, work)
    if as_json:
        show_json(_as_json(found, begins))
        return
    _show_rehearsal(found, begins)


def _show_rehearsal(found: "Rehearsal", begins: datetime) -> None:
    from alerts.escalation import words

    show_table(
        ("At", "After", "Who", "By", "As", "Message"),
        [
            (
                message.not_before,
                words.span(round((message.not_before - begins).total_seconds())),
                _key(message),
                message.channel,
                message.audience,
                message.type.removeprefix("anju.alert."),
            )
            for moment in found.moments
            for message in moment.messages
        ],
    )
    for moment in found.moments:
        for each in moment.fell_upward:
            complain(f"after {words.span(round((moment.at - begins).total_seconds()))}: {words.fell(each)}")
    if any(moment.nobody for moment in found.moments):
        complain("there is nobody to tell: it would be tried again each minute")
    if not found.circle.staffed:
        complain("there is no roster at all: the duty desk hears all by webhook, and nobody else is told")
    ladder = f"{found.circle.ladder.name}, said by {found.circle.ladder_by}"
    say(f"{ladder}; from the first step again at {instant(found.again_at)}")


def _as_json(found: "Rehearsal", begins: datetime) -> dict[str, object]:
    return {
        "ladder": found.circle.ladder.name,
        "by": found.circle.ladder_by,
        "begins": begins,
        "again_at": found.again_at,
        "nobody": any(moment.nobody for moment in found.moments),
        "moments": [
            {
                "at": moment.at,
                "fell_upward": list(moment.fell_upward),
                "messages": [
                    {
                        "at": message.not_before,
                        "who": _key(message),
                        "by": message.channel,
                        "as": message.audience,
                        "type": str(message.type),
                    }
                    for message in moment.messages
                ],
            }
            for moment in found.moments
        ],
    }


def _key(message: "Message") -> str:
    return "the desk" if message.person is None else message.person.key
