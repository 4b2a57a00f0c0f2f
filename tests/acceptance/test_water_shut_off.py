"""A street without water, as a timeline on a real PostgreSQL: from the cut over the incident to who stays dry after."""

from typing import Any

import pytest
from psycopg import AsyncConnection

from tests.rule_town import MIN, H
from tests.street import DAY, HISTORY_DAYS, MONDAY, QUARTER, Street


@pytest.mark.timeout(300)
async def test_a_street_without_water_from_the_cut_to_who_stays_dry_after_it(database: AsyncConnection[Any]) -> None:
    wednesday = MONDAY + HISTORY_DAYS * DAY
    cut, back = wednesday + 9 * H + 10 * MIN, wednesday + 29 * H + 10 * MIN
    street = await Street.build(database, 60, now=cut - 90 * MIN)
    street.cut = (cut, back)
    street.dry_from[7] = cut

    await street.run(back, step=2 * MIN)
    (incident,) = await street.rows("SELECT raised_at, reason, subject, state FROM alert WHERE kind = 'area_incident'")
    raised_at, reason, subject, state = incident
    assert subject == f"area/{street.town.areas['city/north/lane']}"
    assert state != "closed"
    assert cut + 2 * H <= raised_at <= cut + 10 * H
    assert "of 60 homes looked at since about 2026-03-11 09:" in reason
    singles = (await street.messages())["inactivity", "raised"]
    assert singles <= 4

    await street.run(wednesday + 34 * H)
    ((ended_at,),) = await street.rows("SELECT closed_at FROM alert WHERE kind = 'area_incident'")
    assert back < ended_at < back + 4 * H
    await street.run(wednesday + 38 * H)
    told = await street.messages()
    assert told["area_incident", "raised"] == told["area_incident", "cleared"] == 1
    still_open = await street.rows("SELECT subject FROM alert WHERE kind = 'inactivity' AND state <> 'closed'")
    assert still_open == [(f"home/{street.homes[7]}",)]
    # Hard inactivity waits for nothing: who has not used water for a day, though for some hours there was some again.
    assert told["inactivity", "raised"] <= singles + 4


async def test_a_home_that_is_dry_among_lively_ones_is_told_at_once(database: AsyncConnection[Any]) -> None:
    wednesday = MONDAY + HISTORY_DAYS * DAY
    street = await Street.build(database, 30, now=wednesday + 8 * H)
    street.dry_from[3] = wednesday + 9 * H
    await street.run(wednesday + 22 * H, step=5 * MIN)
    assert await street.messages() == {("inactivity", "raised"): 1}
    ((subject, waited),) = await street.rows("SELECT subject, raised_at - since FROM alert WHERE state <> 'closed'")
    assert subject == f"home/{street.homes[3]}"
    assert waited <= 12 * H + QUARTER + 5 * MIN
