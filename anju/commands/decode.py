"""`anju decode`: what a message says, before anything is installed."""

import sys
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anju.arguments import instant
from anju.errors import Exit, Usage
from anju.output import complain, show_json_line

if TYPE_CHECKING:
    from anju.decoding import Case, Outcome


def add_to(app: typer.Typer) -> None:
    """Adds the command of this module."""
    app.command(name="decode")(decode_)


def decode_(
    *,
    file: Annotated[
        Path,
        typer.Argument(
            help="A file with the payload's bytes; - for standard input.",
            metavar="FILE",
        ),
    ],
    topic: Annotated[str, typer.Option(help="The topic it came on.", metavar="TOPIC")],
    driver: Annotated[
        str | None,
        typer.Option(
            help="The family to read it with: for a site whose topics begin otherwise.",
            metavar="NAME",
            show_default="the topic's",
        ),
    ] = None,
    received_at: Annotated[
        str | None,
        typer.Option(
            help="When it came in (ISO 8601 with an offset): times in it are judged against that.", metavar="TIME"
        ),
    ] = None,
    litres_per_pulse: Annotated[
        float | None, typer.Option(help="Also show what a pulse counter comes to in litres.", metavar="N")
    ] = None,
    in_hex: Annotated[bool, typer.Option("--hex", help="The file has hex digits.")] = False,
    keep_positions: Annotated[
        bool,
        typer.Option("--keep-positions", help="Presses and falls keep where they happened (ANJU_KEEP_POSITIONS)."),
    ] = False,
) -> None:
    """Show what ingest would store of one message. Needs no database and no settings.

    One JSON line for each reading, event and refused part, or one with why it is rejected. Ends with 0 when the message
    was decoded, with 3 when it was rejected.
    """
    if litres_per_pulse is not None and not 0 < litres_per_pulse <= 1e6:
        raise Usage("--litres-per-pulse is a number of litres above 0, such as 1 or 0.5")
    received = instant(received_at, "--received-at")
    if received is not None and not 1970 <= received.year < 9999:
        raise Usage("--received-at lies before MQTT, or in no foreseeable future")
    from anju.decoding import Case

    payload = _payload(file)
    if in_hex:
        try:
            payload = _from_hex(payload)
        except ValueError:
            show_json_line({"rejected": "payload_invalid", "detail": "--hex: not pairs of hex digits"})
            raise typer.Exit(Exit.REFUSED) from None
    case = Case(
        topic=topic,
        payload=payload,
        received_at=received,
        now=datetime.now(UTC),
        litres_per_pulse=litres_per_pulse,
    )
    outcome = _decoded(driver, case, keep_positions=keep_positions)
    for line in outcome.lines:
        show_json_line(line)
    if outcome.rejected:
        raise typer.Exit(Exit.REFUSED)
    if not outcome.lines:
        complain("understood; there is nothing in it to store")


def _decoded(name: str | None, case: "Case", *, keep_positions: bool) -> "Outcome":
    from anju.decoding import decode, decode_as
    from devices.registry import discover

    drivers = discover(keep_positions=keep_positions)
    if name is None:
        return decode(drivers, case)
    if name not in drivers.by_name:
        close = get_close_matches(name, drivers.by_name, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(drivers.by_name)}"
        raise Usage(f"there is no driver {name!r}; {hint}")
    return decode_as(drivers.by_name[name], case, keep_positions=keep_positions)


def _payload(file: Path) -> bytes:
    if str(file) == "-":
        return sys.stdin.buffer.read()
    try:
        return file.read_bytes()
    except OSError as error:
        raise Usage(f"{file} cannot be read: {error.strerror}") from error


def _from_hex(digits: bytes) -> bytes:
    text = digits.decode("ascii").strip()
    return bytes.fromhex(text.removeprefix("0x").removeprefix("0X"))
