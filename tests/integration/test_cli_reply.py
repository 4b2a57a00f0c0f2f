"""`anju reply` as its users run it."""

from datetime import UTC, datetime

import psycopg

from tests.integration.cli import anju


def test_answers_are_listed(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as conn:
        for number, result in enumerate(("done", "unknown_sender", "already_so")):
            conn.execute(
                "INSERT INTO reply (provider, provider_id, received_at, said, result)"
                " VALUES ('kannel', %s, %s, '1', %s)",
                [str(number), datetime(2026, 11, 22, 3, number, tzinfo=UTC), result],
            )
    everything = anju("reply", "list", "--json", ANJU_DATABASE_URL=database_url).json()
    assert [row["result"] for row in everything] == ["already_so", "unknown_sender", "done"]
    undone = anju("reply", "list", "--undone", "--json", ANJU_DATABASE_URL=database_url).json()
    assert [(row["result"], row["person"]) for row in undone] == [("unknown_sender", None)]
    assert "unknown sender" in anju("reply", "list", ANJU_DATABASE_URL=database_url).out
