"""A proposal as a file: what each home's line would be, and what held when it was made."""

from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Final

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, ValidationError

from anju.errors import InputRefused, NotPossible, Usage
from registry import policies
from registry.policy import Policy, PolicyRefused, checked, resolve_homes
from storage.sql import load

_SQL = load("anju", "proposals.sql")

VALID: Final = timedelta(days=7)
"""A proposal that is older was made for a life that may have changed."""
_MAY_SET: Final = frozenset({"inactivity_strictness", "inactivity_window_h"})


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Line(_Model):
    """What a line is worth: alarms for nothing a week, and the hours until an incapacitation is noticed, on average."""

    parameter: str
    value: int | float
    alarms_per_week: float
    delay_h: float


class HomeProposal(_Model):
    """One home's line now and as proposed, and all that its policy says now."""

    home: str
    home_id: int
    now: Line
    proposed: Line
    policy: dict[str, JsonValue]

    @property
    def changes(self) -> bool:
        """Whether it is to have another line."""
        return (self.now.parameter, self.now.value) != (self.proposed.parameter, self.proposed.value)


class LeftOut(_Model):
    """A home of which nothing can be said; it keeps its line."""

    home: str
    why: str


class Proposal(_Model):
    """The lines of an area's homes.

    Attributes:
        is_over: the municipal bounds allow no line by which the visits would stay within the budget.
    """

    made_at: AwareDatetime
    area: str
    visits_per_week: Annotated[float, Field(ge=0)]
    is_over: bool
    homes: tuple[HomeProposal, ...]
    left_out: tuple[LeftOut, ...] = ()


def read_proposal(file: Path) -> Proposal:
    """Reads what `anju policy propose --out` has written.

    Raises:
        Usage: the file cannot be read.
        InputRefused: it is no proposal.
    """
    try:
        proposal = Proposal.model_validate_json(file.read_bytes())
    except OSError as error:
        raise Usage(f"{file} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise InputRefused(f"{file} is no proposal: {error.errors()[0]['msg']}") from None
    for each in proposal.homes:
        if each.proposed.parameter not in _MAY_SET:
            raise InputRefused(f"{file}: a proposal sets no {each.proposed.parameter!r}")
        try:
            checked({each.proposed.parameter: each.proposed.value})
        except PolicyRefused as refused:
            raise InputRefused(f"{file}: home {each.home}: {refused}") from None
    return proposal


async def accept(
    conn: AsyncConnection[TupleRow], proposal: Proposal, *, defaults: Policy, now: datetime, actor: str
) -> int:
    """Gives each home its proposed line, in a transaction of its own; returns how many homes have another line now.

    Raises:
        NotPossible: the proposal is too old, or a home's policy has changed or the home is gone since; nothing is
            written.
        PolicyRefused: a line does not fit what holds beside it; homes before it have theirs.
    """
    if not timedelta() <= now - proposal.made_at <= VALID:
        raise NotPossible(f"this proposal is not of the last {VALID.days} days: make a new one")
    ids = [each.home_id for each in proposal.homes]
    rows = await (await conn.execute(_SQL.on_record, {"homes": ids})).fetchall()
    areas, paths = {row[0]: row[1] for row in rows}, {row[0]: row[2] for row in rows}
    resolved = await resolve_homes(conn, areas, defaults=defaults)
    changed = [
        each.home
        for each in proposal.homes
        if paths.get(each.home_id) != each.home or said(resolved[each.home_id].policy) != each.policy
    ]
    if changed:
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        raise NotPossible(f"the policy of {', '.join(changed[:3])}{more} has changed since: make a new proposal")
    written = 0
    for each in proposal.homes:
        if each.changes:
            where = await policies.find(conn, home=each.home)
            given: dict[str, JsonValue] = {each.proposed.parameter: each.proposed.value}
            written += bool(await policies.amend(conn, where, given, defaults=defaults, now=now, actor=actor))
    return written


def said(policy: Policy) -> dict[str, JsonValue]:
    """All that a policy says, as it stands in a file."""
    return asdict(policy)
