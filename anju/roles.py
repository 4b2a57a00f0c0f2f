"""Starts one role: from settings to its options, then the event loop, signals, logs and metrics around it."""

import asyncio
import contextlib
import gc
from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

import structlog
from pydantic import SecretStr

from anju import health, lifeline, loops, own_tls
from anju.context import database_url, drivers
from anju.defaults import policy_defaults
from anju.errors import CommandError
from anju.health import Condition, DatabaseReady, Heartbeat
from anju.stopping import on_signals
from config.errors import SettingsError
from config.logging import configure
from config.settings import Settings
from storage import migrate
from storage.errors import DatabaseUnavailable, StorageError

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

_log = structlog.get_logger()

_DATABASE_RETRY_S: Final = 2.0
_COLLECT_AFTER: Final = 20_000

_Work = Callable[[asyncio.Event], Coroutine[Any, Any, None]]


def run_ingest(settings: Settings, *, stop_with_stdin: bool) -> None:
    """Runs ingest until it is told to stop."""
    from ingest import worker
    from ingest.intake import Limits
    from ingest.mqtt.options import Endpoint
    from ingest.rates import RateLimit

    rate = None
    if settings.device_readings_per_s:
        rate = RateLimit(per_s=settings.device_readings_per_s, burst=settings.device_readings_burst)
    options = worker.IngestOptions(
        database_url=database_url(settings),
        brokers=tuple(Endpoint.parse(url.get_secret_value()) for url in settings.mqtt_urls),
        worker_id=settings.worker_id,
        drivers=drivers(settings),
        ca_file=settings.mqtt_ca_file,
        limits=Limits(
            late_window=timedelta(days=settings.late_window_days),
            future_tolerance=timedelta(seconds=settings.future_tolerance_s),
        ),
        rate=rate,
        max_batch=settings.max_batch,
        max_outstanding=settings.max_outstanding,
        quarantine_max_bytes=settings.quarantine_max_mb * 1_000_000,
        emergency_webhook_url=_plain(settings.emergency_webhook_url),
        emergency_webhook_secret=_plain(settings.emergency_webhook_secret),
    )

    async def work(stop: asyncio.Event) -> None:
        # Without the database ingest still listens: a press then goes straight to the emergency webhook.
        ready = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(worker.run(options, stop=stop, database_ready=ready))
                await _until_migrated(options.database_url, stop)
                ready.set()
        except* StorageError as faults:
            # A schema that is not ours: for an operator to mend, said as for the other roles.
            raise faults.exceptions[0] from None

    needs = (health.brokers_heard([str(broker) for broker in options.brokers]),)
    _run(settings, "ingest", work, needs, stop_with_stdin=stop_with_stdin)


def run_rules(settings: Settings, *, stop_with_stdin: bool) -> None:
    """Runs rules until it is told to stop."""
    from rules import worker

    options = worker.RulesOptions(
        database_url=database_url(settings),
        defaults=policy_defaults(settings),
        late_window=timedelta(days=settings.late_window_days),
    )
    _run(
        settings,
        "rules",
        _once_migrated(options.database_url, lambda stop: worker.run(options, stop=stop)),
        (health.loops_turn("anju_rules_loop_turned_timestamp_seconds", ("wake", "engine", "hearing")),),
        stop_with_stdin=stop_with_stdin,
    )


def run_alerts(settings: Settings, *, stop_with_stdin: bool) -> None:
    """Runs alerts until it is told to stop."""
    from alerts import worker
    from alerts.errors import AlertError
    from anju import cautions, ways_back, ways_out

    if settings.webhook_url is not None and not settings.webhook_secrets:
        raise SettingsError(
            "ANJU_WEBHOOK_SECRET is not set; without it the receiver of ANJU_WEBHOOK_URL cannot trust us"
        )
    if settings.alerts_http_port and (settings.public_url is None or settings.link_secret is None):
        raise SettingsError(
            "ANJU_ALERTS_HTTP_PORT is set without ANJU_PUBLIC_URL and ANJU_LINK_SECRET; no answer could be trusted"
        )
    url = database_url(settings)
    try:
        options = worker.AlertsOptions(
            database_url=url,
            worker=settings.worker_id,
            channels=ways_out.channels(settings),
            web=ways_out.listener(settings, url),
            web_address=settings.alerts_http_address,
            web_port=settings.alerts_http_port,
            web_tls=own_tls.server_context(settings),
            language=settings.language,
        )
    except AlertError as error:
        raise SettingsError(str(error)) from None

    async def work(stop: asyncio.Event) -> None:
        cautions.log_cautions(settings)
        await _once_migrated(url, lambda stop: worker.run(options, stop=stop))(stop)

    needs = (
        health.loops_turn("anju_alerts_loop_turned_timestamp_seconds", ("dispatch", "escalate")),
        health.channels_there(tuple(ways_back.served(settings))),
    )
    _run(settings, "alerts", work, needs, stop_with_stdin=stop_with_stdin)


