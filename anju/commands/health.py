"""`anju health`: asks the roles of this machine whether they live, for container engines and service managers."""

import ssl
from typing import TYPE_CHECKING, Annotated, Final
from urllib.error import HTTPError, URLError
from urllib.request import HTTPSHandler, ProxyHandler, build_opener

import typer

from anju import context as ctx
from anju.errors import CommandError, Usage
from anju.output import say

if TYPE_CHECKING:
    from config.settings import Settings

_PORT: Final = "metrics_port_"
_WITHIN_S: Final = 5.0
_MOST_BYTES: Final = 4_096


def add_to(app: typer.Typer) -> None:
    """Adds the command of this module."""
    app.command()(health)


def health(
    context: typer.Context,
    roles: Annotated[
        list[str] | None,
        typer.Argument(
            help="Which; without, all that have a metrics port here.", metavar="[ROLE]...", show_default=False
        ),
    ] = None,
    ready: Annotated[bool, typer.Option("--ready", help="Also whether they do their work (/readyz).")] = False,
) -> None:
    """Ask running roles of this machine whether they live (/healthz); the exit code is 0 if all do, else 1."""
    settings = ctx.settings(context)
    asked = _ports(settings, roles or [])
    path = "/readyz" if ready else "/healthz"
    base = f"{'http' if settings.tls_cert_file is None else 'https'}://{_host(settings)}"
    faults = [f"{role}: {fault}" for role, port in asked.items() if (fault := _fault(f"{base}:{port}", path))]
    if faults:
        raise CommandError("; ".join(faults))
    say(f"{', '.join(asked)}: {'ready' if ready else 'alive'}")


def _ports(settings: "Settings", roles: list[str]) -> dict[str, int]:
    """The metrics ports of the roles that are asked."""
    known = {
        name.removeprefix(_PORT): int(getattr(settings, name))
        for name in type(settings).model_fields
        if name.startswith(_PORT)
    }
    for role in roles:
        if role not in known:
            raise Usage(f"{role} is no role; there are {', '.join(known)}")
        if known[role] == 0:
            raise Usage(f"ANJU_METRICS_PORT_{role.upper()} is not set, so {role} cannot be asked")
    found = {role: port for role, port in known.items() if port and (role in roles or not roles)}
    if not found:
        raise Usage("no role has a metrics port here: ANJU_METRICS_PORT_INGEST and the like are not set")
    return found


def _host(settings: "Settings") -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(  # noqa: S104 (listening everywhere is theirs)
        settings.metrics_address, settings.metrics_address
    )
    return f"[{host}]" if ":" in host else host


def _fault(base: str, path: str) -> str | None:
    # The certificate speaks of a name, and this is asked by address, of a process beside: nothing secret is said.
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    try:
        with build_opener(ProxyHandler({}), HTTPSHandler(context=tls)).open(f"{base}{path}", timeout=_WITHIN_S):
            return None
    except HTTPError as refused:
        with refused:
            return refused.read(_MOST_BYTES).decode(errors="replace").strip().replace("\n", "; ")
    except (URLError, OSError) as error:
        return f"{base} does not answer: {getattr(error, 'reason', error)}"
