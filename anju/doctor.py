"""Examines an installation from outside: settings, database, broker, clocks; each fault with what to do about it."""

import asyncio
import secrets
import ssl
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from anju import brokers, series_checks, telling_checks
from anju.checks import Check, State
from anju.context import database_url
from config.errors import SettingsError
from config.logging import redacted
from config.settings import Settings
from ingest.mqtt.options import Endpoint
from storage import migrate
from storage.errors import StorageError
from storage.pool import connect
from storage.sql import load
from storage.timescale import is_too_old

__all__ = ["Check", "State", "examine"]

_SQL = load("anju", "doctor.sql")

_CLOCK_LIMIT: Final = timedelta(seconds=5)
_HEARING_LIMIT: Final = timedelta(minutes=2)
_BROKER_LIMIT_S: Final = 10.0
_PARTITIONS_AHEAD: Final = timedelta(days=7)


async def examine(settings: Callable[[], Settings]) -> list[Check]:
    """Runs every check; one that cannot be made because of an earlier fault is skipped and says so."""
    try:
        loaded = settings()
    except SettingsError as error:
        return [Check(name="settings", state=State.FAULT, found=str(error), advice="docs/settings.md has them all")]
    checks = [Check(name="settings", state=State.GOOD, found="read, nothing unknown and nothing wrong")]
    checks += await _database(loaded)
    checks += await _brokers(loaded)
    checks += telling_checks.of_settings(loaded)
    checks += await telling_checks.of_listener(loaded)
    return checks


def clock_check(difference: timedelta) -> Check:
    """Judges how far the database's clock is ahead of ours."""
    seconds = abs(difference.total_seconds())
    found = f"process and database differ by {seconds:.1f} s"
    if abs(difference) <= _CLOCK_LIMIT:
        return Check(name="clocks", state=State.GOOD, found=found)
    advice = "above 5 s silence is not judged: let both machines keep time with NTP"
    return Check(name="clocks", state=State.FAULT, found=found, advice=advice)


def hearing_check(heard_until: datetime | None, now: datetime) -> Check:
    """Judges how long ago ingest last proved that it hears its brokers."""
    if heard_until is None:
        return Check(
            name="hearing", state=State.WARNING, found="ingest has never run here", advice="start `anju ingest`"
        )
    age = now - heard_until
    found = f"ingest heard its brokers up to {max(0.0, age.total_seconds()):.0f} s ago"
    if age <= _HEARING_LIMIT:
        return Check(name="hearing", state=State.GOOD, found=found)
    advice = "homes are not watched while it is deaf: start `anju ingest`, or see its log"
    return Check(name="hearing", state=State.FAULT, found=found, advice=advice)


def unprotected_check(homes: int, incidents: int) -> Check:
    """Judges how many homes nobody can watch because their area or gateway has failed."""
    if homes == 0:
        return Check(name="unprotected", state=State.GOOD, found="no area or gateway has failed")
    found = f"{homes} homes cannot be watched: {incidents} areas or gateways have failed"
    return Check(name="unprotected", state=State.WARNING, found=found, advice="`anju alert list` names them")


def rights_check(mighty: Sequence[str]) -> Check:
    """Judges who of us works with all rights: names of sessions, as the database shows them."""
    if not mighty:
        return Check(name="database roles", state=State.GOOD, found="every session has the rights of its stage alone")
    found = f"with all rights over the series: {', '.join(mighty)}"
    advice = "give each stage a login of its own with `anju database roles --login` (docs/security.md)"
    return Check(name="database roles", state=State.WARNING, found=found, advice=advice)


def left_behind_checks(names: Sequence[str]) -> list[Check]:
    """Names each broker that is in no settings and not heard any more."""
    return [
        Check(
            name=f"broker {name}",
            state=State.FAULT,
            found="known from earlier, not in the settings and not heard: no silence is judged anywhere",
            advice=f"if it is no longer in use, `anju broker forget {name}`; else put it into ANJU_MQTT_URL",
        )
        for name in names
    ]


def versions_check(server: int, installed: str | None, available: str | None) -> list[Check]:
    """Judges the versions of PostgreSQL and TimescaleDB."""
    shown = f"PostgreSQL {server // 10_000}.{server % 10_000}"
    if server < 160_000:
        checks = [Check(name="database version", state=State.FAULT, found=shown, advice="16 or newer is needed")]
    else:
        checks = [Check(name="database version", state=State.GOOD, found=shown)]
    if installed is None:
        found = "not in use; readings are in native partitions"
        advice = f"{available} is available, but the schema was made without it" if available else ""
        checks.append(Check(name="timescaledb", state=State.GOOD, found=found, advice=advice))
    else:
        old = is_too_old(installed)
        advice = "older than 2.18.1 loses rows on conflict in compressed chunks: update the extension" if old else ""
        state = State.FAULT if old else State.GOOD
        checks.append(Check(name="timescaledb", state=state, found=installed, advice=advice))
    return checks


