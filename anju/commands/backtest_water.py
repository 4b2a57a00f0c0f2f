"""`anju backtest water`: what would have been told of the homes in a recording, and what would have been missed."""

import gc
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from json import dumps
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from anju.arguments import instant
from anju.commands.backtest_files import opened
from anju.commands.backtest_progress import progress
from anju.errors import InputRefused, Usage
from anju.output import JSON_OPTION, complain, say, show_json, show_table

if TYPE_CHECKING:
    from registry.policy import Policy
    from rules.backtest.cases import Told
    from rules.backtest.figures import HomeTrial, Summary
    from rules.backtest.recording import Recording
    from rules.backtest.trial import Plan

_HOMES_TABLED = 40
_SELDOM = 100_000


def water(
    *,
    file: Annotated[
        Path, typer.Argument(help="CSV, plain or gzip: meter_id, measured_at, total_l.", metavar="FILE.csv[.gz]")
    ],
    policy: Annotated[
        Path | None,
        typer.Option(help="TOML with the limits to try; what it does not name is the default.", metavar="P.toml"),
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Look at nothing before (ISO 8601 with an offset); earlier readings are history.",
            metavar="TIME",
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            help="Look at nothing from then on (likewise); a meter whose readings end before has fallen silent.",
            metavar="TIME",
            show_default="each meter's last reading",
        ),
    ] = None,
    tz: Annotated[str, typer.Option(help="The homes' time zone (IANA).", metavar="ZONE")] = "Asia/Shanghai",
    upload: Annotated[
        str, typer.Option(help="How readings come in: as-measured, hourly, 4x or daily.", metavar="HOW")
    ] = "as-measured",
    alerts_out: Annotated[
        Path | None, typer.Option(help="Write every alert as a JSON line.", metavar="A.jsonl")
    ] = None,
    inject: Annotated[
        int, typer.Option(help="Cut so many incapacitations into each home.", metavar="N", min=0, max=100_000)
    ] = 0,
    seed: Annotated[int, typer.Option(help="Another seed draws other moments for them.", metavar="S")] = 1,
    report: Annotated[
        Path | None, typer.Option(help="Write an HTML page with pictures of each home.", metavar="FILE.html")
    ] = None,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Judge a recording of water meters by the engine that watches homes, on a simulated clock.

    One home for each meter. Needs no database and no settings. Ends with 3 when the file has no usable row.
    """
    _apart(file, alerts_out, report)
    plan = _plan(_policy(policy), _span(from_, to), tz, upload)
    plan = replace(plan, injections=inject, seed=seed, draws_lines=report is not None)
    with opened(alerts_out) as alerts, opened(report) as page, progress("read", "test") as show:
        recording = _read(file, show)
        with _seldom_tidied():
            tested, sections = _tested(recording, plan, alerts, show, pictures=page is not None)
        if not tested:
            raise InputRefused(f"{file} has no reading between --from and --to")
        from anju.backtest_tables import as_mapping, headline, homes_table, tables
        from rules.backtest.figures import summary

        total = summary(tested)
        if inject and total.injected is None:
            complain("nothing is cut in: that takes a use a day after the first and 72 h before the last reading")
        if page is not None:
            _write_page(page, file.name, plan, total, sections)
    if as_json:
        show_json(as_mapping(recording, plan, total, tested))
        return
    say(headline(total))
    if len(tested) <= _HOMES_TABLED:
        show_table(*homes_table(tested))
    for table in tables(total):
        show_table(*table)


def _apart(file: Path, alerts_out: Path | None, report: Path | None) -> None:
    named = [path.resolve() for path in (file, alerts_out, report) if path is not None]
    if len(set(named)) < len(named):
        raise Usage("the recording, --alerts-out and --report must be different files")


def _span(from_: str | None, to: str | None) -> tuple[datetime | None, datetime | None]:
    from_at, until = instant(from_, "--from"), instant(to, "--to")
    if from_at is not None and until is not None and from_at >= until:
        raise Usage("--from must lie before --to")
    return from_at, until


def _plan(policy: "Policy", span: tuple[datetime | None, datetime | None], tz: str, upload: str) -> "Plan":
    from rules.backtest.simulation import World
    from rules.backtest.trial import Plan
    from rules.backtest.uploads import Upload

    try:
        ZoneInfo(tz)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Usage(f"--tz: there is no time zone {tz!r}; right would be Europe/Berlin") from None
    if upload not in list(Upload):
        raise Usage(f"--upload is one of {', '.join(Upload)}")
    world = World(policy=policy, time_zone=tz)
    return Plan(world=world, from_at=span[0], until=span[1], upload=Upload(upload))


def _policy(file: Path | None) -> "Policy":
    from registry.coherence import faults_of
    from registry.policy import DEFAULTS, resolve

    if file is None:
        return DEFAULTS
    try:
        parameters = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise Usage(f"{file} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Usage(f"{file} is not TOML: {error}") from error
    resolved = resolve(DEFAULTS, [parameters])
    if faults := [*resolved.faults, *faults_of(resolved.policy)]:
        raise Usage(f"{file}: {'; '.join(faults)}")
    return resolved.policy


def _read(file: Path, show: Callable[[str, float], None]) -> "Recording":
    from rules.backtest.doubts import doubts
    from rules.backtest.recording import RecordingRefused, read

    try:
        recording = read(file, progress=lambda share: show("read", share))
    except RecordingRefused as refused:
        raise InputRefused(str(refused)) from refused
    for bad in recording.bad:
        complain(f"line {bad.line}: {bad.problem}")
    if recording.bad_rows > len(recording.bad):
        complain(f"{recording.bad_rows - len(recording.bad)} more bad rows")
    if recording.repeated or recording.contradicted:
        complain(
            f"{recording.repeated} rows repeat another one; {recording.contradicted} give another value for the same"
            " instant (the lowest counts)"
        )
    for doubt in doubts(recording.meters):
        complain(doubt)
    return recording


def _tested(
    recording: "Recording", plan: "Plan", alerts: IO[str] | None, show: Callable[[str, float], None], *, pictures: bool
) -> tuple[list["HomeTrial"], list[str]]:
    from anju.backtest_page import HOMES_SHOWN, home_section
    from rules.backtest.trial import back_test, unbroken

    tested: list[HomeTrial] = []
    sections: list[str] = []
    zone = ZoneInfo(plan.world.time_zone)
    for done, record in enumerate(recording.meters, 1):
        found = back_test(record, plan)
        show("test", done / len(recording.meters))
        if found is None:
            continue
        series, home = found
        tested.append(home)
        for rule, error in home.rule_errors.items():
            complain(f"rule {rule} failed on {home.meter_id}: {error!r}; the other rules went on")
        if alerts is not None:
            for told in home.alerts:
                alerts.write(f"{dumps(alert_line(home.meter_id, told), ensure_ascii=False)}\n")
        if pictures and len(sections) < HOMES_SHOWN:
            sections.append(home_section(series, home, zone, unbroken(series, plan).total_seconds()))
    return tested, sections


def alert_line(meter_id: str, told: "Told") -> dict[str, str | None]:
    """One alert as it stands in A.jsonl."""
    from alerts.wording import text_of

    return {
        "meter_id": meter_id,
        "kind": told.kind.value,
        "severity": told.severity.value,
        "raised_at": _stamp(told.raised_at),
        "cleared_at": None if told.cleared_at is None else _stamp(told.cleared_at),
        "reason": text_of(told.reason, "en"),
    }


def _stamp(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _write_page(out: IO[str], name: str, plan: "Plan", total: "Summary", sections: Sequence[str]) -> None:
    from anju.backtest_page import page, table
    from anju.backtest_tables import headline, tables

    facts = [f"{headline(total)}. Time zone {plan.world.time_zone}; readings come in {plan.upload.value}."]
    if len(sections) < total.homes:
        facts.append(f"Pictures of the first {len(sections)} homes.")
    out.writelines(page(name, facts, (table(*each) for each in tables(total)), sections))


@contextmanager
def _seldom_tidied() -> Iterator[None]:
    """Cycles of what is no longer needed are looked for seldom, and not in what is there already: looks leave none."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(_SELDOM, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
