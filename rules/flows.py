"""What all meters of a home show of one kind of flow, put together, and what there is to say of it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from rules.expected import next_word
from rules.rule import Judgement
from rules.running import Running
from rules.snapshot import Installation, Snapshot, instant
from rules.telling import Bout, Condition, tell

_UNASKED: Final = timedelta(hours=24)


class Shown(NamedTuple):
    """What one meter shows.

    Attributes:
        meter: which.
        running: its runs; None where it covers nothing.
        bouts: these, as they are told.
        wait_s: so long after it may have begun to flow the condition holds at the earliest.
    """

    meter: Installation
    running: Running | None
    bouts: Sequence[Bout]
    wait_s: float


@dataclass(frozen=True, slots=True)
class Flows:
    """What all of them show."""

    shown: Sequence[Shown]

    @property
    def bouts(self) -> Sequence[Bout]:
        """Those of all meters."""
        return [bout for each in self.shown for bout in each.bouts]

    @property
    def over(self) -> bool:
        """It is seen of each meter that it does not flow now."""
        return all(each.running is not None and each.running.stopped for each in self.shown)

    def judgement(self, snapshot: Snapshot, now: datetime, condition: Condition, *, wait_s: float) -> Judgement:
        """What it comes to.

        Args:
            snapshot: the home.
            now: the time of the look.
            condition: which condition.
            wait_s: so long from now it holds at the earliest, where nothing is covered.
        """
        if not self.shown:
            return Judgement(next_due=now + _UNASKED, ongoing_since=snapshot.ongoing.get(condition.rule))
        over, ordered = self.over, _in_order(self.bouts)
        covered = [(each.running, each.wait_s) for each in self.shown if each.running is not None]
        covered_until = instant(min(running.covered_until_s for running, _ in covered)) if covered else None
        told = tell(snapshot, now, condition, ordered, over_at=covered_until if over else None)
        awaited = bool(ordered) and ordered[-1].lasts
        awaited = awaited or (not over and (told.ongoing_since is not None or condition.kind in snapshot.open_kinds))
        soon = next_word([each.meter for each in self.shown], now)
        due_s = min((running.open_since_s + each_s for running, each_s in covered), default=now.timestamp() + wait_s)
        return Judgement(
            findings=told.findings,
            next_due=soon if awaited else max(soon, instant(due_s)),
            judged_until=None if covered_until is None else max(covered_until, snapshot.looked_until or covered_until),
            ongoing_since=told.ongoing_since,
        )


def _in_order(bouts: Sequence[Bout]) -> list[Bout]:
    """Those that are over by their beginning, then the one of those that last that began first."""
    ended = sorted((bout for bout in bouts if not bout.lasts), key=lambda bout: bout.since_s)
    lasting = sorted((bout for bout in bouts if bout.lasts), key=lambda bout: bout.since_s)
    return [*ended, *lasting[:1]]
