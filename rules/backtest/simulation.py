"""One home on a simulated clock: looked at whenever the engine would, with what it would have read.

What a look reads follows `rules.loading` and `rules.series`, over arrays in place of tables. The home has one meter,
and hearing is always up to now: an outage of ours is no property of a recording.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from heapq import heapify, heappop
from itertools import pairwise
from types import MappingProxyType
from typing import Final, NamedTuple

from devices import meters
from registry.policy import DEFAULTS, Policy
from rules.backtest.cases import Cases
from rules.backtest.recording import MeterRecord
from rules.backtest.words import Words
from rules.course import Course
from rules.evaluate import Standing, evaluate
from rules.flow import course_of
from rules.learning import LOOKED_BACK, History, counting, learned, learned_at, learned_next
from rules.library.catalogue import HOME_RULES
from rules.rule import Rule
from rules.snapshot import Failure, Hearing, Installation, Learned, Snapshot, WaterSeries, instant, read_from

_AHEAD_S: Final = 600.0  # readings dated further ahead are refused by ingest
_BEGINNING: Final = instant(0.0)
_SHORTEST_WAIT: Final = timedelta(seconds=1)
_NEVER: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A meter's readings as the database would hold them.

    Attributes:
        measured_s: ascending, epoch seconds.
        received_s: when each was received.
        measured_every_s: how often the meter measures ...
        interval_s: ... and how often it is heard, as its installation would say.
    """

    meter_id: str
    measured_s: Sequence[float]
    totals_l: Sequence[float]
    received_s: Sequence[float]
    measured_every_s: int
    interval_s: int

    @property
    def begins_at(self) -> datetime:
        """When the meter is taken to be installed: at its first reading."""
        return instant(self.measured_s[0])

    @property
    def ends_at(self) -> datetime:
        """Up to when the recording reaches: one interval past the last receipt, when its readings are still news."""
        return instant(max(self.received_s) + self.interval_s)

    def standing_still(self, place: int) -> "Series":
        """The same series, with a register that no longer moves from the reading at `place` on."""
        stands_l = self.totals_l[place - 1]
        totals_l = [*self.totals_l[:place], *[stands_l] * (len(self.totals_l) - place)]
        return replace(self, totals_l=totals_l)


