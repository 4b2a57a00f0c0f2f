"""One home on a simulated clock: looked at whenever the engine would, with what it would have read.

What a look reads follows `rules.loading` and `rules.series`, over arrays in place of tables. The home has one meter,
and hearing is always up to now: an outage of ours is no property of a recording.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from heapq import heapify, heappop
from types import MappingProxyType
from typing import Final

from registry.policy import DEFAULTS, Policy
from rules.backtest.cases import Cases
from rules.backtest.series import Readings, Series
from rules.backtest.standings import Standings
from rules.backtest.words import Words
from rules.evaluate import evaluate
from rules.learning import LOOKED_BACK, History, counting, learned, learned_at, learned_next
from rules.library.catalogue import HOME_RULES
from rules.rule import Rule
from rules.snapshot import Failure, Hearing, Learned, Snapshot, instant, read_from

_BEGINNING: Final = instant(0.0)
_SHORTEST_WAIT: Final = timedelta(seconds=1)
_NEVER: Final = datetime.max.replace(tzinfo=UTC)


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
        self._world = world
        self._series = series
        self._readings = readings = Readings(series, volume_l=world.policy.inactivity_volume_l)
        surely_l = () if readings.course is None else readings.course.surely_l
        self._words = Words(series.measured_s, series.totals_l, series.received_s, surely_l, world.late_window)
        self._begins_at = series.begins_at
        self._standings = Standings(world.rules, readings, self._words)
        self._tells = world.leaves_standing and readings.in_time
        # What a look leaves for the next one, as the database keeps it.
        self._due_at = max(watched_from, series.begins_at)
        self._looked_until: datetime | None = None
        self._ongoing: Mapping[str, datetime] = MappingProxyType({})
        self._failures: Mapping[str, Failure] = MappingProxyType({})
        policy = world.policy
        self._learns = world.learn if policy.inactivity_learned or policy.silence_max_h else None
        self._learns_at = _NEVER if self._learns is None else _BEGINNING
        self._profiles: tuple[Learned, ...] = ()
        self._counted: tuple[Learned, ...] = ()
        self._counts_until = _BEGINNING
        self.cases = Cases()
        self.looks = 0
        self.rule_errors: dict[str, Exception] = {}

    def fork(self, place: int) -> "Home":
        """The same home with another future: its register stands still from a reading on; nothing is learned of it."""
        twin = Home.__new__(Home)
        twin.__dict__.update(self.__dict__)
        twin._series = series = self._series.standing_still(place)
        twin._readings, twin._learns, twin._learns_at = self._readings.of(series), None, _NEVER
        twin._words = self._words.standing_still(place, series.totals_l)
        twin._standings = self._standings.of(twin._readings, twin._words)
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
        extra = [at for at in also_at if at >= self._due_at]
        heapify(extra)
        while True:
            now, is_due = self._due_at, True
            if extra and extra[0] < now:
                now, is_due = heappop(extra), False
            if now >= until:
                return
            if self._learns is not None and now >= self._learns_at:
                self._learn(learned_at(self._home_id, now), self._learns)
            if now >= self._counts_until:
                self._count(now)
            if is_due and self._tells:
                has_found = self._wake(now, min(until, *extra[:1], self._learns_at, self._counts_until))
            else:
                has_found = self._look(now)
            if has_found and enough is not None and enough(self.cases):
                return

    def _wake(self, now: datetime, before: datetime) -> bool:
        """Asks the rules that are due: by a look, where they cannot all tell from little. True: something was found."""
        retries = [failure.retry_at for failure in self._failures.values()]
        at, findings, is_all = self._standings.tell(now, min([before, *retries]))
        if findings:
            self.cases.report(findings, at)
        if not is_all or any(retry_at <= at for retry_at in retries):
            return self._look(at) or bool(findings)
        self._due_at = min([self._standings.due_at, *retries])
        return bool(findings)

    def _look(self, now: datetime) -> bool:
        standings = self._standings
        if self._looked_until is not None and not self._failures:
            self._looked_until = standings.judged_until(self._looked_until)
        self._ongoing = standings.ongoing(self._ongoing)
        look = evaluate(self.snapshot(now), now, self._world.rules, standings.by_rule)
        self.looks += 1
        self._due_at, self._looked_until = look.due_at, look.looked_until
        self._ongoing, self._failures = look.ongoing, look.failures
        if self._world.leaves_standing:
            standings.keep(look, now)
        if self._tells:
            retries = [failure.retry_at for failure in look.failures.values()]
            self._due_at = max(min([standings.due_at, *retries]), now + _SHORTEST_WAIT)
        if look.errors:
            self.rule_errors |= look.errors
        if look.findings:
            self.cases.report(look.findings, now)
        return bool(look.findings)

    def _learn(self, at: datetime, learn: Callable[[History], tuple[Learned, ...]]) -> None:
        """Learns the home as of a moment."""
        earliest_s = (at - LOOKED_BACK).timestamp()
        self._profiles = learn(
            History(
                home_id=self._home_id,
                time_zone=self._world.time_zone,
                policy=self._world.policy,
                installations=(self._readings.installation(earliest_s, earliest_s, at.timestamp()),),
                not_lived=(),
                epoch_at=at,
                known=self._profiles,
                strictness=self._world.policy.inactivity_strictness,
            )
        )
        self._learns_at = learned_next(self._home_id, at, self._profiles)
        self._counts_until = _BEGINNING

    def _count(self, now: datetime) -> None:
        """Goes by the habits that count from now on.

        The habits before the newest are dropped a week after these came: of silences so old nothing is news.
        """
        counted, known = counting(self._profiles, now), self._counted
        self._counted = counted
        if counted[-1:] != known[-1:]:
            self._standings.learned_anew(counted, now)
        self._counts_until = min((each.from_at for each in self._profiles if each.from_at > now), default=_NEVER)

    def snapshot(self, now: datetime) -> Snapshot:
        """What a look at `now` reads."""
        world = self._world
        from_at = max(read_from(self._looked_until, world.policy, now, world.late_window), self._begins_at)
        earliest = now - world.late_window
        installation = self._readings.installation(from_at.timestamp(), earliest.timestamp(), now.timestamp())
        return Snapshot(
            home_id=self._home_id,
            time_zone=world.time_zone,
            policy=world.policy,
            installations=(installation,),
            open_kinds=self.cases.open_kinds,
            hearing=Hearing(now, _BEGINNING),
            looked_until=self._looked_until,
            ongoing=self._ongoing,
            failures=self._failures,
            profiles=self._counted if now < self._counts_until else counting(self._profiles, now),
        )
