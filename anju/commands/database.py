"""Commands for the database itself: `database roles`."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anju import context as ctx
from anju.commands import database_restored
from anju.errors import InputRefused, Usage
from anju.output import JSON_OPTION, say, show_json
from anju.secret_files import read_file

if TYPE_CHECKING:
    from storage.roles import Login

app = typer.Typer(help="The database itself: the roles that the stages log in as.", no_args_is_help=True)
database_restored.add_to(app)

_JSON = Annotated[bool, JSON_OPTION]


@app.callback()
def _group() -> None:
    """Keeps `roles` a command of its own as long as it is the only one."""


@app.command()
def roles(
    context: typer.Context,
    *,
    login: Annotated[
        list[str] | None,
        typer.Option(
            help="Let a stage log in as anju_STAGE_login, with the password in the file; without a file by other"
            " means. Stages: ingest, rules, alerts, probe, keep, operator, dashboards. As often as needed.",
            metavar="STAGE[=FILE]",
            show_default=False,
        ),
    ] = None,
    show: Annotated[
        bool,
        typer.Option("--print", help="Print the SQL for an administrator, without passwords; change nothing."),
    ] = False,
    as_json: _JSON = False,
) -> None:
    """Make the database roles of the stages and give each its rights; again takes away what is more.

    ANJU_DATABASE_URL is that of the schema's owner, who needs CREATEROLE to make roles. `anju migrate` renews the
    rights. With --login probe the probe's button is installed too, for which its own rights do not suffice.
    """
    import psycopg

    from storage import migrate, roles
    from storage.errors import DatabaseUnavailable
    from storage.pool import conninfo, is_passing_fault
    from storage.privileges import Stage

    logins = [_login(text) for text in login or ()]
    if len({each.stage for each in logins}) != len(logins):
        raise Usage("--login names a stage twice; name each once")
    url = ctx.database_url(ctx.settings(context, "database_url"))
    migrate.check(url)
    try:
        with psycopg.connect(conninfo(url, application_name="anju migrate", lock_timeout_s=10)) as connection:
            if show:
                say(roles.script(connection, logins).rstrip())
                return
            applied = roles.apply(connection, logins)
        if Stage.PROBE in {each.stage for each in logins}:
            asyncio.run(_install_probe(url))
    except psycopg.OperationalError as error:
        if not is_passing_fault(error):
            raise
        raise DatabaseUnavailable(f"cannot reach the database: {str(error).splitlines()[0]}") from error
    if as_json:
        show_json(applied)
        return
    made = ", ".join((*applied.groups_made, *applied.logins_made))
    say(f"every stage has its rights, {applied.grants} in all" + (f"; new: {made}" if made else ""))
    if applied.logins_set:
        say(f"set anew: {', '.join(applied.logins_set)}")


async def _install_probe(url: str) -> None:
    """The probe's own rights do not reach to homes and devices; so its button is installed by who gives it a login."""
    from anju.proof.probe import move_in
    from storage.pool import connect

    async with await connect(url, application_name="anju migrate", autocommit=True) as conn:
        await move_in(conn, datetime.now(UTC))


def _login(text: str) -> "Login":
    from storage.privileges import Stage
    from storage.roles import Login, password_fault

    name, given, file = text.partition("=")
    stages: Sequence[str] = [stage.value for stage in Stage]
    if name not in stages or (given and not file):
        raise Usage(f"--login {text!r} is not STAGE or STAGE=FILE; the stages are {', '.join(stages)}")
    if not given:
        return Login(stage=Stage(name))
    try:
        password = read_file(Path(file)).decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise InputRefused(f"the password in {file} is no text") from None
    fault = password_fault(password)
    if fault is not None:
        raise InputRefused(f"the password in {file} {fault}")
    return Login(stage=Stage(name), password=password)
