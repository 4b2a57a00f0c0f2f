"""What a rule is: a name, a release, and a pure function from a snapshot to a judgement."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, Protocol

from alerts.findings import Finding, Reason
from rules.snapshot import Learned, Snapshot

_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Impairment:
    """Something that keeps a home from being watched properly although it is heard.

    Attributes:
        about: the device or rule concerned.
        since: since when.
    """

    about: str
    since: datetime
    reason: Reason


class Word(NamedTuple):
    """What has come of a home's only device since it was judged: readings in their order and on time, and no more.

    Attributes:
        heard_at: when it was last heard.
        covered_at: the measured time of its newest reading ...
        covered_s: ... in epoch seconds.
        moved_s: when its register showed another total than at the reading before ...
        moved_l: ... how much more; negative where it fell ...
        before_s: ... when that reading before was measured ...
        surely_l: ... and how much of it is surely no base flow; empty where that is not known.
        flowing_s: since when it may have been flowing without a pause, epoch seconds.
        is_exact: the totals that a look would read now are none that a register of coarse steps could show.
        silent_until: nothing more is heard up to then.
        learned: the habits that count, where others did when the home was judged; empty where nobody can tell from
            little what that changes. None: the same ones.
    """

    heard_at: datetime
    covered_at: datetime
    covered_s: float
    moved_s: Sequence[float] = ()
    moved_l: Sequence[float] = ()
    before_s: Sequence[float] = ()
    flowing_s: float = float("-inf")
    is_exact: bool = False
    surely_l: Sequence[float] = ()
    silent_until: datetime = _LONG_AGO
    learned: Sequence[Learned] | None = None


Stands = Callable[[Word, datetime], "Judgement | None"]
"""What a rule would conclude at a moment, where nothing has changed since it was asked but what a word says.

It is asked so at its due at the latest: what came and went between may be told of. Of its findings those that are news.
None: it is to be asked.
"""


class Judgement(NamedTuple):
    """What a rule concludes.

    Attributes:
        next_due: the earliest moment at which the verdict could change under any data that may arrive.
        findings: what it has to say that is not said yet.
        impairments: what kept it from judging.
        impairments_known: False where it could not tell whether an impairment is over.
        judged_until: the measured time up to which it has judged the series; None if it judges none.
        ongoing_since: since when its condition holds; None if it does not.
        stands: tells from little what asking again would conclude; None: it cannot.
        heard_within: it stands, with nothing to say, as long as the home's only device is always heard again within so
            long; None: that is not said.
    """

    next_due: datetime
    findings: tuple[Finding, ...] = ()
    impairments: tuple[Impairment, ...] = ()
    impairments_known: bool = True
    judged_until: datetime | None = None
    ongoing_since: datetime | None = None
    stands: Stands | None = None
    heard_within: timedelta | None = None


class Rule(Protocol):
    """One rule of the library.

    Attributes:
        name: its key in tables and metrics; never reused.
        release: raised with every change of what it concludes, so that every home is looked at anew.
        max_latency: a home is never left longer than this without it.
    """

    @property
    def name(self) -> str:
        """See above."""
        ...

    @property
    def release(self) -> int:
        """See above."""
        ...

    @property
    def max_latency(self) -> timedelta:
        """See above."""
        ...

    def evaluate(self, snapshot: Snapshot, now: datetime) -> Judgement:
        """Judges one home. Reads nothing but its arguments, and may raise.

        The failure stays with this rule and home.
        """
        ...
