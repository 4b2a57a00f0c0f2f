"""What `anju doctor` says of the series: whether it is kept, and whether TimescaleDB's jobs are done."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from psycopg import AsyncConnection

from anju.checks import Check, State
from anju.keeping import options
from config.errors import SettingsError
from config.settings import Settings
from storage import series
from storage.series import Done

#: Every task and every job is done at least twice a day.
STALE_AFTER: Final = timedelta(days=1)


async def of_database(conn: AsyncConnection[Any], settings: Settings, now: datetime) -> list[Check]:
    """The checks of the series."""
    return [retention_check(settings), tasks_check(await series.done(conn), now)]


def retention_check(settings: Settings) -> Check:
    """Whether `anju keep` could start with these settings."""
    try:
        options.of_settings(settings)
    except SettingsError as error:
        return Check(name="retention", state=State.FAULT, found=str(error), advice="docs/series.md has what is allowed")
    return Check(name="retention", state=State.GOOD, found="nothing goes that rules still read")


def tasks_check(tasks: Sequence[Done], now: datetime) -> Check:
    """Judges when the tasks of `anju keep` and the jobs of TimescaleDB were last done."""
    name = "keeping"
    if not tasks:
        advice = "start `anju keep`: it makes partitions ahead and deletes what is past its retention"
        return Check(name=name, state=State.WARNING, found="`anju keep` has never run here", advice=advice)
    stale = [task for task in tasks if now - (task.succeeded_at or task.known_since) > STALE_AFTER]
    if stale:
        told = ", ".join(f"{task.task} ({task.fault})" if task.fault else task.task for task in stale)
        advice = "is `anju keep` running? docs/runbooks.md has each under SeriesTaskStale"
        return Check(name=name, state=State.FAULT, found=f"not done for a day: {told}", advice=advice)
    return Check(name=name, state=State.GOOD, found=f"{len(tasks)} tasks done within a day")
