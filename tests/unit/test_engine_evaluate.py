"""One look: every rule, each failing for itself alone; when to look again."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import pytest

from alerts.findings import Kind, Verdict
from alerts.wording import sentence
from rules.evaluate import LONGEST_WAIT, evaluate
from rules.library.catalogue import HOME_RULES
from rules.rule import Judgement
from rules.snapshot import Failure, Snapshot
from tests.unit.rule_worlds import MIN, NOON, H, home, hourly, meter


class Made:
    """A rule made of a function."""

    release = 1
    max_latency = timedelta(hours=24)

    def __init__(self, name: str, body: Callable[[Snapshot, datetime], Judgement]) -> None:
        self.name, self._body = name, body

    def evaluate(self, snapshot: Snapshot, now: datetime) -> Judgement:
        return self._body(snapshot, now)


def broken(snapshot: Snapshot, now: datetime) -> Judgement:
    raise ZeroDivisionError(f"home {snapshot.home_id}")


def quiet(snapshot: Snapshot, now: datetime) -> Judgement:
    return Judgement(next_due=now + 5 * H, judged_until=now)


def test_a_rule_that_raises_stops_no_other_and_is_told() -> None:
    snapshot = home(meter(hourly([50] * 4 + [0] * 13)))
    look = evaluate(snapshot, NOON, [Made("broken", broken), *HOME_RULES])
    assert [(f.kind, f.verdict) for f in look.findings] == [
        (Kind.INACTIVITY, Verdict.RAISE),
        (Kind.MONITORING_IMPAIRED, Verdict.RAISE),
    ]
    impaired = look.findings[1]
    assert sentence(impaired.reason.id, impaired.reason.values, "en") == (
        "rule broken failed for this home 1 times in a row; it is tried again in 1 min"
    )
    assert isinstance(look.errors["broken"], ZeroDivisionError)
    assert look.due_at == NOON + MIN
    assert look.looked_until == snapshot.looked_until, "what the broken rule has not judged is judged again"


def test_failures_back_off_and_recover() -> None:
    failing, waits = dict[str, Failure](), []
    now = NOON
    for _ in range(12):
        look = evaluate(home(failures=failing, now=now), now, [Made("broken", broken)])
        failing = dict(look.failures)
        waits.append(failing["broken"].retry_at - now)
        assert look.due_at <= failing["broken"].retry_at
        early = evaluate(home(failures=failing), now, [Made("broken", broken)])
        assert not early.errors, "not tried before its time"
        assert early.failures == failing
        assert early.findings[0].since == NOON
        now = failing["broken"].retry_at
    assert waits[:4] == [MIN, 2 * MIN, 4 * MIN, 8 * MIN]
    assert max(waits) == 6 * H
    well = evaluate(home(failures=failing), now, [Made("broken", quiet)])
    assert not well.failures
    assert [(f.kind, f.verdict) for f in well.findings] == []
    told = home(failures=failing, ongoing={"monitoring_impaired": NOON})
    (cleared,) = evaluate(told, now, [Made("broken", quiet)]).findings
    assert (cleared.kind, cleared.verdict) == (Kind.MONITORING_IMPAIRED, Verdict.CLEAR)
    assert sentence(cleared.reason.id, cleared.reason.values, "en") == "rule broken works again"


@pytest.mark.parametrize("dues", [[], [NOON + 100 * H], [NOON + 2 * H, NOON + 3 * H], [NOON - 5 * H]])
def test_due_is_the_earliest_and_never_more_than_a_day_away(dues: Sequence[datetime]) -> None:
    rules = [Made(f"r{n}", lambda _s, _n, due=due: Judgement(next_due=due)) for n, due in enumerate(dues)]  # type: ignore[misc]
    due_at = evaluate(home(), NOON, rules).due_at
    assert NOON < due_at <= NOON + LONGEST_WAIT
    if min(dues, default=NOON) > NOON and min(dues) < NOON + 20 * H:
        assert due_at == min(dues)


def test_homes_that_wait_longest_do_not_wait_together() -> None:
    dues = {evaluate(home(home_id=home_id), NOON, []).due_at for home_id in range(1, 201)}
    assert len(dues) == 200
    assert max(dues) - min(dues) > H
    assert evaluate(home(home_id=5), NOON, []).due_at == evaluate(home(home_id=5), NOON, []).due_at


def test_a_home_without_devices_is_quiet() -> None:
    look = evaluate(home(looked_until=None), NOON, HOME_RULES)
    assert not look.findings
    assert look.looked_until == NOON
    assert look.due_at > NOON + 21 * H


def test_a_rule_s_state_survives_its_failure() -> None:
    look = evaluate(home(ongoing={"broken": NOON - H}), NOON, [Made("broken", broken)])
    assert look.ongoing["broken"] == NOON - H
