"""What the rules have said of a home and when each is to be asked again; those that can tell from little are asked so.

Rules know nothing of each other. So of those that are due at one moment, whoever can tell what it would say is put off,
and only the others are asked by a look.
"""

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from heapq import heapify, heappop, heappush
from typing import Final, NamedTuple

from alerts.findings import Finding
from rules.backtest.words import Heard, Words
from rules.evaluate import Look, Standing
from rules.rule import Judgement, Rule

_SHORTEST_WAIT: Final = timedelta(seconds=1)
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
    """What rules could tell without a look, and whether that is all that was due."""

    findings: Sequence[Finding]
    is_all: bool


class Standings:
    """What stands of a home.

    Args:
        rules: that it is judged by.
        words: what comes of its meter.
    """

    def __init__(self, rules: Iterable[Rule], words: Words) -> None:
        self._max_latency = {rule.name: rule.max_latency for rule in rules}
        self._words = words
        self._asked: dict[str, _Asked] = {}
        self._dues: list[tuple[datetime, str]] = []  # a heap; without those that could not tell
        self._heard: Heard | None = None

    def of(self, words: Words) -> "Standings":
        """The same for another future."""
        twin = Standings((), words)
        twin._max_latency, twin._dues = self._max_latency, list(self._dues)
        twin._asked = {name: copy(asked) for name, asked in self._asked.items()}
        return twin

    @property
    def due_at(self) -> datetime:
        """When the next rule is to be asked, where all that were due could tell."""
        return self._dues[0][0] if self._dues else _NEVER

    @property
    def by_rule(self) -> Mapping[str, Standing]:
        """What a look goes by: it asks the rules that are due, and those of which nothing stands."""
        return {name: Standing(asked.judgement, asked.until, asked.judged_at) for name, asked in self._asked.items()}

    def tell(self, now: datetime, readings: int) -> Telling:
        """Asks the rules that are due for what they can tell from little.

        Args:
            now: the moment.
            readings: so many were received by then.
        """
        dues = self._dues
        heard = self._heard
        if heard is None or heard.readings != readings:
            heard = self._heard = self._words.heard(readings)
        findings: list[Finding] = []
        soonest, is_all = now + _SHORTEST_WAIT, bool(self._asked)  # at the first look nothing stands
        while dues and dues[0][0] <= now:
            _, name = heappop(dues)
            asked = self._asked[name]
            stands = asked.judgement.stands
            if stands is None:
                is_all = False
                continue
            word = heard.word if asked.moves == heard.moves else self._words.since(asked.moves, heard)
            again = stands(word._replace(learned_anew=True) if asked.learned_anew else word, now)
            if again is None:
                is_all = False
                continue
            until = max(min(again.next_due, now + asked.max_latency), soonest)
            if again.heard_within is not None:
                until = max(until, self._words.unheard_at(readings, again.heard_within))
            heappush(dues, (until, name))
            asked.judgement, asked.until, asked.moves, asked.learned_anew = again, until, heard.moves, False
            if again.findings:
                findings += again.findings
        return Telling(findings, is_all)

    def keep(self, look: Look, now: datetime, readings: int) -> None:
        """What a look leaves: of rules that it asked what they said then, and nothing of those that failed."""
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

    def learned_anew(self, now: datetime) -> None:
        """Other habits count from now on: each rule is asked whether that changes anything."""
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
