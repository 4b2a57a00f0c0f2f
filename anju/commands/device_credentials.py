"""`anju device credentials`: who may log in at the broker, and the files that tell it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from anju import context as ctx
from anju.errors import Usage
from anju.output import JSON_OPTION, complain, instant, say, show_json, show_table

if TYPE_CHECKING:
    from psycopg import AsyncConnection
    from psycopg.rows import TupleRow

    from devices.registry import Drivers
    from registry.certificates import Certified, Pair
    from registry.credentials import Account, Grant, Login
    from registry.issuing import Standing

app = typer.Typer(
    help="Issue and revoke what devices, gateways and ingest log in with at the broker (docs/broker.md).",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_AUTHORITY: Final = ("ca.crt", "ca.key")
_SERVER: Final = ("server.crt", "server.key")
_JSON = Annotated[bool, JSON_OPTION]
_NAME = Annotated[
    str, typer.Argument(help="Of the device, the gateway or ingest's account.", metavar="NAME", show_default=False)
]
_OUT = Annotated[
    Path | None,
    typer.Option(
        "--out", help="Also write the broker's files there, as `sync` does.", metavar="DIR", show_default=False
    ),
]


@app.command()
def issue(
    context: typer.Context,
    *,
    name: _NAME,
    family: Annotated[
        str | None,
        typer.Option(
            help="NAME is a gateway, which speaks for all devices of this family.",
            metavar="FAMILY",
            show_default=False,
        ),
    ] = None,
    prefix: Annotated[
        str | None,
        typer.Option(
            help="The gateway's only first level of topics.", metavar="PREFIX", show_default="all of the family's"
        ),
    ] = None,
    ingest: Annotated[
        bool, typer.Option("--ingest", help="NAME is an account of ingest: it hears everybody.", show_default=False)
    ] = False,
    certificate: Annotated[
        Path | None,
        typer.Option(
            help="By a certificate that the authority in this folder signs, instead of a password; written there too.",
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="End the credential it has.", show_default=False)] = False,
    out: _OUT = None,
    as_json: _JSON = False,
) -> None:
    """Issue a credential for a device on record, a gateway, or ingest.

    A password is shown once and not kept. It counts as soon as the broker has read its files anew (SIGHUP).
    """
    from registry import issuing
    from registry.credentials import Account, Kind, Login, checked_name, gateway_account, hashed, new_password
    from registry.errors import CredentialRefused

    if ingest and (family or certificate):
        raise Usage("--ingest goes with neither --family nor --certificate")
    if prefix and not family:
        raise Usage("--prefix goes with --family")
    drivers = ctx.drivers(ctx.settings(context, "database_url"))
    now = datetime.now(UTC)
    certified = None if certificate is None else _certified(certificate, now)
    password = new_password()

    async def account_of(conn: "AsyncConnection[TupleRow]") -> "Account":
        if ingest:
            return Account(name=checked_name(name), kind=Kind.INGEST)
        if family is not None:
            return gateway_account(name, family, prefix, drivers)
        return await issuing.account_of(conn, name)

    async def work(conn: "AsyncConnection[TupleRow]") -> "tuple[Login, bool]":
        account = await account_of(conn)
        if certified is not None:
            login = Login(account=account, user=certified.user, password_hash=None)
        elif ":" in account.name:
            raise CredentialRefused(f"{account.name}: a user with ':' can have no password, but a certificate")
        else:
            login = Login(account=account, user=account.name, password_hash=hashed(password))
        expires_at = None if certified is None else certified.expires_at
        return login, await issuing.issue(conn, login, now=now, expires_at=expires_at, replace=replace)

    login, replaced = ctx.with_database(context, work)
    files = {} if certificate is None or certified is None else _keep(certificate, certified)
    # Before the files: a password that is on record and was never shown is lost.
    if as_json:
        shown = {"password": password} if certified is None else {**files, "expires_at": certified.expires_at}
        show_json({"account": login.account.name, "user": login.user, **shown, "replaced": replaced})
    else:
        say(f"user: {login.user}")
        if certified is None:
            say(f"password: {password}")
        else:
            say(f"certificate: {files['certificate']}, until {instant(certified.expires_at)}")
            say(f"key: {files['key']}")
    if out is not None:
        _sync(context, out, drivers)
    complain(_WHEN_IT_COUNTS if out is not None else f"not in the broker's files yet: `sync`; then {_THEN}")


@app.command()
def revoke(context: typer.Context, *, name: _NAME, out: _OUT = None) -> None:
    """End a credential. Connections that stand lose their rights when the broker has read its files anew."""
    from registry import issuing

    drivers = ctx.drivers(ctx.settings(context, "database_url"))
    user = ctx.with_database(context, lambda conn: issuing.revoke(conn, name, now=datetime.now(UTC)))
    say(f"{name} has no credential any more (user {user})")
    if out is not None:
        _sync(context, out, drivers)
    complain(_WHEN_IT_COUNTS if out is not None else f"still in the broker's files: `sync`; then {_THEN}")


@app.command(name="list")
def list_(context: typer.Context, *, as_json: _JSON = False) -> None:
    """List who has a credential, which topics it opens, and whether the device is still installed."""
    from registry import issuing
    from registry.credentials import grants

    drivers = ctx.drivers(ctx.settings(context, "database_url"))
    found = ctx.with_database(context, issuing.standing)
    rights = [grants(each.login.account, drivers) for each in found]
    if as_json:
        show_json([_as_json(each, held) for each, held in zip(found, rights, strict=True)])
        return
    show_table(
        ("Account", "Kind", "Family", "By", "Issued", "Expires", "Installed", "Rights"),
        [
            (
                each.login.account.name,
                each.login.account.kind.value,
                each.login.account.driver,
                "certificate" if each.login.password_hash is None else "password",
                each.issued_at,
                each.expires_at,
                None if each.installed is None else "yes" if each.installed else "no",
                ", ".join(f"{right.access} {right.topics}" for right in held),
            )
            for each, held in zip(found, rights, strict=True)
        ],
    )


@app.command()
def sync(
    context: typer.Context,
    *,
    out: Annotated[
        Path,
        typer.Option("--out", help="The folder that the broker's settings name.", metavar="DIR", show_default=False),
    ],
) -> None:
    """Write the broker's password and ACL files from what is on record; they are replaced whole."""
    count = _sync(context, out, ctx.drivers(ctx.settings(context, "database_url")))
    say(f"{count} accounts in {out}")
    complain(_WHEN_IT_COUNTS)


