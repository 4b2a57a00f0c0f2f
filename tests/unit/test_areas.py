"""Area correlation, pure: who shares a moment, of whom an incident is told, and what becomes of a home's own alert."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.findings import Kind, Severity, Verdict
from registry.policy import Policy
from rules import held
from rules.areas import Cause, Member, Scope, Together, Town, by_area, correlate, total_watched, window_s
from rules.held import Fate
from rules.incidents import Found, Incident, Standing, find
from rules.library.monitoring_lost import MonitoringLost
from rules.shut_off import Read, worth_reading
from rules.snapshot import Hearing, Installation, Snapshot, Trouble
from rules.troubles import Key, Known, changes, standing
from tests.unit.rule_worlds import MIN, NOON, H, home

POLICY = Policy()
NOBODY = Standing(since_s={}, told=frozenset())
T = NOON.timestamp()
CITY, NORTH, LANE, YARD, COURT = range(1, 6)
PARENTS = {CITY: None, NORTH: CITY, LANE: NORTH, YARD: NORTH, COURT: NORTH}
TOWN = Town(parents=PARENTS, watched=total_watched(PARENTS, {LANE: 40, YARD: 40, COURT: 40}), behind={"gw": 40})
LOST = MonitoringLost()
QUARTER = timedelta(minutes=15)


def silent(
    homes: range, *, area: int = LANE, at_s: float = T, interval_s: float = 900.0, gateways: tuple[str, ...] = ()
) -> list[Member]:
    """Homes cut off at one moment, each last heard within its interval before."""
    window = window_s(Cause.SILENT, interval_s)
    return [Member(n, area, gateways, at_s - (n * 389) % interval_s, window) for n in homes]


def _correlated(members: list[Member], *, watched: int, policy: Policy = POLICY, **known: float) -> Together | None:
    return correlate(Cause.SILENT, members, watched=watched, policy=policy, **{"now_s": T, **known})


def found(members: list[Member], before: Standing = NOBODY, cause: Cause = Cause.SILENT) -> Found:
    return find(cause, members, town=TOWN, policies=dict.fromkeys(PARENTS, POLICY), standing=before, now_s=T + 3600)


def told(members: list[Member], before: Standing = NOBODY) -> set[Scope]:
    return {incident.scope for incident in found(members, before).incidents}


@pytest.mark.parametrize(
    ("homes", "watched", "opens"),
    [(2, 4, None), (3, 4, False), (4, 8, False), (5, 8, True), (5, 40, False), (12, 40, True), (4, 500, None)],
)
def test_enough_homes_and_a_share_of_them_make_an_incident(homes: int, watched: int, opens: bool | None) -> None:
    together = _correlated(silent(range(homes)), watched=watched, policy=POLICY)
    assert (None if together is None else together.opens) is opens


def test_homes_that_fell_silent_one_by_one_have_nothing_in_common() -> None:
    members = [Member(n, LANE, (), T - n * 2 * H.total_seconds(), 1800.0) for n in range(30)]
    assert _correlated(members, watched=40, policy=POLICY) is None


def test_homes_that_were_silent_for_long_do_not_hide_those_that_fall_silent_now() -> None:
    old, new = silent(range(20), at_s=T - 2 * 24 * 3600), silent(range(20, 26))
    together = _correlated(old + new, watched=100)
    assert together is not None
    assert together.homes == set(range(20, 26))
    assert not together.opens


def test_hourly_and_quarterly_meters_share_the_moment_of_the_cut() -> None:
    members = silent(range(6)) + silent(range(6, 12), interval_s=3600.0)
    together = _correlated(members, watched=40, policy=POLICY)
    assert together is not None
    assert together.opens
    assert together.since_s == max(member.since_s for member in members)


@given(st.lists(st.tuples(st.integers(0, 20_000), st.sampled_from([1800.0, 7200.0])), min_size=3, max_size=40))
def test_the_largest_group_is_the_most_that_share_any_moment(spans: list[tuple[int, float]]) -> None:
    members = [Member(n, LANE, (), float(since_s), window) for n, (since_s, window) in enumerate(spans)]
    most = max(sum(m.since_s <= at.since_s <= m.since_s + m.window_s for m in members) for at in members)
    together = _correlated(members, watched=1, policy=Policy(area_homes=2), now_s=0.0)
    assert most < 3 if together is None else len(together.homes) == most
    assert _correlated(members[::-1], watched=1, policy=Policy(area_homes=2), now_s=0.0) == together


def test_an_incident_stands_until_half_the_share_is_well() -> None:
    for homes, stands in ((6, True), (5, False)):
        together = _correlated(silent(range(homes)), watched=40, policy=POLICY, standing_since_s=T)
        assert together is not None
        assert together.opens is stands


def test_the_smallest_area_that_covers_it_is_told() -> None:
    assert told(silent(range(40))) == {Scope(area_id=LANE)}


def test_areas_beside_each_other_are_told_as_the_one_above() -> None:
    both = silent(range(40)) + silent(range(40, 80), area=YARD)
    (incident,) = found(both).incidents
    assert incident.scope == Scope(area_id=NORTH)
    assert incident.places == {Scope(area_id=LANE), Scope(area_id=YARD)}
    assert (len(incident.homes), incident.watched) == (80, 120)
    apart = silent(range(40)) + silent(range(40, 54), area=YARD, at_s=T - 5 * 3600)
    yard = Scope(area_id=YARD)
    assert told(apart, Standing(since_s={yard: T - 5 * 3600}, told=frozenset({yard}))) == {
        Scope(area_id=LANE),
        Scope(area_id=YARD),
    }


def test_who_was_told_goes_on_speaking_for_what_is_left() -> None:
    before = Standing(since_s={Scope(area_id=NORTH): T, Scope(area_id=LANE): T}, told=frozenset({Scope(area_id=NORTH)}))
    assert told(silent(range(40)), before) == {Scope(area_id=NORTH)}


def test_small_places_make_an_incident_of_the_area_above() -> None:
    town = Town(parents=PARENTS, watched=total_watched(PARENTS, {LANE: 4, YARD: 4, COURT: 4}), behind={})
    members = silent(range(4)) + silent(range(4, 8), area=YARD)
    policies = dict.fromkeys(PARENTS, POLICY)
    (incident,) = find(Cause.SILENT, members, town=town, policies=policies, standing=NOBODY, now_s=T + 3600).incidents
    assert incident.scope == Scope(area_id=NORTH)


def test_a_gateway_is_told_where_all_are_behind_it_and_the_area_where_more_are_silent() -> None:
    behind = silent(range(40), gateways=("gw",))
    assert told(behind) == {Scope(gateway="gw")}
    assert told(behind + silent(range(40, 80), area=YARD)) == {Scope(area_id=NORTH)}
    assert Scope(gateway="gw") not in told(silent(range(20), gateways=("gw",)) + silent(range(20, 40)))


def test_water_is_not_the_business_of_a_gateway() -> None:
    dry = [Member(n, LANE, ("gw",), T - n * 60, window_s(Cause.DRY, 0.0)) for n in range(40)]
    assert {incident.scope for incident in found(dry, cause=Cause.DRY).incidents} == {Scope(area_id=LANE)}


def test_what_is_written_follows_suspicion_incident_and_end() -> None:
    place = Key(Scope(area_id=LANE), Cause.SILENT)
    few = changes([], [(Cause.SILENT, found(silent(range(5))))], NOON)
    (suspected,) = few.kept
    assert (suspected.key, suspected.opened_at, few.opened) == (place, None, [])
    many = changes(few.kept, [(Cause.SILENT, found(silent(range(40))))], NOON + MIN)
    (opened,) = many.kept
    assert (opened.opened_at, opened.suspected_at, opened.homes) == (NOON + MIN, NOON, 40)
    assert [incident.scope for incident in many.opened] == [Scope(area_id=LANE)]
    before = standing(many.kept, Cause.SILENT)
    again = changes(many.kept, [(Cause.SILENT, found(silent(range(40)), before))], NOON + 2 * MIN)
    assert not any(again), "nothing new is nothing to write"
    fewer = changes(many.kept, [(Cause.SILENT, found(silent(range(30)), before))], NOON + 2 * MIN)
    assert (len(fewer.grown), fewer.kept[0].homes) == (1, 30)
    over = changes(many.kept, [(Cause.SILENT, found(silent(range(5)), before))], NOON + 3 * MIN)
    assert [each.ended_at for each in over.kept] == [NOON + 3 * MIN]
    assert list(over.ended) == [place]
    later = changes(over.kept, [(Cause.SILENT, found([]))], NOON + 4 * 24 * H)
    assert list(later.forgotten) == [place]


def test_who_falls_out_after_the_end_is_suspected_anew_and_what_is_left_is_not() -> None:
    key = Key(Scope(area_id=LANE), Cause.SILENT)
    ended = Known(
        key=key, since=NOON - 9 * H, suspected_at=NOON, opened_at=NOON, ended_at=NOON - 5 * H, told=key.place, homes=40
    )
    (suspected,) = changes([ended], [(Cause.SILENT, found(silent(range(5))))], NOON).kept
    assert suspected.opened_at is None
    left = replace(ended, ended_at=NOON + MIN)
    assert not any(changes([left], [(Cause.SILENT, found(silent(range(5))))], NOON + 2 * MIN))


def test_a_suspicion_that_came_to_nothing_is_forgotten() -> None:
    known = [Known(key=Key(Scope(area_id=LANE), Cause.SILENT), since=NOON, suspected_at=NOON, homes=5, watched=40)]
    assert list(changes(known, [(Cause.SILENT, found([]))], NOON + MIN).forgotten) == [known[0].key]


def test_an_incident_that_is_told_elsewhere_now_ends_and_its_place_stays_open() -> None:
    before = changes([], [(Cause.SILENT, found(silent(range(40))))], NOON).kept
    both = silent(range(40)) + silent(range(40, 80), area=YARD)
    change = changes(before, [(Cause.SILENT, found(both, standing(before, Cause.SILENT)))], NOON + MIN)
    assert [key.place for key in change.ended] == [Scope(area_id=LANE)]
    assert {each.told for each in change.kept} == {Scope(area_id=NORTH)}
    assert all(each.is_open for each in change.kept)


def lost_home(now: datetime, *troubles: Trouble, heard_at: datetime = NOON, **known: object) -> Snapshot:
    button = Installation(device="b", installed_at=NOON - 30 * 24 * H, interval_s=900, heard_at=heard_at)
    return home(button, now=now, hearing=Hearing(until=now, since=NOON - 90 * 24 * H), troubles=troubles, **known)


def silence(**known: datetime) -> Trouble:
    return Trouble(cause="silent", since=NOON - 5 * MIN, **known)


def test_silence_waits_two_minutes_and_an_interval_more_where_others_are_silent() -> None:
    def raised_after(*troubles: Trouble) -> timedelta:
        now = NOON + H
        while not LOST.evaluate(lost_home(now, *troubles), now).findings:
            judgement = LOST.evaluate(lost_home(now, *troubles), now)
            assert judgement.next_due > now
            now += timedelta(seconds=10)
        return now - NOON - H

    assert raised_after() == 2 * MIN + timedelta(seconds=10)
    assert raised_after(silence()) == 2 * MIN + QUARTER + timedelta(seconds=10)
    ended = silence(opened_at=NOON + H, ended_at=NOON + 2 * H)
    assert raised_after(ended) == H + QUARTER + 2 * MIN + timedelta(seconds=10)
    assert raised_after(Trouble(cause="dry", since=NOON)) == 2 * MIN + timedelta(seconds=10)
    assert raised_after(replace(silence(), since=NOON + 5 * H)) == 2 * MIN + timedelta(seconds=10)


def test_looking_when_due_raises_as_soon_as_a_look_every_ten_seconds() -> None:
    now = NOON
    while not LOST.evaluate(lost_home(now, silence()), now).findings:
        now = LOST.evaluate(lost_home(now, silence()), now).next_due
    assert now <= NOON + H + QUARTER + 2 * MIN + timedelta(seconds=30)


def test_while_the_incident_lasts_what_is_told_becomes_part_of_it() -> None:
    now, incident = NOON + 3 * H, silence(opened_at=NOON + H)
    quiet = LOST.evaluate(lost_home(now, incident), now)
    assert not quiet.findings
    assert quiet.ongoing_since == NOON, "it is counted among the silent"
    told_before = lost_home(now, incident, open_kinds=frozenset({Kind.MONITORING_LOST}))
    (cleared,) = LOST.evaluate(told_before, now).findings
    assert (cleared.verdict, cleared.reason.id) == (Verdict.CLEAR, "monitoring_part_of_area")


def test_who_was_silent_long_before_keeps_the_alert() -> None:
    now, incident = NOON + 3 * H, silence(opened_at=NOON + H)
    (finding,) = LOST.evaluate(lost_home(now, incident, heard_at=NOON - 2 * H), now).findings
    assert finding.verdict is Verdict.RAISE


@pytest.mark.parametrize(
    ("severity", "trouble", "minutes", "fate"),
    [
        (Severity.SOFT, Trouble(cause="dry", since=NOON), 24, Fate.HELD),
        (Severity.SOFT, Trouble(cause="dry", since=NOON), 25, Fate.OWN),
        (Severity.HARD, Trouble(cause="dry", since=NOON), 0, Fate.OWN),
        (Severity.HARD, Trouble(cause="dry", since=NOON, opened_at=NOON), 0, Fate.PART),
        (Severity.HARD, Trouble(cause="dry", since=NOON + 3 * H, opened_at=NOON), 0, Fate.PART),
        (Severity.HARD, Trouble(cause="dry", since=NOON + 12 * H + MIN, opened_at=NOON), 0, Fate.OWN),
        (Severity.SOFT, Trouble(cause="dry", since=NOON, opened_at=NOON, ended_at=NOON + 13 * H), 194, Fate.HELD),
        (Severity.SOFT, Trouble(cause="dry", since=NOON, opened_at=NOON, ended_at=NOON + 13 * H), 195, Fate.OWN),
        (Severity.HARD, Trouble(cause="dry", since=NOON, opened_at=NOON, ended_at=NOON + 13 * H), 80, Fate.OWN),
        (Severity.SOFT, silence(opened_at=NOON), 0, Fate.OWN),
    ],
)
def test_hard_inactivity_is_never_held(severity: Severity, trouble: Trouble, minutes: int, fate: Fate) -> None:
    crossed_at = NOON + 12 * H
    own = held.dry(
        home(troubles=(trouble,)),
        severity,
        since=NOON,
        crossed_at=crossed_at,
        interval=QUARTER,
        now=crossed_at + minutes * MIN,
    )
    assert own.fate is fate


def test_who_was_told_before_the_water_was_shut_off_keeps_the_alert_and_later_ones_become_part() -> None:
    def fate(since: datetime, *open_kinds: Kind) -> Fate:
        trouble = Trouble(cause="dry", since=NOON, opened_at=NOON + 3 * H)
        known = home(troubles=(trouble,), open_kinds=frozenset(open_kinds))
        crossed_at, now = NOON + 5 * H, NOON + 6 * H
        return held.dry(known, Severity.SOFT, since=since, crossed_at=crossed_at, interval=QUARTER, now=now).fate

    assert fate(NOON - 7 * H) is Fate.PART
    assert fate(NOON - 7 * H, Kind.INACTIVITY) is Fate.OWN
    assert fate(NOON - H, Kind.INACTIVITY) is Fate.PART


def test_soft_inactivity_waits_until_the_meters_of_the_area_can_tell() -> None:
    crossed_at = NOON + 20 * MIN
    known = home(troubles=(Trouble(cause="dry", since=NOON),))
    own = held.dry(known, Severity.SOFT, since=NOON - 12 * H, crossed_at=crossed_at, interval=QUARTER, now=crossed_at)
    assert own == (Fate.HELD, NOON + 2 * H + 25 * MIN)


def read_of(area: int, homes: range, *, opens: bool = True, inside: int = LANE) -> Read:
    group = Together(opens=opens, since_s=T, homes=frozenset(homes), watched=len(homes))
    return Read(together={area: group}, metered={area: 30}, areas=dict.fromkeys(homes, inside))


def dry(homes: range, area: int = LANE, spread_s: float = 3600.0) -> list[Member]:
    return [Member(n, area, (), T - n * spread_s, window_s(Cause.DRY, 0.0)) for n in homes]


def water(members: list[Member], read: Read, before: Standing = NOBODY) -> Found:
    policies = dict.fromkeys(PARENTS, POLICY)
    return find(Cause.DRY, members, town=TOWN, policies=policies, standing=before, now_s=T + 3600, read=read)


def test_what_the_meters_say_is_told_before_the_lines_are_crossed() -> None:
    (incident,) = water(dry(range(2)), read_of(LANE, range(28))).incidents
    assert (incident.scope, len(incident.homes), incident.watched) == (Scope(area_id=LANE), 28, 28)
    assert incident.places == {Scope(area_id=LANE)}
    suspected = water(dry(range(2)), read_of(LANE, range(6), opens=False))
    assert not suspected.incidents
    assert suspected.suspected.keys() == {Scope(area_id=LANE)}


def test_of_a_large_area_a_sample_speaks_for_every_place() -> None:
    (incident,) = water(dry(range(3), YARD), read_of(NORTH, range(28))).incidents
    assert incident.scope == Scope(area_id=NORTH)
    assert {Scope(area_id=area) for area in (LANE, YARD, COURT)} <= incident.places


def test_dry_homes_are_so_many_of_those_with_a_meter() -> None:
    together = dry(range(10), spread_s=60.0)
    assert not water(together, Read({}, {}, {})).incidents, "10 of 40"
    (incident,) = water(together, Read({}, {LANE: 30}, {})).incidents
    assert (len(incident.homes), incident.watched) == (10, 30)


def test_an_area_is_read_once_two_homes_are_dry_and_only_the_lowest_with_the_same_homes() -> None:
    def wanted(members: list[Member]) -> list[int]:
        return worth_reading(by_area(members, TOWN, least=1), TOWN)

    assert wanted(dry(range(1))) == []
    assert wanted(dry(range(2))) == [LANE]
    assert wanted(dry(range(3)) + dry(range(3, 5), YARD)) == [NORTH, LANE, YARD]


def test_an_incident_names_its_places() -> None:
    (incident,) = found(silent(range(40))).incidents
    assert isinstance(incident, Incident)
    assert incident.places == {Scope(area_id=LANE)}
