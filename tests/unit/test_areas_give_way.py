"""Sums over a city leave the event loop to a press."""

from datetime import UTC, datetime
from threading import get_ident

import pytest

from rules import area_watch
from rules.area_watch import AreaWatch
from rules.areas import Cause, Member, Town

NOW = datetime(2026, 3, 28, 12, tzinfo=UTC)


async def test_what_is_summed_up_of_a_city_is_summed_up_beside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []

    def beside(*_: object, **__: object) -> object:
        threads.append(get_ident())
        return {} if len(threads) == 1 else None

    monkeypatch.setattr(area_watch, "by_area", beside)
    monkeypatch.setattr(area_watch, "find", beside)
    members = [Member(home, 2, (), NOW.timestamp() - 3600.0, 900.0) for home in range(100)]
    town = Town(parents={2: None}, watched={2: 100}, behind={})
    await AreaWatch()._found(None, Cause.SILENT, members, town=town, known=[], now=NOW)  # type: ignore[arg-type]
    assert len(threads) == 2
    assert get_ident() not in threads
