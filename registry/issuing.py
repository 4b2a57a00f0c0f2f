"""Issuing and revoking credentials at the broker; only salted hashes are stored, and what is revoked stays on record.

A device that is taken out of its home keeps its credential until that is revoked: a press of a button that was retired
by mistake is still heard.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from registry.credentials import Account, Kind, Login, device_account
from registry.errors import CredentialRefused
from storage.sql import load

_SQL = load("registry", "issuing.sql")


class Standing(NamedTuple):
    """A credential that was not revoked.

    Attributes:
        login: whose, and how.
        issued_at: when it was.
        expires_at: when its certificate ends; None for a password.
        installed: whether the device serves a home now; None for others.
    """

    login: Login
    issued_at: datetime
    expires_at: datetime | None
    installed: bool | None


async def lock(conn: AsyncConnection[TupleRow]) -> None:
    """Within a transaction: whoever else issues, revokes or writes files waits for its end."""
    await conn.execute(_SQL.lock)


async def account_of(conn: AsyncConnection[TupleRow], device: str) -> Account:
    """The account of a device on record.

    Raises:
        CredentialRefused: it is not on record, or no device of its kind has an account of its own.
    """
    row = await (await conn.execute(_SQL.device, {"name": device})).fetchone()
    if row is None:
        raise CredentialRefused(f"there is no device {device!r} on record: `anju device add` installs it")
    driver, below = row
    if below is not None and driver != "tasmota":
        raise CredentialRefused(f"{below} lies below {device}, which could speak for it: name one of them otherwise")
    return device_account(device, driver)


async def issue(
    conn: AsyncConnection[TupleRow],
    login: Login,
    *,
    now: datetime,
    expires_at: datetime | None = None,
    replace: bool = False,
) -> bool:
    """Puts a credential on record; the account's former one ends with it.

    Args:
        conn: a connection.
        login: the new one.
        now: the time.
        expires_at: when its certificate ends.
        replace: there may be a former one.

    Returns:
        Whether there was one.

    Raises:
        CredentialRefused: there is one and it is not to be replaced.
    """
    account = login.account
    async with conn.transaction():
        await lock(conn)
        row = await (await conn.execute(_SQL.standing_of, {"account": account.name})).fetchone()
        if row is not None and not replace:
            raise CredentialRefused(
                f"{account.name} has a credential of {row[0]:%Y-%m-%d %H:%M} UTC: with --replace a new one ends it"
            )
        await conn.execute(_SQL.revoke, {"account": account.name, "now": now})
        await conn.execute(
            _SQL.issue,
            {
                "account": account.name,
                "kind": account.kind.value,
                "driver": account.driver,
                "prefix": account.prefix,
                "login": login.user,
                "password_hash": login.password_hash,
                "now": now,
                "expires_at": expires_at,
            },
        )
    return row is not None


async def revoke(conn: AsyncConnection[TupleRow], account: str, *, now: datetime) -> str:
    """Ends the credential of an account.

    Returns:
        The MQTT user that it was.

    Raises:
        CredentialRefused: it has none.
    """
    row = await (await conn.execute(_SQL.revoke, {"account": account, "now": now})).fetchone()
    if row is None:
        raise CredentialRefused(f"{account!r} has no credential: `anju device credentials list` shows who has")
    return str(row[0])


async def standing(conn: AsyncConnection[TupleRow]) -> Sequence[Standing]:
    """All credentials that were not revoked, each with the family that its device is on record with now."""
    found = []
    async for name, kind, driver, prefix, user, password_hash, *times, installed in await conn.execute(_SQL.standing):
        account = Account(name=name, kind=Kind(kind), driver=driver, prefix=prefix)
        login = Login(account=account, user=user, password_hash=password_hash)
        found.append(Standing(login, times[0], times[1], installed))
    return found
