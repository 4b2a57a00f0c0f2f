"""`anju escalation`: who is told of an alert at which step, for the site and its areas."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anju import arguments
from anju import context as ctx
from anju.errors import InputRefused, NotPossible, Usage
from anju.login import login
from anju.output import JSON_OPTION, complain, instant, say, show_json, show_table

if TYPE_CHECKING:
    from psycopg import AsyncConnection
    from psycopg.rows import TupleRow

    from alerts.escalation.model import Circle, Message
    from alerts.escalation.policy import Definition, Ladder, Step
    from alerts.escalation.rehearsal import Rehearsal
    from alerts.escalation.storing import Stored
    from alerts.model import Kind, Severity
    from config.settings import Settings
    from registry.policies import Where

app = typer.Typer(
    help="See and change who is told of an alert at which step; an area without a policy goes by the one above.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


class Grave(StrEnum):
    """How grave."""

    URGENT = "urgent"
    HARD = "hard"
    SOFT = "soft"
    TECHNICAL = "technical"


_AREA = Annotated[str | None, typer.Option(help="For this area, as a path.", metavar="PATH", show_default=False)]
_SITE = Annotated[bool, typer.Option("--site", help="For the whole site.")]
_KIND = Annotated[
    str | None, typer.Option(help="Of this kind, as sos or inactivity.", metavar="KIND", show_default=False)
]
_SEVERITY = Annotated[
    Grave | None, typer.Option(help="How grave it is.", show_default="what its kind usually is, the milder one")
]
_JSON = Annotated[bool, JSON_OPTION]


@app.command()
def show(
    context: typer.Context,
    *,
    area: _AREA = None,
    kind: _KIND = None,
    severity: Annotated[Grave | None, typer.Option(help="How grave it is.", show_default="any")] = None,
    as_json: _JSON = False,
) -> None:
    """Show the steps that count for an area (or the site), and who that would be now."""
    from alerts.model import Kind, Severity
    from registry import policies

    channels = _channels(ctx.settings(context))
    kinds = [_kind(kind)] if kind is not None else list(Kind)
    grave = list(Severity) if severity is None else [Severity(severity.value)]
    now = datetime.now(UTC)

    async def work(conn: "AsyncConnection[TupleRow]") -> "list[tuple[Ladder, Circle]]":
        from alerts.escalation.rehearsal import Scene, around

        where = await policies.find(conn, area=area)
        found: dict[tuple[str, str], tuple[Ladder, Circle]] = {}
        for each in kinds:
            for severe in _severities(each, grave):
                scene = Scene(
                    area_id=where.scope.area_id, home_id=None, kind=each, severity=severe, at=now, channels=channels
                )
                circle = await around(conn, scene)
                found.setdefault((circle.ladder_by, circle.ladder.name), (circle.ladder, circle))
        return list(found.values())

    with _refusals():
        ladders = ctx.with_database(context, work)
    if as_json:
        show_json(
            [
                {"by": circle.ladder_by, **ladder.model_dump(mode="json", by_alias=True)}
                | {"now": _now(ladder, circle)}
                for ladder, circle in ladders
            ]
        )
        return
    _show_ladders(ladders)


def _show_ladders(ladders: "list[tuple[Ladder, Circle]]") -> None:
    from alerts.escalation import words

    rows = [
        (circle.ladder_by, ladder.name, words.span(step.after_s), words.step(step), ", ".join(now) or "")
        for ladder, circle in ladders
        for step, now in zip(ladder.steps, _now(ladder, circle), strict=True)
    ]
    show_table(("Said by", "Ladder", "After", "Who", "Now"), rows)
    for ladder, _ in ladders:
        say(f"{ladder.name} ({words.scope(ladder)})")
        for line in words.afterwards(ladder):
            say(f"  {line}")


def _now(ladder: "Ladder", circle: "Circle") -> list[list[str]]:
    return [_now_at(step, circle) for step in ladder.steps]


def _now_at(step: "Step", circle: "Circle") -> list[str]:
    from alerts.escalation.reach import reach
    from alerts.model import Severity

    names = []
    for tell in step.tell:
        if not tell.is_staff:
            continue
        reached = reach(tell, circle, Severity.TECHNICAL, turn=0, place=0)
        keys = [someone.person.key if someone.person is not None else "the desk" for someone in reached.people]
        names += keys or ["nobody"]
    return names


@app.command(name="set")
def set_(
    context: typer.Context,
    *,
    file: Annotated[
        Path,
        typer.Argument(help="The policy, see docs/escalation.md.", metavar="FILE.toml", exists=True, dir_okay=False),
    ],
    site: _SITE = False,
    area: _AREA = None,
    by: Annotated[
        str | None, typer.Option("--by", help="Who changes it; stands in the history.", show_default="you")
    ] = None,
) -> None:
    """Let a policy count for an area or the site, from the next step of each alert on."""
    from alerts.escalation import policy, storing, words
    from registry import policies

    if site == (area is not None):
        raise Usage("say for what: one of --site and --area PATH")
    now = datetime.now(UTC)
    with _refusals():
        definition = policy.read(_text(file))

        async def work(conn: "AsyncConnection[TupleRow]") -> "tuple[Where, list[str]]":
            where = await policies.find(conn, area=area)
            unknown = await _unknown(conn, definition)
            if not unknown:
                await storing.write(conn, where.scope.area_id, definition, now=now, by=by or login())
            return where, unknown

        where, unknown = ctx.with_database(context, work)
    if unknown:
        raise NotPossible(f"there is no person {', '.join(unknown)}; `anju person list` has them all")
    for ladder in definition.ladders:
        say(f"{where}: {ladder.name} counts for {words.scope(ladder)}")


@app.command()
def history(
    context: typer.Context,
    *,
    site: _SITE = False,
    area: _AREA = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many, newest first.")] = 50,
    as_json: _JSON = False,
) -> None:
    """Show who set which policy when, for one level or (none named) everywhere."""
    from alerts.escalation import storing
    from registry import policies

    if site and area is not None:
        raise Usage("give --site or --area, not both")

    async def work(conn: "AsyncConnection[TupleRow]") -> "list[Stored]":
        where = await policies.find(conn, area=area)
        everywhere = not site and area is None
        return await storing.history(conn, where.scope.area_id, everywhere=everywhere, limit=limit)

    with _refusals():
        found = ctx.with_database(context, work)
    if as_json:
        show_json(
            [
                {
                    **each._asdict(),
                    "definition": each.definition and each.definition.model_dump(mode="json", by_alias=True),
                }
                for each in found
            ]
        )
        return
    if not found:
        say("no escalation policy was ever set: the ladders that come with Anju count")
        return
    show_table(
        ("Changed", "By", "Where", "Ladders"),
        [
            (
                each.changed_at,
                each.changed_by,
                each.area or "site",
                "cannot be read" if each.definition is None else ", ".join(one.name for one in each.definition.ladders),
            )
            for each in found
        ],
    )


@app.command(name="try")
def try_(
    context: typer.Context,
    *,
    home: Annotated[
        str, typer.Option(help="Of this home, as area path and name.", metavar="AREA/HOME", show_default=False)
    ],
    kind: Annotated[str, typer.Option(help="As sos or inactivity.", metavar="KIND")] = "sos",
    severity: _SEVERITY = None,
    at: Annotated[
        str | None, typer.Option(help="When (ISO 8601 with an offset).", metavar="TIME", show_default="now")
    ] = None,
    as_json: _JSON = False,
) -> None:
    """Show who would be told of an alert when, if nobody took it. Nothing is sent and nothing is written."""
    from alerts.model import Severity
    from registry.installing import find_home

    channels = _channels(ctx.settings(context))
    which = _kind(kind)
    severe = _severities(which, list(Severity))[0] if severity is None else Severity(severity.value)
    begins = arguments.instant(at, "--at") or datetime.now(UTC)

    async def work(conn: "AsyncConnection[TupleRow]") -> "Rehearsal":
        from alerts.escalation.rehearsal import Scene, area_of_home, rehearse

        home_id, _ = await find_home(conn, home)
        area_id = await area_of_home(conn, home_id)
        return await rehearse(
            conn,
            Scene(area_id=area_id, home_id=home_id, kind=which, severity=severe, at=begins, channels=channels),
        )

    with _refusals():
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


def _kind(text: str) -> "Kind":
    from alerts.model import Kind

    try:
        return Kind(text)
    except ValueError:
        raise Usage(f"there is no kind {text!r}; there are: {', '.join(Kind)}") from None


def _severities(kind: "Kind", among: "list[Severity]") -> "list[Severity]":
    """Those that alerts of a kind can have, the mildest first; all that were asked for where none of them can be."""
    from alerts.model import Kind, Severity

    technical = {
        Kind.MONITORING_LOST, Kind.MONITORING_IMPAIRED, Kind.BATTERY_LOW, Kind.CLOCK_WRONG, Kind.TAMPER,
        Kind.METER_FAULT, Kind.TEST_OVERDUE, Kind.CHECK_OVERDUE, Kind.HEARING_LOST, Kind.PROBE_LOST,
    }  # fmt: skip
    calls = {Kind.SOS, Kind.FALL, Kind.SOS_UNKNOWN_DEVICE, Kind.FALL_UNKNOWN_DEVICE}
    if kind in calls:
        usual = [Severity.URGENT]
    elif kind in technical:
        usual = [Severity.TECHNICAL]
    elif kind is Kind.AREA_INCIDENT:
        usual = [Severity.HARD]
    else:
        usual = [Severity.SOFT, Severity.HARD]
    return [each for each in usual if each in among] or among


def _channels(settings: "Settings") -> frozenset[str]:
    """The ways out that the settings name."""
    named = {name for name in ("sms", "voice", "chat", "webhook") if getattr(settings, name)}
    return frozenset(named | ({"webhook"} if settings.webhook_url is not None else set()))


async def _unknown(conn: "AsyncConnection[TupleRow]", definition: "Definition") -> list[str]:
    """The keys of persons that a policy names and nobody has."""
    from alerts.escalation.policy import PERSON
    from registry.people import read_people

    keys = {
        tell.who.removeprefix(PERSON)
        for ladder in definition.ladders
        for step in ladder.steps
        for tell in step.tell
        if tell.who.startswith(PERSON)
    }
    return sorted(keys - set(await read_people(conn, keys)))


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Usage(f"{file} cannot be read: {error}") from None


@contextmanager
def _refusals() -> Iterator[None]:
    """Tells whose turn it is: whoever wrote the file, or whoever knows what is on record."""
    from alerts.escalation.errors import BadPolicy
    from registry.policies import AreaUnknown

    try:
        yield
    except BadPolicy as refused:
        raise InputRefused(str(refused)) from None
    except AreaUnknown as unknown:
        raise NotPossible(str(unknown)) from None
