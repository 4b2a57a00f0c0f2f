"""Episodes: what several lines make of the same stretch of time, put together. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from alerts.findings import Severity
from rules.dry import Dryness, Spell


class LineName(StrEnum):
    """Which line: it chooses the sentence."""

    DRY = "dry"
    SILENT = "silent"
    FIRST_USE = "first_use"


class Line(NamedTuple):
    """One line by which a stretch without use is too long.

    Attributes:
        severity: what crossing it means.
        dryness: which stretches have crossed it.
    """

    name: LineName
    severity: Severity
    dryness: Dryness


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """Spells of several lines that touch: one case.

    Attributes:
        since_s: the earliest beginning of its spells.
        fired_s: when the first line was crossed.
        until_s: the last instant at which one was.
        hard_s: when a hard line was first crossed; None if none was.
        line: the gravest line crossed, of these the one that was crossed first.
        spell: that line's spell.
        used_l: at most this was used from `since_s` to `until_s`.
        first_judged: it may have begun before what was read.
        lasts: nothing later says that it is over.
    """

    since_s: float
    fired_s: float
    until_s: float
    hard_s: float | None
    line: LineName
    spell: Spell
    used_l: float
    first_judged: bool
    lasts: bool

    @property
    def severity(self) -> Severity:
        """The gravest that was reached: who was to be visited is not only to be asked after, as long as it lasts."""
        return Severity.SOFT if self.hard_s is None else Severity.HARD


def episodes(lines: Sequence[Line]) -> list[Episode]:
    """The episodes that the spells of all lines form, oldest first; only the last one may last."""
    found: list[Episode] = []
    each = sorted(
        ((spell, line) for line in lines for spell in line.dryness.spells),
        key=lambda pair: (pair[0].fired_s, -pair[1].severity.rank),
    )
    for spell, line in each:
        if found and spell.fired_s <= found[-1].until_s:
            found[-1] = _joined(found[-1], spell, line)
        else:
            found.append(_begun(spell, line))
    return [replace(episode, lasts=episode.lasts and place == len(found) - 1) for place, episode in enumerate(found)]


def _begun(spell: Spell, line: Line) -> Episode:
    return Episode(
        since_s=spell.since_s,
        fired_s=spell.fired_s,
        until_s=spell.until_s,
        hard_s=spell.fired_s if line.severity is Severity.HARD else None,
        line=line.name,
        spell=spell,
        used_l=spell.used_l,
        first_judged=spell.first_judged,
        lasts=spell.lasts,
    )


def _joined(episode: Episode, spell: Spell, line: Line) -> Episode:
    graver = line.severity is Severity.HARD and episode.hard_s is None
    earlier = spell.since_s < episode.since_s
    return replace(
        episode,
        since_s=min(episode.since_s, spell.since_s),
        until_s=max(episode.until_s, spell.until_s),
        hard_s=spell.fired_s if graver else episode.hard_s,
        line=line.name if graver else episode.line,
        spell=spell if graver else episode.spell,
        used_l=max(episode.used_l, spell.used_l),
        first_judged=spell.first_judged if earlier else episode.first_judged,
        lasts=episode.lasts or spell.lasts,
    )