async def _database(settings: Settings) -> list[Check]:
    if settings.database_url is None:
        advice = "set ANJU_DATABASE_URL to postgresql://user:password@host:5432/name"
        return [Check(name="database", state=State.FAULT, found="not configured", advice=advice)]
    url = database_url(settings)
    try:
        async with await connect(url, application_name="anju doctor", autocommit=True, statement_timeout_s=10) as conn:
            checks = [Check(name="database", state=State.GOOD, found="answers")]
            checks += versions_check(*await _row(conn, _SQL.versions))
            checks.append(clock_check((await _row(conn, _SQL.clock))[0] - datetime.now(UTC)))
            checks.append(await _durable(conn))
            schema = await _schema(url)
            checks.append(schema)
            if schema.state is State.GOOD:
                checks += await _contents(conn, settings)
            return checks
    except (psycopg.Error, StorageError, OSError) as error:
        found = redacted(" ".join(str(error).split())) or type(error).__name__
        advice = "is it running, and are host, user and password in ANJU_DATABASE_URL right?"
        return [Check(name="database", state=State.FAULT, found=found, advice=advice)]


async def _schema(url: str) -> Check:
    try:
        revision = await asyncio.to_thread(migrate.check, url)
    except StorageError as error:
        return Check(name="schema", state=State.FAULT, found=str(error))
    needed = migrate.head()
    told = "as this release needs" if revision == needed else f"a later release's; this one needs {needed}"
    return Check(name="schema", state=State.GOOD, found=f"at {revision}, {told}")


async def _durable(conn: AsyncConnection[TupleRow]) -> Check:
    fsync, commit = await _row(conn, _SQL.durable)
    found = f"fsync {fsync}, synchronous_commit {commit}"
    if fsync == "on" and commit != "off":
        return Check(name="durability", state=State.GOOD, found=found)
    advice = "what is acknowledged can be lost in a power cut: set both to on"
    return Check(name="durability", state=State.FAULT, found=found, advice=advice)


async def _contents(conn: AsyncConnection[TupleRow], settings: Settings) -> list[Check]:
    now = datetime.now(UTC)
    configured = {str(Endpoint.parse(url.get_secret_value())) for url in settings.mqtt_urls}
    checks = [
        hearing_check((await _row(conn, _SQL.hearing))[0], now),
        unprotected_check(*await _row(conn, _SQL.unprotected)),
        rights_check([name for (name,) in await (await conn.execute(_SQL.mighty_sessions)).fetchall()]),
        *left_behind_checks(brokers.left_behind(await brokers.ears(conn), configured, now)),
    ]
    if (await _row(conn, _SQL.is_partitioned))[0]:
        last = (await _row(conn, _SQL.last_partition))[0]
        needed = f"{now + _PARTITIONS_AHEAD:%Y%m}"
        if last is not None and last >= needed:
            checks.append(Check(name="partitions", state=State.GOOD, found=f"made ahead up to {last[:4]}-{last[4:]}"))
        else:
            found = "none yet" if last is None else f"made up to {last[:4]}-{last[4:]} only"
            state = State.WARNING if last is None else State.FAULT
            advice = "start `anju keep` and `anju ingest`: both make them"
            checks.append(Check(name="partitions", state=state, found=found, advice=advice))
    checks += await series_checks.of_database(conn, settings, now)
    checks += await telling_checks.of_database(conn, settings, now)
    return checks


async def _brokers(settings: Settings) -> list[Check]:
    if not settings.mqtt_urls:
        advice = "set ANJU_MQTT_URL to mqtt://user:password@host:1883"
        return [Check(name="broker", state=State.FAULT, found="not configured", advice=advice)]
    endpoints = [Endpoint.parse(url.get_secret_value()) for url in settings.mqtt_urls]
    return list(await asyncio.gather(*(_broker(endpoint, settings) for endpoint in endpoints)))


async def _broker(endpoint: Endpoint, settings: Settings) -> Check:
    import aiomqtt

    name = f"broker {endpoint}"
    topic = f"anju-doctor/{secrets.token_hex(8)}"
    loop = asyncio.get_running_loop()
    try:
        tls = ssl.create_default_context(cafile=settings.mqtt_ca_file) if endpoint.tls else None
        client = aiomqtt.Client(
            endpoint.host,
            endpoint.port,
            username=endpoint.username,
            password=endpoint.password,
            identifier=topic.replace("/", "-"),
            protocol=aiomqtt.ProtocolVersion.V5,
            timeout=_BROKER_LIMIT_S,
            tls_context=tls,
        )
        async with asyncio.timeout(_BROKER_LIMIT_S), client:
            await client.subscribe(topic, qos=1)
            sent = loop.time()
            await client.publish(topic, b"?", qos=1)
            await anext(aiter(client.messages))
            found = f"a message went there and back in {(loop.time() - sent) * 1000:.1f} ms"
            return Check(name=name, state=State.GOOD, found=found)
    except TimeoutError:
        found, advice = "connected, but a message did not come back", "may this user publish and subscribe? see its ACL"
    except (aiomqtt.MqttError, OSError, ssl.SSLError) as error:
        found = redacted(" ".join(str(error).split())) or type(error).__name__
        advice = "is it running, does it speak MQTT 5, and are user and password in ANJU_MQTT_URL right?"
    return Check(name=name, state=State.FAULT, found=found, advice=advice)


async def _row(conn: AsyncConnection[TupleRow], query: str) -> TupleRow:
    row = await (await conn.execute(query)).fetchone()
    if row is None:
        raise StorageError("the database gave no answer to a question that always has one")
    return row
