"""Policies as operators see and change them: what holds where and why, changes that keep what else was said, history.

`registry.policy` says what a policy is and what holds for a home; this module lets people work on it.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from difflib import get_close_matches
from typing import Final, Literal, NamedTuple

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from pydantic import JsonValue

from registry.coherence import bounded_with, faults_of
from registry.errors import RegistryError
from registry.installing import find_home
from registry.policy import DEFAULTS, Policy, PolicyRefused, Scope, change, checked, names, resolve
from storage.sql import load

_SQL = load(__package__, "policies.sql")

_TRUE: Final = frozenset({"true", "yes", "on", "1"})
_FALSE: Final = frozenset({"false", "no", "off", "0"})
_FAULTS_SHOWN: Final = 3


class AreaUnknown(RegistryError):
    """There is no such area."""


class Where(NamedTuple):
    """A scope, and how people name it: a path; empty for the site."""

    scope: Scope
    place: str

    def __str__(self) -> str:
        if self.scope.home_id is not None:
            return f"home {self.place}"
        return "site" if self.scope.area_id is None else f"area {self.place}"


class Level(NamedTuple):
    """What one level says now."""

    level: Literal["site", "area", "home"]
    place: str
    parameters: JsonValue
    changed_at: datetime
    changed_by: str


class Setting(NamedTuple):
    """A parameter as it holds, and the level that says so; `default` where none does."""

    parameter: str
    value: JsonValue
    level: str
    place: str
    changed_at: datetime | None
    changed_by: str | None


class Effective(NamedTuple):
    """All parameters as they hold, and a line for each level that cannot be read and is passed over."""

    settings: tuple[Setting, ...]
    faults: tuple[str, ...]


class Step(NamedTuple):
    """What a change does to one parameter: the value that held before, and the one that holds now."""

    parameter: str
    before: JsonValue
    after: JsonValue


class Entry(NamedTuple):
    """One change in the history of a scope: parameters as they were said before and after; None: not said."""

    level: str
    place: str
    changed_at: datetime
    changed_by: str
    changes: dict[str, tuple[JsonValue, JsonValue]]


async def find(conn: AsyncConnection[TupleRow], *, area: str | None = None, home: str | None = None) -> Where:
    """The scope of an area's or a home's path; neither: the site.

    Raises:
        AreaUnknown: there is no such area.
        InstallationRefused: there is no such home.
    """
    if home is not None:
        home_id, key = await find_home(conn, home)
        return Where(Scope(home_id=home_id), f"{key.area}/{key.name}")
    if area is None:
        return Where(Scope(), "")
    path = "/".join(part.strip() for part in area.strip("/").split("/"))
    row = await (await conn.execute(_SQL.area, {"path": path})).fetchone()
    if row is not None:
        return Where(Scope(area_id=row[0]), path)
    known = [each[0] async for each in await conn.execute(_SQL.areas)]
    close = get_close_matches(path, known, n=1)
    raise AreaUnknown(f"there is no area {path!r}" + (f"; did you mean {close[0]!r}?" if close else ""))


async def area_path(conn: AsyncConnection[TupleRow], area: str | None) -> str | None:
    """An area's path as it is on record; None where none is named.

    Raises:
        AreaUnknown: there is no such area.
    """
    return None if area is None else (await find(conn, area=area)).place


async def levels(conn: AsyncConnection[TupleRow], scope: Scope) -> list[Level]:
    """What is said from the site down to a scope, itself included."""
    area_id = scope.area_id
    if scope.home_id is not None:
        row = await (await conn.execute(_SQL.area_of_home, {"home": scope.home_id})).fetchone()
        area_id = None if row is None else row[0]
    rows = await conn.execute(_SQL.levels, {"area": area_id, "home": scope.home_id})
    return [Level(*row) for row in await rows.fetchall()]


def effective(defaults: Policy, said: Iterable[Level]) -> Effective:
    """What holds under those levels (pure)."""
    settings = {name: Setting(name, value, "default", "", None, None) for name, value in asdict(defaults).items()}
    faults = []
    for level in said:
        try:
            parameters = checked(level.parameters)
        except PolicyRefused as refused:
            faults.append(f"{level.level} {level.place}: {refused}".replace(" :", ":"))
            continue
        for name, value in parameters.items():
            settings[name] = Setting(name, value, level.level, level.place, level.changed_at, level.changed_by)
    return Effective(tuple(settings.values()), tuple(faults))


def typed(name: str, text: str) -> JsonValue:
    """A value as people write it, by the type of its parameter.

    Raises:
        PolicyRefused: there is no such parameter, or that is no value of it.
    """
    if name not in names():
        checked({name: text})
    match getattr(DEFAULTS, name):
        case bool():
            if text.casefold() in _TRUE | _FALSE:
                return text.casefold() in _TRUE
            raise PolicyRefused(f"{name}: {text!r} is neither true nor false")
        case int():
            try:
                return int(text)
            except ValueError:
                raise PolicyRefused(f"{name}: {text!r} is no whole number") from None
        case float():
            try:
                return float(text)
            except ValueError:
                raise PolicyRefused(f"{name}: {text!r} is no number") from None
        case _:
            return text


async def amend(
    conn: AsyncConnection[TupleRow],
    where: Where,
    given: Mapping[str, JsonValue],
    *,
    removed: Collection[str] = (),
    defaults: Policy = DEFAULTS,
    now: datetime,
    actor: str,
) -> list[Step]:
    """Changes some parameters of a scope and keeps the others; re-arms the homes concerned. Safe against two at once.

    Args:
        conn: a connection; one transaction, or a part of the caller's.
        where: the scope.
        given: what it says from now on.
        removed: what it says no longer, so that the level above counts.
        defaults: what holds where no level says anything.
        now: the time.
        actor: who changes it.

    Returns:
        What changed; empty, and nothing written, where that was said already.

    Raises:
        PolicyRefused: a value is out of range, is not said there, or does not fit what holds beside it.
    """
    async with conn.transaction():
        await conn.execute(_SQL.lock)
        above = await levels(conn, where.scope)
        own = above.pop() if above and (above[-1].level, above[-1].place) == _level(where) else None
        before = dict(own.parameters) if own is not None and isinstance(own.parameters, dict) else {}
        if missing := sorted(set(removed) - before.keys()):
            close = get_close_matches(missing[0], before, n=1)
            meant = f"; did you mean {close[0]}?" if close else ""
            raise PolicyRefused(f"{where} does not set {', '.join(missing)}{meant}")
        after = {name: value for name, value in before.items() if name not in removed} | dict(given)
        checked(after)
        if own is not None and after == own.parameters:
            return []
        over = [each.parameters for each in above]
        was, will = (resolve(defaults, [*over, level]).policy for level in (before, after))
        if faults := faults_of(will):
            raise PolicyRefused(f"for the {where}: {'; '.join(faults)}")
        if faults := await _faults_below(conn, where, before, after, defaults):
            raise PolicyRefused("; ".join(faults))
        await change(conn, where.scope, after, now=now, actor=actor)
    changed = sorted({*given, *removed}, key=list(names()).index)
    return [
        Step(name, getattr(was, name), getattr(will, name)) for name in changed if before.get(name) != after.get(name)
    ]


async def history(conn: AsyncConnection[TupleRow], where: Where | None, *, limit: int) -> list[Entry]:
    """Who changed what, newest first.

    Args:
        conn: a connection.
        where: of one scope; None: of all.
        limit: at most so many.
    """
    scope = Scope() if where is None else where.scope
    parameters = {"everywhere": where is None, "area": scope.area_id, "home": scope.home_id, "limit": limit}
    rows = await conn.execute(_SQL.history, parameters)
    return [
        Entry(level, place, changed_at, changed_by, _differences(before, after))
        for level, place, after, before, changed_at, changed_by in await rows.fetchall()
    ]


def _differences(before: JsonValue, after: JsonValue) -> dict[str, tuple[JsonValue, JsonValue]]:
    old, new = (side if isinstance(side, dict) else {} for side in (before, after))
    return {
        name: (old.get(name), new.get(name))
        for name in [*new, *(old.keys() - new.keys())]
        if old.get(name) != new.get(name)
    }


def _level(where: Where) -> tuple[str, str]:
    return str(where).partition(" ")[0], where.place


async def _faults_below(
    conn: AsyncConnection[TupleRow],
    where: Where,
    before: Mapping[str, JsonValue],
    after: Mapping[str, JsonValue],
    defaults: Policy,
) -> list[str]:
    """What would no longer fit in areas and homes below that say a part of it themselves."""
    partners = bounded_with(name for name in {*before, *after} if before.get(name) != after.get(name))
    if not partners or where.scope.home_id is not None:
        return []
    site_row = await levels(conn, Scope())
    rows = await conn.execute(_SQL.of_all_areas)
    areas: dict[str, JsonValue] = dict(await rows.fetchall())
    rows = await conn.execute(_SQL.bounded_homes, {"path": where.place, "names": sorted(partners)})
    below: list[tuple[str, str, JsonValue]] = [
        (path, f"area {path}", {}) for path in areas if path.startswith(f"{where.place}/") or not where.place
    ]
    below += [(area, f"home {area}/{name}", said) for area, name, said in await rows.fetchall()]

    def policy(path: str, own: JsonValue, mine: Mapping[str, JsonValue]) -> Policy:
        said = {"": site_row[0].parameters if site_row else {}, **areas, where.place: dict(mine)}
        parts = path.split("/")
        chain = ["", *("/".join(parts[: depth + 1]) for depth in range(len(parts)))]
        return resolve(defaults, [*(said[each] for each in chain if each in said), own]).policy

    faults = []
    for path, place, own in below:
        if (found := faults_of(policy(path, own, after))) and not faults_of(policy(path, own, before)):
            faults.append(f"for the {place}: {'; '.join(found)}")
    if len(faults) > _FAULTS_SHOWN:
        return [*faults[:_FAULTS_SHOWN], f"and {len(faults) - _FAULTS_SHOWN} more"]
    return faults
