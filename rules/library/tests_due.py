"""Tests and checks of call buttons that are overdue: a button nobody tries may long have been out of reach or dead.

A test is a test press. A check is any sign that the button works: a test, a press, another action.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from alerts.findings import Finding, Kind, Reason, Severity, Subject, Verdict
from registry.policy import Policy
from rules import presence
from rules.plainly import later, plain
from rules.rule import Judgement
from rules.snapshot import Installation, Snapshot

_SLACK: Final = timedelta(seconds=15)  # a beacon every 10 s moves the hearing on


@dataclass(frozen=True, slots=True, kw_only=True)
class Overdue:
    """Raises one case per home while a call button has gone untried for too long, counted up to where we have heard.

    Nothing is asked of a button while its owner is away.

    Attributes:
        name: the rule's; also the kind of its case and the beginning of its message ids.
        days: how often the policy asks for it; 0: never.
        done_at: when it was last done.
    """

    name: str
    kind: Kind
    days: Callable[[Policy], float]
    done_at: Callable[[Installation], datetime | None]
    release: int = 1
    max_latency: timedelta = timedelta(hours=24)

    def evaluate(self, snapshot: Snapshot, now: datetime) -> Judgement:
        """Judges every call button."""
        limit = timedelta(days=self.days(snapshot.policy))
        buttons = [device for device in snapshot.installations if device.calls and device.removed_at is None]
        known_since = snapshot.ongoing.get(self.name)
        told = known_since is not None or self.kind in snapshot.open_kinds
        if not limit or not buttons:
            if told:
                return Judgement(findings=(self._cleared(snapshot, now),), next_due=now + self.max_latency)
            return later(plain(snapshot), now, self.max_latency)
        if (absence := presence.away_at(snapshot.absences, now)) is not None:
            return Judgement(next_due=absence.until_at, ongoing_since=known_since)
        if snapshot.hearing is None:
            return Judgement(next_due=now + self.max_latency, ongoing_since=known_since)
        heard_until = snapshot.hearing.until
        dues = {button.device: (self.done_at(button) or button.installed_at) + limit for button in buttons}
        # An upload that is on its way may bring the press; so the hearing decides, not the clock.
        overdue = sorted((due, device) for device, due in dues.items() if due < heard_until)
        if overdue:
            since, device = overdue[0]
            finding = self._raised(snapshot, device, since, limit)
            return Judgement(findings=(finding,), next_due=now + self.max_latency, ongoing_since=since)
        next_due = min(dues.values()) + max(now - heard_until, timedelta()) + _SLACK
        return Judgement(findings=(self._cleared(snapshot, now),) if told else (), next_due=next_due)

    def _raised(self, snapshot: Snapshot, device: str, since: datetime, limit: timedelta) -> Finding:
        assert snapshot.hearing is not None  # noqa: S101 (nothing is overdue without a hearing)
        button = next(each for each in snapshot.installations if each.device == device and each.removed_at is None)
        untried_s = round((snapshot.hearing.until - since + limit).total_seconds())
        return Finding(
            subject=Subject(home_id=snapshot.home_id),
            kind=self.kind,
            verdict=Verdict.RAISE,
            severity=Severity.TECHNICAL,
            since=since,
            reason=Reason(
                id=f"{self.name}_never" if self.done_at(button) is None else self.name,
                values={"device": device, "untried_s": untried_s, "limit_s": round(limit.total_seconds())},
            ),
            evidence={
                each.device: done.isoformat() if (done := self.done_at(each)) is not None else None
                for each in snapshot.installations
                if each.calls and each.removed_at is None
            },
        )

    def _cleared(self, snapshot: Snapshot, now: datetime) -> Finding:
        done = [at for each in snapshot.installations if (at := self.done_at(each)) is not None]
        return Finding(
            subject=Subject(home_id=snapshot.home_id),
            kind=self.kind,
            verdict=Verdict.CLEAR,
            severity=Severity.TECHNICAL,
            since=max(done, default=now),
            reason=Reason(id=f"{self.name}_no_more", values={}),
            evidence={},
        )


TEST_OVERDUE: Final = Overdue(
    name="test_overdue",
    kind=Kind.TEST_OVERDUE,
    days=lambda policy: policy.test_days,
    done_at=lambda button: button.tested_at,
)
CHECK_OVERDUE: Final = Overdue(
    name="check_overdue",
    kind=Kind.CHECK_OVERDUE,
    days=lambda policy: policy.check_days,
    done_at=lambda button: button.used_at,
)
