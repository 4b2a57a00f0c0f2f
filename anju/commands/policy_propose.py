"""`anju policy propose` and `accept`: the line of each home that keeps the visits of an area within a budget."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anju import context as ctx
from anju.defaults import policy_defaults
from anju.errors import NotPossible, Usage
from anju.login import login
from anju.output import JSON_OPTION, complain, say, show_json, show_table

if TYPE_CHECKING:
    from psycopg import AsyncConnection
    from psycopg.rows import TupleRow

    from anju.proposals import Line, Proposal
    from registry.policy import Policy

_UNCHANGED = "nothing is changed"
_BY = Annotated[str | None, typer.Option("--by", help="Who accepts it; stands in the history.", show_default="you")]


def add_to(app: typer.Typer) -> None:
    """Adds both commands to `anju policy`."""
    app.command()(propose)
    app.command()(accept)


def propose(
    context: typer.Context,
    *,
    area: Annotated[
        str, typer.Option(help="The homes of this area and below it, as a path.", metavar="PATH", show_default=False)
    ],
    visits_per_week: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=1_000_000.0,
            help="So many visits for nothing a week are possible, to all these homes together.",
            metavar="N",
            show_default=False,
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="Write the proposal, for `accept`.", metavar="FILE")] = None,
    accept_it: Annotated[bool, typer.Option("--accept", help="Let it count at once.", show_default=False)] = False,
    by: _BY = None,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Propose the line of each home that keeps within a budget of visits, with the delay to be expected.

    Tries the lines within the bounds of the homes' policies on the last 90 days. Changes nothing unless it is accepted.
    """
    from anju.proposing import propose as make
    from registry import policies

    if out is not None and (out.is_dir() or not out.absolute().parent.is_dir()):
        raise Usage(f"--out: {out} cannot be a file, or there is no folder for it")
    defaults = policy_defaults(ctx.settings(context))

    async def work(conn: "AsyncConnection[TupleRow]") -> "Proposal":
        where = await policies.find(conn, area=area)
        return await make(
            conn, where.place, visits_per_week, defaults=defaults, now=datetime.now(UTC), progress=_progress
        )

    proposal = ctx.with_database(context, work)
    if out is not None:
        try:
            out.write_text(f"{proposal.model_dump_json(indent=1)}\n", encoding="utf-8")
        except OSError as error:
            raise Usage(f"{out} cannot be written: {error.strerror}") from error
    if as_json:
        show_json(proposal.model_dump(mode="json"))
    else:
        _tell(proposal)
    if accept_it:
        _accept(context, proposal, defaults, by, complain if as_json else say)
    elif not as_json:
        say(f"nothing is changed; `anju policy accept {out}` lets it count" if out and proposal.homes else _UNCHANGED)


def accept(
    context: typer.Context,
    *,
    file: Annotated[Path, typer.Argument(help="What `anju policy propose --out` has written.", metavar="FILE")],
    by: _BY = None,
) -> None:
    """Let a proposal count: each home's own policy gets its line, and is looked at anew.

    Refused where the proposal is older than 7 days or the policy of one of its homes has changed since.
    """
    from anju.proposals import read_proposal

    _accept(context, read_proposal(file), policy_defaults(ctx.settings(context)), by, say)


def _accept(
    context: typer.Context, proposal: "Proposal", defaults: "Policy", by: str | None, tell: Callable[[str], None]
) -> None:
    from anju.proposals import accept as write
    from registry.policy import PolicyRefused

    try:
        changed = ctx.with_database(
            context,
            lambda conn: write(conn, proposal, defaults=defaults, now=datetime.now(UTC), actor=by or login()),
        )
    except PolicyRefused as refused:
        raise NotPossible(str(refused)) from None
    tell(f"{changed} of {len(proposal.homes)} homes have another line now")


def _tell(proposal: "Proposal") -> None:
    for each in proposal.left_out:
        complain(f"{each.home} keeps its line: {each.why}")
    homes = proposal.homes
    if not homes:
        say("there is no home to propose a line for")
        return
    show_table(
        ("Home", "Line now", "Alarms/week", "Delay h", "Proposed", "Alarms/week then", "Delay h then"),
        [(each.home, *_cells(each.now), *_cells(each.proposed)) for each in homes]
        + [("all", *_total([each.now for each in homes]), *_total([each.proposed for each in homes]))],
    )
    if proposal.is_over:
        complain(
            f"the bounds of the policies allow no fewer: {proposal.visits_per_week:g} visits a week are not enough"
        )


def _cells(line: "Line") -> tuple[str, str, str]:
    name = line.parameter.removeprefix("inactivity_")
    return f"{name}={line.value:g}", f"{line.alarms_per_week:.2f}", f"{line.delay_h:.1f}"


def _total(lines: "list[Line]") -> tuple[str, str, str]:
    delay_h = sum(each.delay_h for each in lines) / len(lines)
    return "", f"{sum(each.alarms_per_week for each in lines):.2f}", f"{delay_h:.1f}"


def _progress(share: float) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{share:4.0%}" + ("\r    \r" if share >= 1.0 else ""))
        sys.stderr.flush()
