"""What is asked of a home: limits set for the site, its areas and the home itself, each level overriding the one above.

Policies are append-only rows. A change re-arms every home it concerns in the transaction that writes it, so that it
takes effect without a restart.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import Annotated, Any, Final

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from pydantic_core import ErrorDetails

from registry.errors import RegistryError
from storage.sql import load

_SQL = load(__package__, "policy.sql")


class PolicyRefused(RegistryError):
    """The parameters given are no policy; the text names each fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The limits that hold for one home.

    Attributes:
        inactivity_volume_l: less water than this ...
        inactivity_window_h: ... in this many hours is soft inactivity: somebody asks (Shanghai, Shenzhen) ...
        inactivity_hard_volume_l: less than this ...
        inactivity_hard_window_h: ... in this many is hard inactivity: somebody goes. By default 1 L, that is: nothing.
        inactivity_learned: whether the home's own line, once learned, takes the place of the soft window.
        inactivity_strictness: how soon that line speaks: 0 soonest, 4 latest and least often for nothing.
        inactivity_min_h: a learned line is never below this many hours without use ...
        inactivity_max_h: ... and never above.
        inactivity_first_use_by: local time of day by which water was used since the night, "HH:MM"; "" for never.
        holidays: the country whose public holidays are no workdays (ISO 3166 code); "" for none.
        leak_h: water in every interval for this many hours is a leak (Shenzhen: 24).
        flow_h: water running without a break for this many hours (Sakaki: 2).
        day_max_l: more water than this in a day (Jing'an: 2 m³).
        fall_cancel_s: how long a fall waits for its cancellation, where the device itself does not wait.
        night_from: local time from which a visit to the bathroom is one at night, "HH:MM" ...
        night_until: ... and until when.
        test_days: a button's test press is overdue after this many days; 0: none is asked for.
        check_days: a button's check, by a test, a press or any other action, is overdue after this many; 0: not asked.
        battery_low_pct: a battery at or below this is low.
        silence_intervals: a device is lost after this many reporting intervals without a word ...
        silence_min_s: ... but not before this long. A meter that is often unheard for longer is told after that ...
        silence_max_h: ... but after this many hours at the latest; 0: what it often is does not matter.
        area_homes: so many homes of an area or a gateway at once, at least ...
        area_share: ... and this share of those that are watched, are one incident of the area.
        absence_check_h: after an absence without a sign of life for this many hours, somebody asks.
    """

    inactivity_volume_l: float = 10.0
    inactivity_window_h: float = 12.0
    inactivity_hard_volume_l: float = 1.0
    inactivity_hard_window_h: float = 24.0
    inactivity_learned: bool = True
    inactivity_strictness: int = 1
    inactivity_min_h: float = 8.0
    inactivity_max_h: float = 24.0
    inactivity_first_use_by: str = ""
    holidays: str = "CN"
    leak_h: float = 24.0
    flow_h: float = 2.0
    day_max_l: float = 2000.0
    fall_cancel_s: float = 30.0
    night_from: str = "22:00"
    night_until: str = "06:00"
    test_days: float = 35.0
    check_days: float = 0.0
    battery_low_pct: float = 15.0
    silence_intervals: float = 3.0
    silence_min_s: float = 3600.0
    silence_max_h: float = 24.0
    area_homes: float = 5.0
    area_share: float = 0.3
    absence_check_h: float = 12.0

    @property
    def inactivity_window(self) -> timedelta:
        """`inactivity_window_h` as a duration."""
        return timedelta(hours=self.inactivity_window_h)

    @property
    def longest_window(self) -> timedelta:
        """The longest span of water series that a rule asks for."""
        return timedelta(
            hours=max(
                self.inactivity_window_h,
                self.inactivity_hard_window_h,
                self.inactivity_max_h,
                self.leak_h,
                2 * self.flow_h,
            )
        )

    def silence_limit(self, interval_s: float) -> timedelta:
        """How long a device that reports every `interval_s` may be silent."""
        return timedelta(seconds=max(self.silence_intervals * interval_s, self.silence_min_s))


_Hours = Annotated[float, Field(ge=1, le=168)]
_Litres = Annotated[float, Field(gt=0, le=1_000_000)]
_Days = Annotated[float, Field(ge=0, le=3660)]
_Clock = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


class _Parameters(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    inactivity_volume_l: Annotated[float, Field(gt=0, le=10_000)] | None = None
    inactivity_window_h: _Hours | None = None
    inactivity_hard_volume_l: Annotated[float, Field(gt=0, le=10_000)] | None = None
    inactivity_hard_window_h: _Hours | None = None
    inactivity_learned: bool | None = None
    inactivity_strictness: Annotated[int, Field(ge=0, le=4)] | None = None
    inactivity_min_h: _Hours | None = None
    inactivity_max_h: _Hours | None = None
    inactivity_first_use_by: Annotated[str, Field(pattern=r"^(([01]\d|2[0-3]):[0-5]\d)?$")] | None = None
    holidays: Annotated[str, Field(pattern=r"^([A-Z]{2})?$")] | None = None
    leak_h: _Hours | None = None
    flow_h: Annotated[float, Field(ge=0.25, le=168)] | None = None
    day_max_l: _Litres | None = None
    fall_cancel_s: Annotated[float, Field(ge=0, le=300)] | None = None
    night_from: _Clock | None = None
    night_until: _Clock | None = None
    test_days: _Days | None = None
    check_days: _Days | None = None
    battery_low_pct: Annotated[float, Field(ge=0, le=100)] | None = None
    silence_intervals: Annotated[float, Field(ge=1, le=1_000)] | None = None
    silence_min_s: Annotated[float, Field(ge=60, le=604_800)] | None = None
    silence_max_h: Annotated[float, Field(ge=0, le=168)] | None = None
    area_homes: Annotated[float, Field(ge=2, le=1_000_000)] | None = None
    area_share: Annotated[float, Field(gt=0, le=1)] | None = None
    absence_check_h: _Hours | None = None


DEFAULTS: Final = Policy()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Where a policy holds: one home, one area with everything below it, or (neither given) the site."""

    area_id: int | None = None
    home_id: int | None = None

    def __post_init__(self) -> None:
        if self.area_id is not None and self.home_id is not None:
            raise ValueError("a policy holds for an area or for a home, not for both")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """A home's policy, and what could not be read on the way to it.

    Attributes:
        policy: the limits; a level that cannot be read is passed over as a whole.
        faults: one line per level passed over.
    """

    policy: Policy
    faults: tuple[str, ...] = ()


def resolve(defaults: Policy, levels: Iterable[JsonValue]) -> Resolved:
    """Lays stored parameters over `defaults`, from the site down to the home."""
    policy, faults = defaults, []
    for level in levels:
        try:
            policy = replace(policy, **checked(level))
        except PolicyRefused as refused:
            faults.append(str(refused))
    return Resolved(policy=policy, faults=tuple(faults))


async def resolve_homes(
    conn: AsyncConnection[Any], homes: Mapping[int, int], *, defaults: Policy = DEFAULTS
) -> dict[int, Resolved]:
    """The policy of each home.

    Args:
        conn: any connection; reads only.
        homes: home_id -> area_id.
        defaults: what holds where no level says anything.
    """
    async with conn.pipeline():
        area_rows = await conn.execute(_SQL.of_areas, {"areas": sorted(set(homes.values()))})
        home_rows = await conn.execute(_SQL.of_homes, {"homes": list(homes)})
        site_row = await conn.execute(_SQL.of_site)
        by_area: dict[int, list[JsonValue]] = {}
        for area_id, parameters in await area_rows.fetchall():
            by_area.setdefault(area_id, []).append(parameters)
        by_home: dict[int, JsonValue] = dict(await home_rows.fetchall())
        site = [row[0] for row in await site_row.fetchall()]
    common: dict[int, Resolved] = {}
    resolved: dict[int, Resolved] = {}
    for home_id, area_id in homes.items():
        if area_id not in common:
            common[area_id] = resolve(defaults, [*site, *by_area.get(area_id, [])])
        above = common[area_id]
        if home_id in by_home:
            own = resolve(above.policy, [by_home[home_id]])
            resolved[home_id] = Resolved(policy=own.policy, faults=above.faults + own.faults)
        else:
            resolved[home_id] = above
    return resolved


async def change(
    conn: AsyncConnection[Any], scope: Scope, parameters: Mapping[str, JsonValue], *, now: datetime, actor: str
) -> None:
    """Sets what a scope says from now on; parameters not named are inherited.

    Runs in the caller's transaction, or in one of its own, and re-arms the homes concerned in it.

    Raises:
        PolicyRefused: a parameter is unknown or out of range; nothing was written.
    """
    said = checked(dict(parameters))
    async with conn.transaction():
        await conn.execute(
            _SQL.add,
            {
                "area": scope.area_id,
                "home": scope.home_id,
                "parameters": Jsonb(said),
                "now": now,
                "actor": actor,
            },
        )
        if scope.home_id is not None:
            await conn.execute(_SQL.rearm_home, {"home": scope.home_id, "now": now})
        else:
            await conn.execute(_SQL.request_rearm, {"area": scope.area_id, "now": now})


def names() -> Sequence[str]:
    """The parameters a policy may set."""
    return list(asdict(DEFAULTS))


def checked(parameters: JsonValue) -> dict[str, Any]:
    """What a level says, if it can be read.

    Raises:
        PolicyRefused: a parameter is unknown, of the wrong type or out of range.
    """
    try:
        return _Parameters.model_validate(parameters).model_dump(exclude_none=True)
    except ValidationError as error:
        raise PolicyRefused("; ".join(_sentence(fault) for fault in error.errors())) from None


def _sentence(fault: ErrorDetails) -> str:
    name, given = ".".join(map(str, fault["loc"])), fault["input"]
    match fault["type"]:
        case "extra_forbidden":
            close = get_close_matches(name, names(), n=1)
            return f"there is no parameter {name!r}" + (f"; did you mean {close[0]!r}?" if close else "")
        case "string_pattern_mismatch" if name == "holidays":
            return f"{name}: {given!r} is no country; right would be 'CN', or '' for none"
        case "string_pattern_mismatch":
            return f"{name}: {given!r} is no time of day; right would be '07:30'"
        case _:
            return f"{name or 'policy'}: {fault['msg'][:1].lower()}{fault['msg'][1:]}, not {given!r}"
