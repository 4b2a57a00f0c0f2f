"""The command `anju`: what each command is called, and what every command ends with.

Commands import what they run when they are run, so that `anju --help` answers at once.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer

from anju.commands import (
    absence,
    alert,
    backtest,
    broker,
    channel,
    data,
    database,
    decode,
    device,
    drivers,
    escalation,
    health,
    home,
    operate,
    person,
    policy,
    quarantine,
    reply,
    report,
    roster,
    serve,
)
from anju.context import Globals
from anju.errors import CommandError, Exit
from anju.output import complain, say

_EPILOG: Final = (
    "Exit codes: 0 done; 1 failed, or `doctor` found a fault; 2 wrong usage or settings; 3 faulty input, refused;"
    " 4 a server cannot be reached; 5 no such thing, or its state does not allow it; 130 interrupted."
    " Settings come from ANJU_* variables and --config; docs/settings.md has them all."
)

app = typer.Typer(
    name="anju",
    help="Watches over older people who live alone: from a sensor's MQTT message to the duty worker who goes there.",
    epilog=_EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
serve.add_to(app)
health.add_to(app)
data.add_to(app)
decode.add_to(app)
drivers.add_to(app)
operate.add_to(app)
report.add_to(app)
app.add_typer(alert.app, name="alert")
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(device.app, name="device")
app.add_typer(broker.app, name="broker")
app.add_typer(database.app, name="database")
app.add_typer(absence.app, name="absence")
app.add_typer(policy.app, name="policy")
app.add_typer(home.app, name="home")
app.add_typer(person.app, name="person")
app.add_typer(roster.app, name="roster")
app.add_typer(escalation.app, name="escalation")
app.add_typer(reply.app, name="reply")
app.add_typer(channel.app, name="channel")
app.add_typer(backtest.app, name="backtest")


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            say(f"anju {version('anju')}")
        except PackageNotFoundError:
            say("anju (not installed, run from its folder)")
        raise typer.Exit


@app.callback()
def _globals(
    context: typer.Context,
    config: Annotated[
        Path | None, typer.Option(help="A TOML file with settings; ANJU_* variables win over it.", metavar="FILE")
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    context.obj = Globals(config_file=config)


def main() -> NoReturn:
    """Runs the command line; every foreseeable fault becomes one line and an exit code."""
    sys.exit(guarded(app))


def guarded(run: Callable[[], object]) -> int:
    """Runs something and returns its exit code; what it raises is told on standard error."""
    try:
        run()
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:  # whoever read our output has seen enough
        sys.stderr.close()
        return Exit.OK
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else Exit.FAILED if ended.code else Exit.OK
    except _foreseen() as error:  # evaluated only when something was raised: the packages it names are heavy
        leaf = _leaf(error)
        if not isinstance(leaf, _foreseen()) or isinstance(leaf, ExceptionGroup):
            raise
        return _explain(leaf)
    return Exit.OK


def _foreseen() -> tuple[type[Exception], ...]:
    import psycopg

    from alerts.errors import AlertError
    from config.errors import SettingsError
    from ingest.errors import IngestError
    from registry.errors import RegistryError
    from storage.errors import StorageError

    return (
        CommandError,
        SettingsError,
        StorageError,
        RegistryError,
        IngestError,
        AlertError,
        psycopg.Error,
        ExceptionGroup,
    )


def _leaf(error: Exception) -> Exception:
    """The one error behind a task group's, where there is only one."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _explain(error: Exception) -> Exit:
    from psycopg import Error as DatabaseError

    from alerts.errors import BadWebhook, Refused
    from config.errors import SettingsError
    from config.logging import redacted
    from ingest.errors import ConfigurationFault, PassingFault
    from registry.errors import ImportRefused, InstallationRefused
    from registry.policies import AreaUnknown
    from storage.errors import DatabaseUnavailable
    from storage.pool import is_passing_fault

    sentence = redacted(" ".join(str(error).split()))
    if isinstance(error, ImportRefused):
        for fault in error.faults:
            complain(str(fault))
        complain(f"anju: {sentence}")
        return Exit.REFUSED
    if isinstance(error, DatabaseError):
        if is_passing_fault(error):
            complain(f"anju: the database cannot be reached or is busy: {sentence}; `anju doctor` looks closer")
            return Exit.UNREACHABLE
        complain(f"anju: the database refused: {sentence}")
        return Exit.FAILED
    complain(f"anju: {sentence}")
    if isinstance(error, CommandError):
        return error.exit
    if isinstance(error, SettingsError | ConfigurationFault | BadWebhook):
        return Exit.USAGE
    if isinstance(error, Refused | InstallationRefused | AreaUnknown):
        return Exit.NOT_POSSIBLE
    if isinstance(error, DatabaseUnavailable | PassingFault):
        return Exit.UNREACHABLE
    return Exit.FAILED
