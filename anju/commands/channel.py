"""`anju channel`: by which ways people are told, what can come back, and a test message through one of them."""

import asyncio
from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from anju import context as ctx
from anju.errors import Exit
from anju.output import JSON_OPTION, complain, printable, say, show_json, show_table

if TYPE_CHECKING:
    from anju.ways_back import Way

app = typer.Typer(
    help="See by which ways people are told and what can come back; send a test message.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_JSON = Annotated[bool, JSON_OPTION]


class ChannelName(StrEnum):
    """The channels."""

    SMS = "sms"
    VOICE = "voice"
    CHAT = "chat"
    WEBHOOK = "webhook"


class Language(StrEnum):
    """In which a message is written."""

    ZH = "zh"
    EN = "en"


@app.command(name="list")
def list_(context: typer.Context, as_json: _JSON = False) -> None:
    """List providers, chats and receivers in the order in which they are asked, with their caps and what comes back.

    "once entered": when the addresses of `anju channel callbacks` are entered at the provider.
    """
    from anju import ways_back

    loaded = ctx.settings(context)
    found = ways_back.ways(loaded)
    if as_json:
        show_json([asdict(way) for way in found])
        return
    if not found:
        say("the settings have no way out; docs/providers.md goes through them")
        return
    columns = ("Channel", "Order", "Name", "Provider", "Caps", "Receipts", "Answers")
    show_table(columns, [_row(way) for way in found])
    if not ways_back.hears(loaded):
        complain(
            "anju: nothing listens for receipts and answers: set ANJU_PUBLIC_URL, ANJU_LINK_SECRET and"
            " ANJU_ALERTS_HTTP_PORT"
        )


@app.command()
def callbacks(context: typer.Context, as_json: _JSON = False) -> None:
    """Print every callback address that must be entered at a provider. One with a key is a password."""
    from anju import ways_back

    found = ways_back.callbacks(ctx.settings(context, "public_url", "link_secret"))
    if as_json:
        show_json([asdict(callback) for callback in found])
    elif not found:
        say("no provider of the settings calls back at an address that must be entered")
    else:
        # No table: an address must be one line, to be copied.
        for each in found:
            say(f"{each.provider} ({each.kind}): {each.brings}, {each.method}; enter at: {each.enter_at}")
            say(f"    {each.address}")
    if any(callback.keyed for callback in found):
        complain(
            "anju: an address with a key is a password: whoever has it can forge receipts and answers."
            " A new ANJU_LINK_SECRET makes new keys"
        )


@app.command(name="try")
def try_(
    context: typer.Context,
    *,
    channel: Annotated[ChannelName, typer.Argument(help="Which channel.", show_default=False)],
    to: Annotated[
        str,
        typer.Option(help="A number such as +8613800000000; the name of a chat or receiver.", metavar="ADDRESS"),
    ],
    provider: Annotated[
        str | None, typer.Option(help="By which provider, by its name.", show_default="the first", metavar="NAME")
    ] = None,
    language: Annotated[Language | None, typer.Option(help="Of the message.", show_default="the site's")] = None,
    as_json: _JSON = False,
) -> None:
    """Send one message, marked as a test, through exactly this provider, now. The provider charges it like any other.

    Needs no database; caps are not looked at. Providers of templates get the one of `raised`, with values that say
    that there is no alert. Ends with 0 when the message was accepted: that it is delivered shows on the telephone.
    """
    from alerts.channels.results import Accepted
    from anju import trial

    loaded = ctx.settings(context)
    name, result = asyncio.run(
        trial.send(
            loaded,
            channel.value,
            to,
            provider=provider,
            language=loaded.language if language is None else language.value,
            now=datetime.now(UTC),
        )
    )
    accepted = isinstance(result, Accepted)
    advice = "" if isinstance(result, Accepted) else trial.ADVICE[result.fault]
    if as_json:
        show_json(
            {
                "accepted": accepted,
                "channel": channel.value,
                "provider": name,
                "provider_id": result.provider_id if isinstance(result, Accepted) else None,
                "fault": None if isinstance(result, Accepted) else result.fault,
                "advice": advice,
            }
        )
    elif isinstance(result, Accepted):
        named = f", as {printable(result.provider_id.encode())}" if result.provider_id else ", without an id"
        say(f"{name} accepted it{named}")
    else:
        complain(f"anju: {name} did not accept it: {result.fault}; {advice}")
    if not accepted:
        raise typer.Exit(Exit.FAILED)


def _row(way: "Way") -> tuple[object, ...]:
    caps = ", ".join(way.caps) or "none"
    if way.caps_from == "known":
        caps += " (known)"
    return way.channel, way.position, way.name, way.provider, caps, way.receipts, way.answers