def series_of(record: MeterRecord, received_s: Sequence[float], every_s: int) -> Series:
    """A record with its receipts; a meter that hands over less often than it measures is heard that often."""
    return Series(
        meter_id=record.meter_id,
        measured_s=list(record.measured_s),
        totals_l=list(record.totals_l),
        received_s=list(received_s),
        measured_every_s=record.interval_s,
        interval_s=max(record.interval_s, every_s),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What holds for every home of a back-test.

    Attributes:
        time_zone: the homes' IANA zone.
        late_window: how late a reading may come.
        learn: learns a home's habits, once a week; None: nothing is learned.
        leaves_standing: a rule is asked again only when its judgement may have changed; False: at every look.
    """

    policy: Policy = DEFAULTS
    time_zone: str = "Asia/Shanghai"
    rules: Sequence[Rule] = HOME_RULES
    late_window: timedelta = timedelta(days=35)
    learn: Callable[[History], tuple[Learned, ...]] | None = learned
    leaves_standing: bool = True


class Watch(NamedTuple):
    """What one look leaves for the next one, as the database keeps it."""

    due_at: datetime
    looked_until: datetime | None = None
    ongoing: Mapping[str, datetime] = MappingProxyType({})
    failures: Mapping[str, Failure] = MappingProxyType({})


def _words(series: Series, surely_l: Sequence[float]) -> Words:
    return Words(series.measured_s, series.totals_l, series.received_s, surely_l)


class Home:
    """A home that is being watched; `cases` says what was told of it.

    Args:
        home_id: any number; it spreads the looks, as in a real city.
        series: of its meter.
        world: what holds for all homes.
        watched_from: the first look.
    """

    def __init__(self, home_id: int, series: Series, world: World, watched_from: datetime) -> None:
        self._home_id = home_id
        self._series = series
        self._world = world
        self._begins_at = series.begins_at
        self._watch = Watch(due_at=max(watched_from, series.begins_at))
        received_s = series.received_s
        self._in_order = all(earlier <= later for earlier, later in pairwise(received_s))
        self._late = any(
            received - measured > meters.CLOCK_STEP_S
            for measured, received in zip(series.measured_s, received_s, strict=True)
        )
        self._standing: dict[str, Standing] = {}
        self._course: Course | None = course_of(series.measured_s, series.totals_l) if self._in_order else None
        self._surely_l: Sequence[float] = () if self._course is None else self._course.surely_l
        self._words = _words(series, self._surely_l)
        self._moves: dict[str, int] = {}  # rule -> by how many moves it was judged
        self._max_latency = {rule.name: rule.max_latency for rule in world.rules}
        self._late_window_s = world.late_window.total_seconds()
        self._seen: tuple[tuple[int, int], Installation] | None = None
        self._learns = world.learn if world.policy.inactivity_learned else None
        self._learns_at = _BEGINNING
        self._profiles: tuple[Learned, ...] = ()
        self._counted: tuple[Learned, ...] = ()
        self._counts_until = _BEGINNING
        self.cases = Cases()
        self.looks = 0
        self.rule_errors: dict[str, Exception] = {}

    def fork(self, series: Series) -> "Home":
        """The same home as it stands now, with another future, of which it learns nothing."""
        twin = Home.__new__(Home)
        twin.__dict__.update(self.__dict__)
        # A register that stands still tells of no more base flow than one that goes on.
        twin._series, twin._learns, twin._seen, twin._words = series, None, None, _words(series, self._surely_l)
        twin._course = None  # not worth it for the few days that it is watched
        twin._standing, twin._moves = dict(self._standing), dict(self._moves)
        twin.cases, twin.rule_errors = self.cases.copy(), {}
        return twin

    def watch(
        self, until: datetime, *, also_at: Iterable[datetime] = (), enough: Callable[[Cases], bool] | None = None
    ) -> None:
        """Looks whenever a look is due before `until`.

        Args:
            until: the clock stops before it.
            also_at: looks out of turn, as after a change to the home.
            enough: asked after each look that found something; True ends the watch.
        """
        extra = [at for at in also_at if at >= self._watch.due_at]
        heapify(extra)
        while True:
            now = self._watch.due_at
            if extra and extra[0] < now:
                now = heappop(extra)
            if now >= until:
                return
            if self._learns is not None and now >= self._learns_at:
                self._learn(learned_at(self._home_id, now), self._learns)
            if now == self._watch.due_at and self._stands(now):
                continue
            if self._look(now) and enough is not None and enough(self.cases):
                return

    def _stands(self, now: datetime) -> bool:
        """Whether all rules that ask for this look can tell what they would say; those that can are put off."""
        standing, words = self._standing, self._words
        asking = [(name, judgement.stands) for name, (judgement, until, _) in standing.items() if until <= now]
        if not asking or not self._in_order or self._late or now >= self._counts_until:
            return False
        now_s = now.timestamp()
        heard = self._received_by(now_s)
        if not heard or self._series.measured_s[heard - 1] < now_s - self._late_window_s:
            return False
        moves = words.moves(heard)
        told, soonest, all_stand = words.heard(moves, heard), now + _SHORTEST_WAIT, True
        for name, stands in asking:
            again = None if stands is None else stands(words.since(self._moves[name], moves, told), now)
            if again is None:
                all_stand = False
                continue
            until = max(min(again.next_due, now + self._max_latency[name]), soonest)
            standing[name] = Standing(again, until, now)
            self._moves[name] = moves
        if all_stand:
            _, looked_until, ongoing, failures = self._watch
            due_at = min([until for _, until, _ in standing.values()])
            self._watch = Watch(due_at, looked_until, ongoing, failures)
        return all_stand

    def _look(self, now: datetime) -> bool:
        due_at, _, ongoing, failures = self._watch
        self._watch = Watch(due_at, self._looked_until(), ongoing, failures)
        if now >= self._counts_until:
            counted = counting(self._profiles, now)
            if counted != self._counted:
                self._counted, self._standing = counted, {}  # what the lines said before no longer stands
            self._counts_until = min((each.from_at for each in self._profiles if each.from_at > now), default=_NEVER)
        look = evaluate(self.snapshot(now), now, self._world.rules, self._standing)
        self.looks += 1
        self._watch = Watch(look.due_at, look.looked_until, look.ongoing, look.failures)
        self._standing = dict(look.standing) if self._world.leaves_standing else {}
        moves = self._words.moves(self._received_by(now.timestamp()))
        self._moves |= {name: moves for name, (_, _, judged_at) in self._standing.items() if judged_at == now}
        if look.errors:
            self.rule_errors |= look.errors
        if look.findings:
            self.cases.report(look.findings, now)
        return bool(look.findings)

    def _looked_until(self) -> datetime | None:
        """The measured time up to which the rules have judged, those included that could tell without being asked."""
        known = self._watch.looked_until
        if known is None or self._watch.failures:
            return known
        judged = [judgement.judged_until for judgement, _, _ in self._standing.values()]
        return min([until for until in judged if until is not None], default=known)

    def _learn(self, at: datetime, learn: Callable[[History], tuple[Learned, ...]]) -> None:
        """Learns the home as of a moment."""
        earliest_s = (at - LOOKED_BACK).timestamp()
        self._profiles = learn(
            History(
                home_id=self._home_id,
                time_zone=self._world.time_zone,
                policy=self._world.policy,
                installations=(self._installation(earliest_s, earliest_s, at.timestamp()),),
                not_lived=(),
                epoch_at=at,
                known=self._profiles,
            )
        )
        self._learns_at = learned_next(self._home_id, at, self._profiles)
        self._counts_until = _BEGINNING

    def snapshot(self, now: datetime) -> Snapshot:
        """What a look at `now` reads."""
        watch, world = self._watch, self._world
        from_at = max(read_from(watch.looked_until, world.policy, now, world.late_window), self._begins_at)
        earliest = now - world.late_window
        installation = self._installation(from_at.timestamp(), earliest.timestamp(), now.timestamp())
        return Snapshot(
            home_id=self._home_id,
            time_zone=world.time_zone,
            policy=world.policy,
            installations=(installation,),
            open_kinds=self.cases.open_kinds,
            hearing=Hearing(now, _BEGINNING),
            looked_until=watch.looked_until,
            ongoing=watch.ongoing,
            failures=watch.failures,
            profiles=self._counted if now < self._counts_until else counting(self._profiles, now),
        )

    def _installation(self, from_s: float, earliest_s: float, now_s: float) -> Installation:
        """The meter with what is read of it; the same one as long as that is the same readings."""
        places = self._places(from_s, earliest_s, now_s) if self._in_order and not self._late else None
        if places is not None and self._seen is not None and self._seen[0] == places:
            return self._seen[1]
        measured_s, totals_l, received_s = self._visible(from_s, earliest_s, now_s)
        heard_s = None if not received_s else received_s[-1] if self._in_order else max(received_s)
        step_l = meters.step_of(totals_l)
        if totals_l and meters.common_step(totals_l) > self._world.policy.inactivity_volume_l:
            step_l = meters.step_of(self._visible(earliest_s, earliest_s, now_s)[1])
            places = None  # more was read than these
        is_late = self._late and any(
            received - measured > meters.CLOCK_STEP_S
            for measured, received in zip(measured_s, received_s, strict=True)
            if measured >= from_s
        )
        installation = Installation(
            device=self._series.meter_id,
            installed_at=self._begins_at,
            interval_s=self._series.interval_s,
            heard_at=None if heard_s is None else instant(heard_s),
            read_at=None if heard_s is None else instant(heard_s),
            meters_water=True,
            water=WaterSeries(
                measured_s=measured_s,
                totals_l=totals_l,
                received_s=received_s if is_late else (),
                step_l=step_l,
                course=self._course if self._in_order and measured_s else None,
            ),
        )
        if places is not None:
            self._seen = (places, installation)
        return installation

    def _visible(
        self, from_s: float, earliest_s: float, now_s: float
    ) -> tuple[Sequence[float], Sequence[float], Sequence[float]]:
        """The readings received by now, measured from an instant on, and the one before."""
        measured_s, totals_l, received_s = self._series.measured_s, self._series.totals_l, self._series.received_s
        if self._in_order:
            low, high = self._places(from_s, earliest_s, now_s)
            return measured_s[low:high], totals_l[low:high], received_s[low:high]
        low = bisect_left(measured_s, from_s)
        high = bisect_left(measured_s, now_s + _AHEAD_S)
        places = [place for place in range(low, high) if received_s[place] <= now_s]
        for place in range(min(low, high) - 1, -1, -1):
            if measured_s[place] < earliest_s:
                break
            if received_s[place] <= now_s:
                places.insert(0, place)
                break
        return (
            [measured_s[place] for place in places],
            [totals_l[place] for place in places],
            [received_s[place] for place in places],
        )

    def _received_by(self, now_s: float) -> int:
        """How many readings were received by an instant, where they are received in the order they are measured in."""
        received = bisect_right(self._series.received_s, now_s)
        return min(received, bisect_left(self._series.measured_s, now_s + _AHEAD_S))

    def _places(self, from_s: float, earliest_s: float, now_s: float) -> tuple[int, int]:
        """From where to where `_visible` is, of readings that are received in the order in which they are measured."""
        measured_s = self._series.measured_s
        high = self._received_by(now_s)
        low = min(bisect_left(measured_s, from_s), high)
        if low > 0 and measured_s[low - 1] >= earliest_s:
            low -= 1
        return low, high
