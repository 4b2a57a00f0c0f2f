"""A rules process that stops in a chosen place, for test_rules_frozen.py: makes a file, and goes on when it is gone."""

import asyncio
import sys
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from psycopg import AsyncConnection

from alerts import findings
from alerts.findings import Finding
from rules.library.catalogue import HOME_RULES
from rules.rule import Judgement, Rule
from rules.snapshot import Snapshot
from rules.worker import RulesOptions, run


def stall(mark: Path) -> None:
    mark.touch()
    while mark.exists():
        time.sleep(0.01)


class Stalling:
    name, release, max_latency = "stalling", 1, timedelta(hours=24)

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def evaluate(self, snapshot: Snapshot, now: datetime) -> Judgement:
        stall(self._mark)
        return Judgement(next_due=now + timedelta(hours=5))


def main() -> None:
    url, where, mark = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    rules: Sequence[Rule] = HOME_RULES
    if where == "evaluation":
        rules = [Stalling(mark), *HOME_RULES]
    if where == "report":
        report = findings.report

        async def reported_then_stalled(conn: AsyncConnection[Any], found: Sequence[Finding], now: datetime) -> None:
            await report(conn, found, now)
            if any(finding.event_id is not None for finding in found):
                stall(mark)

        setattr(findings, "report", reported_then_stalled)  # noqa: B010 (mypy has no word for two equal functions)
    asyncio.run(run(RulesOptions(database_url=url, rules=rules), stop=asyncio.Event()))


if __name__ == "__main__":
    main()
