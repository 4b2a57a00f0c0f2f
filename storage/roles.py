"""The database roles of the stages: who may do what, given exactly and again and again.

Each stage has a group role without a login, which carries the rights of `privileges.toml`, and a login that is in this
group alone. Whoever owns the schema gives the rights; making roles needs CREATEROLE besides.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, LiteralString, cast

import psycopg
from psycopg import Connection, sql

from storage.errors import RolesRefused
from storage.privileges import Grant, Privilege, Stage, Table, table
from storage.sql import load

_Q: Final = load(__package__, "roles.sql")
_MIN_PASSWORD: Final = 12
_MAX_PASSWORD: Final = 500
_LOCK_KEY: Final = 0x726F6C65  # any number that nothing else uses as a lock
# Ingest and a replay from quarantine stage their readings in a temporary table.
_TEMPORARY: Final = (Stage.INGEST, Stage.OPERATOR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A stage that shall be able to log in; without a password it needs another way (peer, certificate)."""

    stage: Stage
    password: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What was done: the groups and logins that were new, and how many rights each call gives."""

    groups_made: tuple[str, ...]
    logins_made: tuple[str, ...]
    logins_set: tuple[str, ...]
    grants: int


def apply(connection: Connection[Any], logins: Sequence[Login] = ()) -> Applied:
    """Makes the missing groups and logins, and gives and takes rights until they are those of the table.

    In one transaction of the connection's, which the caller commits. Again changes nothing but the passwords' salt.

    Raises:
        RolesRefused: we may not, or a role of one of these names is something else.
    """
    connection.execute(_Q.lock, [_LOCK_KEY])
    made = _missing(connection, logins)
    statements = [*_groups(), *_logins(connection, logins), *_rights(connection)]
    try:
        for statement in statements:
            connection.execute(statement)
    except psycopg.errors.InsufficientPrivilege as error:
        raise RolesRefused(
            f"the database does not allow it: {error.diag.message_primary}; run this as the owner of the schema, who"
            " made the roles or is a superuser, or hand the output of --print to an administrator"
        ) from error
    return Applied(
        groups_made=tuple(stage.group for stage in Stage if stage.group in made),
        logins_made=tuple(each.stage.login for each in logins if each.stage.login in made),
        logins_set=tuple(each.stage.login for each in logins if each.stage.login not in made),
        grants=len(table().grants),
    )


def renew(connection: Connection[Any]) -> bool:
    """Gives the rights anew where the groups exist, as after a migration; says whether they do.

    Needs no right to make roles.
    """
    groups = [stage.group for stage in Stage]
    found = connection.execute(_Q.known, {"names": groups}).fetchall()
    if len(found) < len(groups):
        return False
    connection.execute(_Q.lock, [_LOCK_KEY])
    for statement in _rights(connection):
        connection.execute(statement)
    return True


def script(connection: Connection[Any], logins: Sequence[Login] = ()) -> str:
    """The statements that `apply` would run, for an administrator; no passwords in it."""
    bare = [Login(stage=each.stage) for each in logins]
    statements = [*_groups(), *_logins(connection, bare), *_rights(connection)]
    lines = [f"{statement.as_string(connection)};" for statement in statements]
    return "\n".join(["BEGIN;", *lines, "COMMIT;", ""])


def password_fault(password: str) -> str | None:
    """What is wrong with a password; None: nothing."""
    if not _MIN_PASSWORD <= len(password) <= _MAX_PASSWORD:
        return f"has {len(password)} characters; {_MIN_PASSWORD} to {_MAX_PASSWORD} are right"
    if not (password.isascii() and password.isprintable()):
        return "has characters other than the printable ones of ASCII"
    return None


def relations(connection: Connection[Any]) -> list[str]:
    """The tables and views of ours in the schema public."""
    return [row[0] for row in connection.execute(_Q.relations).fetchall()]


def functions(connection: Connection[Any]) -> list[str]:
    """The functions of ours in the schema public, as `name(types)`."""
    return [row[0] for row in connection.execute(_Q.functions).fetchall()]


def _missing(connection: Connection[Any], logins: Sequence[Login]) -> frozenset[str]:
    """Which roles have to be made; refuses where that cannot be, before anything is changed."""
    row = connection.execute(_Q.may).fetchone()
    if row is None:
        raise RolesRefused("the database has no schema yet: run 'anju migrate' first")
    may_make, is_ours, _ = row
    if not is_ours:
        raise RolesRefused("this login does not own the schema: use the one that runs 'anju migrate'")
    groups, wanted = {stage.group for stage in Stage}, {each.stage.login for each in logins}
    found = connection.execute(_Q.known, {"names": sorted(groups | wanted)}).fetchall()
    for name, can_login, mighty in found:
        if mighty or (name in groups and can_login):
            what = "has rights over the whole server" if mighty else "can log in"
            raise RolesRefused(f"there is a role {name} already, and it {what}: it is not ours to change")
    missing = (groups | wanted) - {name for name, _, _ in found}
    if missing and not may_make:
        raise RolesRefused(
            f"roles are missing ({', '.join(sorted(missing))}), and this login has no CREATEROLE: have an administrator"
            " grant it, or run the output of --print"
        )
    return frozenset(missing)


def _groups() -> Iterator[sql.Composed]:
    for stage in Stage:
        yield _made(stage.group, sql.SQL("NOLOGIN"))


def _logins(connection: Connection[Any], logins: Sequence[Login]) -> Iterator[sql.Composed]:
    names = [each.stage.login for each in logins]
    groups = [stage.group for stage in Stage]
    members = connection.execute(_Q.memberships, {"logins": names, "groups": groups}).fetchall()
    for each in logins:
        login, group = sql.Identifier(each.stage.login), sql.Identifier(each.stage.group)
        yield _made(each.stage.login, sql.SQL("LOGIN"))
        yield sql.SQL("ALTER ROLE {} LOGIN").format(login)
        if each.password is not None:
            yield sql.SQL("ALTER ROLE {} PASSWORD {}").format(login, _verifier(connection, each))
        for member, other in members:
            if member == each.stage.login and other != each.stage.group:
                yield sql.SQL("REVOKE {} FROM {}").format(sql.Identifier(other), login)
        yield sql.SQL("GRANT {} TO {}").format(group, login)


def _verifier(connection: Connection[Any], login: Login) -> sql.Literal:
    """What the server keeps of a password: made here, so that the password is in no statement and no log of its."""
    encrypted = connection.pgconn.encrypt_password(
        (login.password or "").encode(), login.stage.login.encode(), b"scram-sha-256"
    )
    return sql.Literal(encrypted.decode())


def _made(name: str, kind: sql.SQL) -> sql.Composed:
    # Two databases of one server may be prepared at the same time, and share their roles.
    return sql.SQL(
        "DO $$ BEGIN CREATE ROLE {} {} INHERIT; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
    ).format(sql.Identifier(name), kind)


def _rights(connection: Connection[Any]) -> Iterator[sql.Composed]:
    """Takes all, then gives what is due: within one transaction nobody sees the time between."""
    rights, present = table(), relations(connection)
    groups = _listed(stage.group for stage in Stage)
    row = connection.execute(_Q.may).fetchone()
    database = sql.Identifier(row[2] if row else "")
    yield sql.SQL("REVOKE TEMPORARY ON DATABASE {} FROM PUBLIC").format(database)
    yield sql.SQL("REVOKE CREATE ON SCHEMA public FROM PUBLIC, {}").format(groups)
    yield sql.SQL("REVOKE ALL ON {} FROM PUBLIC, {}").format(
        sql.SQL(", ").join(sql.Identifier("public", name) for name in present), groups
    )
    yield sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, groups)
    yield sql.SQL("GRANT TEMPORARY ON DATABASE {} TO {}").format(database, _listed(s.group for s in _TEMPORARY))
    yield sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(groups)
    yield from (_given(grant) for grant in rights.grants if grant.relation in present)
    yield from _callable(connection, rights, groups)
    yield from _dashboard(connection)


def _listed(names: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))


def _given(grant: Grant) -> sql.Composed:
    columns = sql.SQL(" ({})").format(sql.SQL(", ").join(map(sql.Identifier, grant.columns)))
    return sql.SQL("GRANT {}{} ON {} TO {}").format(
        sql.SQL(_WORDS[grant.privilege]),
        columns if grant.columns else sql.SQL(""),
        sql.Identifier("public", grant.relation),
        sql.Identifier(grant.stage.group),
    )


_WORDS: Final[Mapping[Privilege, LiteralString]] = {
    Privilege.SELECT: "SELECT",
    Privilege.INSERT: "INSERT",
    Privilege.UPDATE: "UPDATE",
    Privilege.DELETE: "DELETE",
}


def _callable(connection: Connection[Any], rights: Table, groups: sql.Composable) -> Iterator[sql.Composed]:
    for name, in_sql in connection.execute(_Q.functions).fetchall():
        function = sql.SQL(cast(LiteralString, in_sql))  # quoted by the database's own catalog
        yield sql.SQL("REVOKE ALL ON {} FROM PUBLIC, {}").format(function, groups)
        for stage in rights.functions.get(name, ()):
            yield sql.SQL("GRANT EXECUTE ON {} TO {}").format(function, sql.Identifier(stage.group))


def _dashboard(connection: Connection[Any]) -> Iterator[sql.Composed]:
    """The views of the schema dashboard are for those who draw them; the tables below them for nobody."""
    views = [row[0] for row in connection.execute(_Q.dashboard_views).fetchall()]
    if not views:
        return
    group = sql.Identifier(Stage.DASHBOARDS.group)
    yield sql.SQL("REVOKE ALL ON ALL TABLES IN SCHEMA dashboard FROM PUBLIC, {}").format(group)
    yield sql.SQL("GRANT USAGE ON SCHEMA dashboard TO {}").format(group)
    for view in views:
        yield sql.SQL("GRANT SELECT ON {} TO {}").format(sql.Identifier("dashboard", view), group)
