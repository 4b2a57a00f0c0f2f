"""What the rules have said of a home and when each is to be asked again; those that can tell from little are asked so.

Rules know nothing of each other. So of those that are due at one moment, whoever can tell what it would say is put off,
and only the others are asked by a look. Each is asked at its own dues and no others, as if by looks: what is found, and
when, is the same. A rule that has nothing to say while the home is always heard again in time is passed over up to the
first time that it is not: whichever word it counts from, that is where it would not be told so.
"""

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from heapq import heapify, heappop, heapreplace
from typing import Final, NamedTuple

from alerts.findings import Finding
from rules.backtest.series import Readings
from rules.backtest.words import Heard, Words
from rules.evaluate import Look, Standing
from rules.rule import Judgement, Rule
from rules.snapshot import Learned

_SHORTEST_WAIT: Final = timedelta(seconds=1)
_LATELY: Final = timedelta(days=2)
_NEVER: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(slots=True)
class _Asked:
    """A rule with what it said last.

    Attributes:
        until: before this no data can change it.
        judged_at: when it was asked by a look.
        moves: by how many moves of the register it said it.
        learned_anew: other habits have come to count since.
    """

    max_latency: timedelta
    judgement: Judgement
    until: datetime
    judged_at: datetime
    moves: int
    learned_anew: bool = False


class Telling(NamedTuple):
    """What rules could tell without a look.

    Attributes:
        at: the moment at which they were asked last.
        is_all: nobody is left that was due.
    """

    at: datetime
    findings: Sequence[Finding]
    is_all: bool


class Standings:
    """What stands of a home.

    Args:
        rules: that it is judged by.
        readings: of its meter.
        words: what comes of that.
    """

    def __init__(self, rules: Iterable[Rule], readings: Readings, words: Words) -> None:
        self._max_latency = {rule.name: rule.max_latency for rule in rules}
        self._readings, self._words = readings, words
        self._asked: dict[str, _Asked] = {}
        self._dues: list[tuple[datetime, str]] = []  # a heap; without those that could not tell
        self._heard: Heard | None = None
        self._heard_from_s = self._heard_until_s = float("-inf")
        self._learned: Sequence[Learned] = ()

    def of(self, readings: Readings, words: Words) -> "Standings":
        """The same for another future."""
        twin = copy(self)
        twin._readings, twin._words, twin._dues = readings, words, list(self._dues)
        twin._asked = {name: copy(asked) for name, asked in self._asked.items()}
        twin._heard_until_s = float("-inf")
        return twin

    @property
    def due_at(self) -> datetime:
        """When the next rule is to be asked, where all that were due could tell."""
        return self._dues[0][0] if self._dues else _NEVER

    @property
    def by_rule(self) -> Mapping[str, Standing]:
        """What a look goes by: it asks the rules that are due, and those of which nothing stands."""
        return {name: Standing(asked.judgement, asked.until, asked.judged_at) for name, asked in self._asked.items()}

    def tell(self, now: datetime, before: datetime) -> Telling:
        """Asks the rules at their dues for what they can tell from little, as long as that is all there is to do.

        Args:
            now: the moment at which the first of them are due.
            before: they are not asked from then on, but for the first of them.
        """
        dues, words, asked_by = self._dues, self._words, self._asked
        findings: list[Finding] = []
        while True:
            heard = self._heard_by(now.timestamp())
            if heard is None or not asked_by:
                return Telling(now, findings, is_all=False)
            readings, moves, _ = heard
            is_all, known, word = True, moves, heard.word
            while dues and dues[0][0] <= now:
                name = dues[0][1]
                asked = asked_by[name]
                stands = asked.judgement.stands
                if asked.moves != known:
                    # Rules that are asked at one moment were often asked at one moment before.
                    known, word = asked.moves, words.since(asked.moves, heard)
                news = word._replace(learned=self._learned) if asked.learned_anew else word
                again = None if stands is None else stands(news, now)
                if again is None:
                    heappop(dues)
                    is_all = False
                    continue
                until = again.next_due
                wait = until - now
                if not _SHORTEST_WAIT <= wait <= asked.max_latency:
                    until = now + max(min(wait, asked.max_latency), _SHORTEST_WAIT)
                if again.heard_within is not None:
                    until = max(until, words.unheard_at(readings, again.heard_within))
                heapreplace(dues, (until, name))
                asked.judgement, asked.until, asked.moves, asked.learned_anew = again, until, moves, False
                if again.findings:
                    findings += again.findings
            if findings or not is_all or not dues or dues[0][0] >= before:
                return Telling(now, findings, is_all)
            now = dues[0][0]

    def _heard_by(self, now_s: float) -> Heard | None:
        """What was heard by a moment; None where that is nothing, or nothing for too long."""
        if not self._heard_from_s <= now_s < self._heard_until_s:
            self._heard_from_s, count = now_s, self._readings.received_by(now_s)
            self._heard_until_s = self._readings.next_received_s(count)
            self._heard = self._words.heard(count) if count else None
        heard = self._heard
        return None if heard is None or not self._words.tells(heard, now_s) else heard

    def keep(self, look: Look, now: datetime) -> None:
        """What a look leaves: of rules that it asked what they said then, and nothing of those that failed."""
        readings = self._readings.received_by(now.timestamp())
        moves, kept = self._words.moves(readings), dict[str, _Asked]()
        for name, (judgement, until, judged_at) in look.standing.items():
            if judged_at != now:
                kept[name] = self._asked[name]
                continue
            within = judgement.heard_within
            until_at = until if within is None else max(until, self._words.unheard_at(readings, within))
            kept[name] = _Asked(self._max_latency[name], judgement, until_at, judged_at, moves)
        self._asked = kept
        self._dues = [(asked.until, name) for name, asked in kept.items()]
        heapify(self._dues)

    def learned_anew(self, learned: Sequence[Learned], now: datetime) -> None:
        """Other habits count from now on: each rule is asked whether that changes anything.

        Where nobody has judged the home lately, what was over days ago may be news.
        """
        self._learned = learned if self.judged_until(now) >= now - _LATELY else ()
        for asked in self._asked.values():
            asked.until, asked.learned_anew = now, True
        self._dues = [(now, name) for name in self._asked]

    def judged_until(self, known: datetime) -> datetime:
        """The measured time up to which the rules have judged, those included that could tell without a look."""
        judged = [asked.judgement.judged_until for asked in self._asked.values()]
        return min([until for until in judged if until is not None], default=known)

    def ongoing(self, known: Mapping[str, datetime]) -> Mapping[str, datetime]:
        """Since when conditions hold, those included that a rule could tell of without a look.

        Args:
            known: by the last look.
        """
        now = {name: asked.judgement.ongoing_since for name, asked in self._asked.items()}
        others = {name: since for name, since in known.items() if name not in now}
        return others | {name: since for name, since in now.items() if since is not None}