@app.command()
def authority(
    *,
    directory: Annotated[Path, typer.Argument(help="Where to keep it; outside the broker.", metavar="DIR")],
    name: Annotated[str, typer.Option(help="Of the site.", metavar="NAME")] = "Anju site authority",
    server: Annotated[
        list[str] | None,
        typer.Option(
            help="A name or address of the broker: sign a certificate for it. May be repeated.",
            metavar="HOST",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Make the site's own authority, unless it is there, and a certificate for the broker.

    Whoever holds its key can let in devices that do nothing, and pretend to be the broker: keep it off the broker.
    """
    from anju.secret_files import new_file, replace_file
    from registry.certificates import new_authority, server_certificate

    now = datetime.now(UTC)
    certificate_file, key_file = (directory / each for each in _AUTHORITY)
    if not certificate_file.exists():
        made = new_authority(name, now)
        new_file(key_file, made.key)
        replace_file(certificate_file, made.certificate)
        certificate_file.chmod(0o644)
        say(f"authority: {certificate_file}, {key_file}")
    elif not server:
        say(f"{certificate_file} is there already")
    if server:
        signed = server_certificate(_authority(directory), server, now)
        for file, content in zip(_SERVER, (signed.certificate, signed.key), strict=True):
            replace_file(directory / file, content)
        say(f"broker: {', '.join(str(directory / each) for each in _SERVER)}")


_THEN: Final = "let the broker read them (SIGHUP)"
_WHEN_IT_COUNTS: Final = f"it counts once the broker has read its files anew: {_THEN}"


def _sync(context: typer.Context, folder: Path, drivers: "Drivers") -> int:
    from anju.secret_files import replace_file
    from registry import issuing
    from registry.credentials import broker_files

    async def work(conn: "AsyncConnection[TupleRow]") -> int:
        async with conn.transaction():
            await issuing.lock(conn)
            logins = [each.login for each in await issuing.standing(conn)]
            files = broker_files(logins, drivers)
            for name, content in (
                ("acl", files.acl),
                ("passwords", files.passwords),
                ("service-acl", files.service_acl),
                ("service-passwords", files.service_passwords),
            ):
                replace_file(folder / name, content.encode())
            return len(logins)

    return ctx.with_database(context, work)


def _authority(folder: Path) -> "Pair":
    from anju.secret_files import read_file
    from registry.certificates import Pair

    certificate, key = (read_file(folder / each) for each in _AUTHORITY)
    return Pair(certificate, key)


def _certified(folder: Path, now: datetime) -> "Certified":
    from registry.certificates import client_certificate

    return client_certificate(_authority(folder), now)


def _keep(folder: Path, certified: "Certified") -> dict[str, str]:
    from anju.secret_files import new_file

    certificate, key = (folder / "issued" / f"{certified.user}{suffix}" for suffix in (".crt", ".key"))
    new_file(key, certified.pair.key)
    new_file(certificate, certified.pair.certificate)
    return {"certificate": str(certificate), "key": str(key)}


def _as_json(each: "Standing", rights: "Sequence[Grant]") -> dict[str, object]:
    account = each.login.account
    return {
        "account": account.name,
        "kind": account.kind,
        "driver": account.driver,
        "prefix": account.prefix,
        "user": each.login.user,
        "by": "certificate" if each.login.password_hash is None else "password",
        "issued_at": each.issued_at,
        "expires_at": each.expires_at,
        "installed": each.installed,
        "rights": [right._asdict() for right in rights],
    }
