"""Doctor's checks of telling: ways out, listener, those on duty, what is overdue or given up, proof of life."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import httpx
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from alerts.channels import probe
from alerts.errors import AlertError
from alerts.roster.storing import read_rosters
from anju import telling_verdicts as verdicts
from anju import ways_back, ways_out
from anju.cautions import cautions
from anju.checks import Check, State
from anju.proof.verdict import Limits
from config.settings import Settings
from storage.errors import StorageError
from storage.sql import load

_SQL = load("anju", "telling_checks.sql")

_LISTENER_LIMIT_S: Final = 5.0
_DAY: Final = timedelta(days=1)
_LIMITS: Final = Limits(press=None)


def of_settings(settings: Settings) -> list[Check]:
    """What the settings alone tell."""
    checks = [_webhook(settings), _channels(settings)]
    checks += [
        Check(name=caution.event.replace("_", " "), state=State.WARNING, found=caution.found, advice=caution.advice)
        for caution in cautions(settings)
        if caution.event != "no_way_out"  # what is said of the webhook says it
    ]
    if settings.dead_man_url is None:
        advice = "set ANJU_DEAD_MAN_URL to an outside monitor, or nobody hears it when all of this stands still"
        checks.append(Check(name="dead-man signal", state=State.WARNING, found="not configured", advice=advice))
    else:
        checks.append(Check(name="dead-man signal", state=State.GOOD, found="configured; `anju probe` sends it"))
    return checks


async def of_listener(settings: Settings) -> list[Check]:
    """Whether what comes back reaches the listener by the address that the outside is given."""
    if settings.alerts_http_port == 0 or settings.public_url is None or settings.link_secret is None:
        return []
    url = f"{settings.public_url.get_secret_value().rstrip('/')}/healthz"
    try:
        async with httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=_LISTENER_LIMIT_S) as client:
            status = (await client.get(url)).status_code
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        found = f"public_url is not reached from here ({type(error).__name__})"
        advice = "does `anju alerts` run, and does the proxy pass this address on? receipts and answers come by it"
        return [Check(name="listener", state=State.WARNING, found=found, advice=advice)]
    if status == httpx.codes.OK:
        return [Check(name="listener", state=State.GOOD, found="answers under public_url")]
    advice = "is that the listener's own address, and does the proxy pass all of it on? receipts and answers come by it"
    if status == httpx.codes.SERVICE_UNAVAILABLE:
        advice = "it, or the proxy before it, cannot work now: does `anju alerts` run and reach the database?"
    return [Check(name="listener", state=State.FAULT, found=f"public_url answers {status}", advice=advice)]


async def of_database(conn: AsyncConnection[TupleRow], settings: Settings, now: datetime) -> list[Check]:
    """What the database tells of people, messages and the probe.

    Raises:
        psycopg.Error: The database does not answer.
    """
    served = ways_back.served(settings)
    asked = {
        "channels": [*served, probe.NAME],
        "receivers": list(served.get("webhook") or ()),
        "now": now,
        "overdue": now - _LIMITS.message,
    }
    waiting = verdicts.Waiting(*await _row(conn, _SQL.waiting, asked))
    (overdue_since,) = await _row(conn, _SQL.overdue, {"overdue": now - _LIMITS.telling})
    given_up = await (await conn.execute(_SQL.given_up, {"since": now - _DAY})).fetchall()
    pressed_at, through_at = await _row(conn, _SQL.proof)
    return [
        await _addresses(conn, settings),
        await _duty(conn, settings),
        verdicts.messages_check(waiting),
        verdicts.telling_check(overdue_since, now),
        verdicts.given_up_check([verdicts.Lost(*row) for row in given_up]),
        verdicts.proof_check(timedelta(seconds=settings.probe_interval_s), pressed_at, through_at, now),
    ]


async def _addresses(conn: AsyncConnection[TupleRow], settings: Settings) -> Check:
    served = ways_back.served(settings)
    asked = {
        "channels": list(served),
        "chats": list(served.get("chat") or ()),
        "receivers": list(served.get("webhook") or ()),
    }
    return verdicts.addresses_check(dict(await (await conn.execute(_SQL.unserved, asked)).fetchall()))


async def _duty(conn: AsyncConnection[TupleRow], settings: Settings) -> Check:
    areas = [verdicts.Area(*row) for row in await (await conn.execute(_SQL.areas)).fetchall()]
    rosters = await read_rosters(conn, [area.area_id for area in areas])
    staffed = {area_id for (area_id, role), roster in rosters.items() if role == "duty" and roster.people()}
    return verdicts.duty_check(verdicts.without_duty(areas, staffed), desk=settings.webhook_url is not None)


def _webhook(settings: Settings) -> Check:
    if settings.webhook_url is None:
        others = ", ".join(ways_back.served(settings))
        advice = "set ANJU_WEBHOOK_URL and ANJU_WEBHOOK_SECRET, or no duty desk hears of an alert"
        if not others:
            advice = "set ANJU_WEBHOOK_URL and ANJU_WEBHOOK_SECRET, or nobody is told of an alert"
        found = f"not configured; there is {others}" if others else "not configured, and no channel is"
        return Check(name="webhook", state=State.WARNING, found=found, advice=advice)
    if not settings.webhook_secrets:
        advice = "set ANJU_WEBHOOK_SECRET to whsec_ and at least 24 random bytes in base64"
        return Check(name="webhook", state=State.FAULT, found="has no secret to sign with", advice=advice)
    return Check(
        name="webhook", state=State.GOOD, found=f"configured, signed with {len(settings.webhook_secrets)} secret(s)"
    )


def _channels(settings: Settings) -> Check:
    ways = [way for way in ways_back.ways(settings) if way.channel != "webhook"]
    try:
        if settings.webhook_url is None or settings.webhook_secrets:  # else that is said of the webhook
            ways_out.channels(settings)
    except AlertError as error:
        return Check(name="channels", state=State.FAULT, found=str(error), advice="docs/providers.md has an example")
    if settings.alerts_http_port and not ways_back.hears(settings):
        advice = "set ANJU_PUBLIC_URL and ANJU_LINK_SECRET; `anju alerts` does not start without them"
        return Check(name="channels", state=State.FAULT, found="ANJU_ALERTS_HTTP_PORT alone is set", advice=advice)
    if not ways:
        advice = "people are told by [[sms]], [[voice]] and [[chat]]: docs/providers.md"
        return Check(name="channels", state=State.WARNING, found="no provider for people", advice=advice)
    found = "; ".join(
        f"{channel} by {', '.join(way.name for way in ways if way.channel == channel)}"
        for channel in dict.fromkeys(way.channel for way in ways)
    )
    if not ways_back.hears(settings):
        advice = "set ANJU_PUBLIC_URL, ANJU_LINK_SECRET and ANJU_ALERTS_HTTP_PORT: nobody can answer a message"
        return Check(name="channels", state=State.WARNING, found=f"{found}; nothing comes back", advice=advice)
    return Check(name="channels", state=State.GOOD, found=found)


async def _row(conn: AsyncConnection[TupleRow], query: str, values: Mapping[str, object] | None = None) -> TupleRow:
    row = await (await conn.execute(query, values)).fetchone()
    if row is None:
        raise StorageError("the database gave no answer to a question that always has one")
    return row
