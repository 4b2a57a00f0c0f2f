"""``python -m bench``: prepares the servers, runs every scenario in turns, prints the table, writes the results."""

import argparse
import functools
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Final

import psycopg
from rich.console import Console

from bench import alerts, backtest, decoding, homes, peers, report, scenarios, series
from bench.children import BenchError, Interrupted, stop_on_signals
from bench.costs import file_system
from bench.scenarios import Values
from bench.servers import Mosquitto, Postgres
from bench.service import prepare_template
from bench.stage import QUICK, Bench, Size

_RESULTS: Final = Path(__file__).resolve().parent / "results.json"
_EXIT_INVALID: Final = 1
_EXIT_INTERRUPTED: Final = 130

Scenario = Callable[[Bench], Values]
_OWN: Final[Mapping[str, Scenario]] = {
    "broker_alone": functools.partial(scenarios.broker_alone, resting=True),
    "throughput": scenarios.throughput,
    "broker_alone_eager": functools.partial(scenarios.broker_alone, resting=False),
    "drain_counter": scenarios.drain_counter,
    "drain": scenarios.drain,
    "button_paced": functools.partial(scenarios.button, saturated=False),
    "button_saturated": functools.partial(scenarios.button, saturated=True),
    "decoding": lambda _: decoding.decode(),
    "homes": homes.watched_homes,
    "alerts": alerts.telling,
    "series": series.sizes,
    "backtest": backtest.water,
}
_ONCE: Final = frozenset({"homes", "series"})
"""Leave nothing to chance, and homes takes ten minutes: not run again."""
_NEED_SERVICE: Final = frozenset({"throughput", "drain", "button_paced", "button_saturated"})
_NEED_NO_SERVER: Final = frozenset({"decoding", "backtest"})


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measures Anju end to end on this machine.")
    parser.add_argument("--quick", action="store_true", help="tiny runs: proves that the bench works, measures nothing")
    parser.add_argument(
        "--only",
        action="append",
        metavar="NAME",
        help="only scenarios whose name begins so; may be repeated: "
        + ", ".join([*_OWN, *(f"peer_{p.name}" for p in peers.ALL)]),
    )
    parser.add_argument("--runs", type=int, default=None, metavar="N", help="runs of each scenario (3; 1 with --quick)")
    parser.add_argument(
        "--results",
        type=Path,
        default=None,
        metavar="FILE",
        help="where to write (bench/results.json; nowhere with --quick)",
    )
    parser.add_argument(
        "--folder", type=Path, default=Path("/var/tmp"), help="a folder on a disk for the servers' data"
    )
    parser.add_argument(
        "--recording",
        type=Path,
        default=None,
        metavar="FILE",
        help="what backtest repeats: hourly readings, CSV or CSV.gz (../shared/data/water/homes_hourly.csv.gz)",
    )
    parser.add_argument("--tz", default=backtest.TIME_ZONE, metavar="ZONE", help="of the homes in it (%(default)s)")
    parser.add_argument(
        "--mosquitto",
        action="append",
        default=[],
        metavar="SETTING",
        help='overrides a broker setting, e.g. "max_inflight_messages 20"',
    )
    return parser.parse_args()


def _chosen(only: list[str] | None) -> tuple[dict[str, Scenario], list[peers.Peer]]:
    def wanted(name: str) -> bool:
        return only is None or any(name.startswith(prefix) for prefix in only)

    own = {name: scenario for name, scenario in _OWN.items() if wanted(name)}
    rivals = [rival for rival in peers.ALL if wanted(f"peer_{rival.name}")]
    if not own and not rivals:
        raise BenchError(f"no scenario is called {' or '.join(only or ())}")
    return own, rivals


def _with_recording(own: dict[str, Scenario], arguments: argparse.Namespace, notes: dict[str, str]) -> None:
    """Gives the back-test what it repeats; leaves it out where nobody named a file and the development data lack."""
    if "backtest" not in own:
        return
    if arguments.recording is None and not backtest.RECORDING.exists():
        del own["backtest"]
        notes["backtest"] = "left out: ../shared/data/water is not there; --recording names another file"
        return
    source = backtest.Source(file=arguments.recording or backtest.RECORDING, time_zone=arguments.tz)
    own["backtest"] = functools.partial(backtest.water, source=source)


