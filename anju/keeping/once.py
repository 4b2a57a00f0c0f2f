"""`anju keep --once`: all tasks, once."""

import asyncio
from typing import TYPE_CHECKING

from anju.errors import CommandError
from anju.keeping import options, worker
from anju.keeping.round import Report, do, take_turn
from anju.keeping.tasks import ALL, Work
from storage import migrate

if TYPE_CHECKING:
    from config.settings import Settings


async def run(settings: "Settings") -> list[Report]:
    """Does every task to its end.

    Raises:
        CommandError: another process keeps the series at this moment.
        SettingsError: the settings of retention are wrong.
        StorageError: the database cannot be reached, or lacks the schema.
    """
    kept = options.of_settings(settings)
    await asyncio.to_thread(migrate.check, kept.database_url)
    async with await worker.connected(kept) as conn:
        if not await take_turn(conn):
            raise CommandError("another `anju keep` is at work here; it does what is due")
        return await do(Work(conn=conn, options=kept, now=worker.utc_now()), ALL)