def run_probe(settings: Settings, *, stop_with_stdin: bool) -> None:
    """Runs the probe until it is told to stop."""
    from anju import ways_back
    from anju.proof import worker
    from ingest.mqtt.options import Endpoint

    brokers = settings.mqtt_urls
    options = worker.ProofOptions(
        database_url=database_url(settings),
        broker=Endpoint.parse(brokers[0].get_secret_value()) if brokers else None,
        ca_file=settings.mqtt_ca_file,
        press_every=timedelta(seconds=settings.probe_interval_s),
        recorder=settings.probe_recorder,
        dead_man_url=_plain(settings.dead_man_url),
        channels=("probe", *ways_back.served(settings)),
        receivers=tuple(ways_back.receivers(settings)),
    )
    _run(
        settings,
        "probe",
        _once_migrated(options.database_url, lambda stop: worker.run(options, stop=stop)),
        (health.loops_turn("anju_probe_loop_turned_timestamp_seconds", ("check",)),),
        stop_with_stdin=stop_with_stdin,
    )


def run_keep(settings: Settings, *, stop_with_stdin: bool) -> None:
    """Runs the keeper of the series until it is told to stop."""
    from anju.keeping import options, worker

    kept = options.of_settings(settings)
    _run(
        settings,
        "keep",
        _once_migrated(kept.database_url, lambda stop: worker.run(kept, stop=stop)),
        (health.loops_turn("anju_keep_loop_turned_timestamp_seconds", ("keep",)),),
        stop_with_stdin=stop_with_stdin,
    )


def _once_migrated(url: str, work: _Work) -> _Work:
    async def wait_and_work(stop: asyncio.Event) -> None:
        await _until_migrated(url, stop)
        if not stop.is_set():
            await work(stop)

    return wait_and_work


def _run(
    settings: Settings,
    role: Literal["ingest", "rules", "alerts", "probe", "keep"],
    work: _Work,
    needs: Sequence[Condition],
    *,
    stop_with_stdin: bool,
) -> None:
    configure(format_=settings.log_format, level=settings.log_level, role=role)
    heartbeat = Heartbeat()
    _serve_metrics(settings, role, health.make_app(heartbeat, (DatabaseReady(database_url(settings)), *needs)))

    async def main() -> None:
        beating = asyncio.create_task(heartbeat.keep(), name="heartbeat")
        stop = on_signals()
        if stop_with_stdin:
            lifeline.hold()
        _log.info("role_started", worker=settings.worker_id)
        await work(stop)
        beating.cancel()
        _log.info("role_stopped")

    # What is loaded by now stays; without this every collection of a busy role would walk through it again, and
    # messages come and go by reference counts anyway.
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)
    loops.run(main())


async def _until_migrated(url: str, stop: asyncio.Event) -> None:
    """Waits for a database that is away; one with another schema is for an operator to mend."""
    while not stop.is_set():
        try:
            await asyncio.to_thread(migrate.check, url)
        except DatabaseUnavailable as error:
            _log.warning("database_unreachable", reason=str(error))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _DATABASE_RETRY_S)
        else:
            return


def _serve_metrics(settings: Settings, role: str, app: "WSGIApplication") -> None:
    port = {
        "ingest": settings.metrics_port_ingest,
        "rules": settings.metrics_port_rules,
        "alerts": settings.metrics_port_alerts,
        "probe": settings.metrics_port_probe,
        "keep": settings.metrics_port_keep,
    }[role]
    if port == 0:
        return
    try:
        health.serve(settings.metrics_address, port, app, own_tls.server_context(settings))
    except OSError as error:
        raise CommandError(
            f"cannot serve metrics on {settings.metrics_address}:{port}: {error.strerror};"
            f" choose another ANJU_METRICS_PORT_{role.upper()}, or 0 for none"
        ) from error


def _plain(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