def _measure(bench: Bench, chosen: Mapping[str, Scenario], *, runs: int, console: Console) -> dict[str, report.Runs]:
    results = {name: report.Runs() for name in chosen}
    for turn in range(1, runs + 1):
        for name, scenario in chosen.items():
            if turn > 1 and name in _ONCE:
                continue
            started_s = time.monotonic()
            try:
                values = scenario(bench)
            except (BenchError, psycopg.Error, OSError) as error:
                # Only the first line is kept: what follows is a log, with places of this machine in it.
                results[name].invalid.append(str(error).partition("\n")[0])
                console.print(f"  run {turn}/{runs}  {name:<22} [red]invalid[/]: {error}", highlight=False)
            else:
                results[name].valid.append({key: round(value, 3) for key, value in values.items()})
                shown = "  ".join(f"{key} {value:,.1f}" for key, value in values.items())
                took_s = time.monotonic() - started_s
                console.print(f"  run {turn}/{runs}  {name:<22} {shown}  [dim]({took_s:.0f} s)[/]", highlight=False)
    return results


def _run(arguments: argparse.Namespace, console: Console, stack: ExitStack) -> int:
    own, rivals = _chosen(arguments.only)
    size: Size = QUICK if arguments.quick else Size()
    runs: int = arguments.runs or (1 if arguments.quick else 3)
    folder = Path(tempfile.mkdtemp(prefix="anju-bench-", dir=arguments.folder))
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    folder.chmod(0o755)  # the servers may run under an account of their own
    kind = file_system(folder)
    facts: dict[str, object] = {"machine": report.machine(kind)}
    notes: dict[str, str] = {}
    _with_recording(own, arguments, notes)
    postgres = Postgres(folder / "postgres")
    bench = Bench(folder=folder, postgres=postgres, size=size, overrides=tuple(arguments.mosquitto))
    served = bool(rivals or own.keys() - _NEED_NO_SERVER)
    if served:
        stack.callback(postgres.stop)
        postgres.start()
    if _NEED_SERVICE & own.keys():
        prepare_template(postgres, folder, buttons=size.presses)
    chosen = dict(own)
    titles = {}
    rival_versions = {}
    kept = peers.default_folder()
    for rival in rivals:
        try:
            rival_versions[rival.name] = rival.install(kept)
        except peers.PeerMissing as error:
            notes[f"peer {rival.title}"] = f"left out: {error}"
            continue
        notes[f"peer {rival.title}"] = rival.note
        titles[rival.name] = rival.title
        chosen[f"peer_{rival.name}"] = functools.partial(scenarios.peer, rival=rival, installed_in=kept)
    settings = Mosquitto.settings(bench.overrides)
    servers = {"mosquitto": Mosquitto.version(), "postgresql": postgres.settings["server_version"]} if served else {}
    if served:
        console.print(f"Mosquitto {servers['mosquitto']}: {', '.join(settings)}", highlight=False)
        console.print(
            "PostgreSQL " + ", ".join(f"{key} {value}" for key, value in postgres.settings.items()), highlight=False
        )
    results = _measure(bench, chosen, runs=runs, console=console)
    lines = report.figures(results, titles)
    report.show(console, lines, results, notes)
    target = arguments.results or (None if arguments.quick or arguments.only else _RESULTS)
    if target is not None:
        facts |= {
            "versions": report.versions(**servers, **rival_versions),
            "mosquitto_settings": settings,
            "postgresql_settings": postgres.settings,
            "size": asdict(size) | {"payload_bytes": bench.payload_bytes, "publish_window": bench.publish_window},
            "runs": runs,
            "notes": notes,
        }
        report.write(target, facts=facts, results=results, lines=lines)
    return _EXIT_INVALID if any(runs_.invalid for runs_ in results.values()) else 0


def main() -> int:
    """Runs the bench; 0: all runs valid, 1: some were not, 2: it could not run, 130: interrupted."""
    arguments = _arguments()
    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    stop_on_signals()
    try:
        with ExitStack() as stack:
            return _run(arguments, console, stack)
    except Interrupted:
        console.print("[red]stopped; everything that was started has been taken down[/]")
        return _EXIT_INTERRUPTED
    except BenchError as error:
        console.print(f"[red]{error}[/]", highlight=False)
        return 2


if __name__ == "__main__":
    sys.exit(main())
