"""What would have been told of one home: stands in for the alerts, with nobody there to acknowledge or to close.

Of the life of a case (`alerts.life.verdicts`) what is left: a RAISE opens it or makes it graver, a CLEAR closes it,
and a RECORD tells nobody.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from alerts.findings import Finding, Kind, Reason, Severity, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One thing told of a home: that a case began, or that it became graver than it had been.

    Attributes:
        since: since when the condition held, as told.
        cleared_at: when its case was closed; None while it is open.
        over_at: the sign of life that closed it, on the meter's own time.
        first: with it the case began.
    """

    kind: Kind
    severity: Severity
    since: datetime
    raised_at: datetime
    reason: Reason
    first: bool
    cleared_at: datetime | None = None
    over_at: datetime | None = None


@dataclass(slots=True)
class _Open:
    since: datetime
    told: list[Told]


class Cases:
    """The cases of one home."""

    def __init__(self) -> None:
        self._open: dict[Kind, _Open] = {}
        self._closed: list[Told] = []
        self._known: set[tuple[Kind, datetime]] = set()
        self.recorded: list[Finding] = []

    @property
    def open_kinds(self) -> frozenset[Kind]:
        """The kinds of which a case is open."""
        return frozenset(self._open)

    @property
    def told(self) -> list[Told]:
        """All that was told, oldest first."""
        still = [told for case in self._open.values() for told in case.told]
        return sorted([*self._closed, *still], key=lambda told: (told.raised_at, told.kind, told.severity.rank))

    def copy(self) -> "Cases":
        """With the cases that are open, and without what went before."""
        twin = Cases()
        twin._open = {kind: _Open(case.since, list(case.told)) for kind, case in self._open.items()}
        twin._known = set(self._known)
        return twin

    def report(self, findings: Iterable[Finding], now: datetime) -> None:
        """Takes what a look has found, in its order."""
        for finding in findings:
            match finding.verdict:
                case Verdict.RAISE:
                    self._raise(finding, now)
                case Verdict.CLEAR:
                    self._clear(finding, now)
                case Verdict.RECORD:
                    if not self._is_known(finding):
                        self._known.add((finding.kind, finding.since))
                        self.recorded.append(finding)

    def _is_known(self, finding: Finding) -> bool:
        current = self._open.get(finding.kind)
        return (finding.kind, finding.since) in self._known or (current is not None and current.since == finding.since)

    def _raise(self, finding: Finding, now: datetime) -> None:
        case = self._open.get(finding.kind)
        if case is None:
            self._open[finding.kind] = _Open(finding.since, [_told(finding, now, first=True)])
            return
        case.since = finding.since
        if all(finding.severity.rank > told.severity.rank for told in case.told):
            case.told.append(_told(finding, now, first=False))

    def _clear(self, finding: Finding, now: datetime) -> None:
        if not finding.kind.clears or (case := self._open.pop(finding.kind, None)) is None:
            return
        self._known.add((finding.kind, case.since))
        self._closed += [replace(told, cleared_at=now, over_at=finding.since) for told in case.told]


def _told(finding: Finding, now: datetime, *, first: bool) -> Told:
    return Told(
        kind=finding.kind,
        severity=finding.severity,
        since=finding.since,
        raised_at=now,
        reason=finding.reason,
        first=first,
    )
