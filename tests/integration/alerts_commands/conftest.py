"""Who lives where, and who can be told, in all tests of commands on alerts."""

from typing import Any

import pytest
from psycopg import AsyncConnection

from tests.alert_cases import register_homes
from tests.command_town import enrol_four


@pytest.fixture
async def homes(database: AsyncConnection[Any]) -> list[int]:
    return await register_homes(database, 3)


@pytest.fixture
async def people(database: AsyncConnection[Any]) -> None:
    await enrol_four(database)
