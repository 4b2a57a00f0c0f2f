"""Answers by SMS and key: each counts once, for the alert it is about, and what could not be done is answered."""

import asyncio
from uuid import UUID

import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from alerts.channels.inbound_values import InboundReply
from alerts.replies import answering
from alerts.replies.answering import Taken
from alerts.replies.deeds import Result
from storage.pool import connect
from tests.reply_town import BACKUP, DAUGHTER, DUTY, STRANGER, ReplyTown, reply_town


@pytest.fixture
async def town(database: AsyncConnection[TupleRow]) -> ReplyTown:
    return await reply_town(database)


_numbers = iter(range(1, 100_000))


async def answer(
    town: ReplyTown, number: str, text: str, *, provider_id: str | None = None, reference: UUID | None = None
) -> Taken:
    reply = InboundReply(
        provider="kannel",
        provider_id=provider_id or f"id-{next(_numbers)}",
        from_=number,
        text=text,
        reference=reference,
    )
    return await answering.take(town.conn, reply, town.clock.now)


async def test_one_acknowledges(town: ReplyTown) -> None:
    alert = await town.sos()
    await town.tell("duty-1", alert)
    taken = await answer(town, DUTY, "收到")
    assert (taken.result, taken.alert_id) == (Result.DONE, alert)
    assert await town.state(alert) == ("acknowledged", "duty-1")
    assert await town.history(alert) == [("acknowledged", "duty-1", "sms")]
    assert await town.replies() == [("kannel", "收到", "done")]
    assert await town.said_to(DUTY) == []


async def test_on_the_way_on_the_scene(town: ReplyTown) -> None:
    alert = await town.sos()
    await town.tell("duty-1", alert)
    for text in ("1", "2", "3"):
        assert (await answer(town, DUTY, text)).result is Result.DONE
    assert await town.state(alert) == ("attending", "duty-1")
    assert [entry[0] for entry in await town.history(alert)] == ["acknowledged", "on_the_way", "on_scene"]


async def test_whoever_cannot_leaves_it_open_and_the_next_is_told(town: ReplyTown) -> None:
    alert = await town.sos()
    await town.tell("duty-1", alert)
    assert (await answer(town, DUTY, "0")).result is Result.DONE
    assert await town.state(alert) == ("open", None)
    assert [entry[0] for entry in await town.history(alert)] == ["declined"]


async def test_a_repeated_call_changes_nothing(town: ReplyTown) -> None:
    alert = await town.sos()
    await town.tell("duty-1", alert)
    assert (await answer(town, DUTY, "0", provider_id="same")).result is Result.DONE
    assert (await answer(town, DUTY, "1", provider_id="same")).result is Result.REPEATED
    assert await town.state(alert) == ("open", None)
    assert await town.replies() == [("kannel", "0", "done")]


async def test_the_same_answer_twice_at_once_counts_once(town: ReplyTown, database_url: str) -> None:
    alert = await town.sos()
    await town.tell("duty-1", alert)
    other = await connect(database_url, application_name="test", autocommit=True)
    reply = InboundReply(provider="kannel", provider_id="twin", from_=DUTY, text="0")
    try:
        taken = await asyncio.gather(*[answering.take(conn, reply, town.clock.now) for conn in (town.conn, other)])
    finally:
        await other.close()
    assert sorted(each.result for each in taken) == [Result.DONE, Result.REPEATED]
    assert len(await town.history(alert)) == 1


async def test_to_say_the_same_again_is_a_success(town: ReplyTown) -> None:
    alert = await town.sos()
    await town.tell("duty-1", alert)
    await answer(town, DUTY, "1")
    assert (await answer(town, DUTY, "1")).result is Result.ALREADY_SO
    assert len(await town.history(alert)) == 1
    assert await town.said_to(DUTY) == []


async def test_of_several_alerts_it_is_asked_which(town: ReplyTown) -> None:
    first, second = await town.sos(0), await town.sos(1)
    await town.tell("duty-1", first)
    await town.tell("duty-1", second)
    assert (await answer(town, DUTY, "1")).result is Result.ASKED_WHICH
    assert [(await town.state(alert))[0] for alert in (first, second)] == ["open", "open"]
    (said,) = await town.said_to(DUTY)
    assert f"{first:03d}" in said
    assert f"{second:03d}" in said
    taken = await answer(town, DUTY, f"1 {first:03d}")
    assert (taken.result, taken.alert_id) == (Result.DONE, first)
    assert (await town.state(second))[0] == "open"


async def test_alerts_the_person_was_not_told_of_do_not_count(town: ReplyTown) -> None:
    mine, other, unsent = await town.sos(0), await town.sos(1), None
    await town.tell("duty-1", mine)
    await town.tell("backup-1", other)
    unsent = await town.tell("duty-1", other, state="pending")
    assert (await answer(town, DUTY, "1")).alert_id == mine
    await town.conn.execute("UPDATE notification SET state = 'withdrawn' WHERE notification_id = %s", [unsent])
    assert (await answer(town, DUTY, "2")).alert_id == mine
    assert (await town.state(other))[0] == "open"


async def test_a_message_whose_acceptance_nobody_has_seen_can_be_answered(town: ReplyTown) -> None:
    alert = await town.sos()
    number = await town.tell("duty-1", alert, state="pending")
    await town.conn.execute("UPDATE notification SET attempts = 1 WHERE notification_id = %s", [number])
    assert (await answer(town, DUTY, "1")).alert_id == alert


async def test_somebody_else_has_it(town: ReplyTown) -> None:
    alert = await town.sos()
    await town.tell("duty-1", alert)
    await town.tell("backup-1", alert)
    await answer(town, DUTY, "1")
    assert (await answer(town, BACKUP, "ack")).result is Result.NOT_POSSIBLE
    assert await town.state(alert) == ("acknowledged", "duty-1")
    (said,) = await town.said_to(BACKUP)
    assert said.startswith("Nothing was done")


async def test_nothing_is_open_any_more(town: ReplyTown) -> None:
    alert = await town.sos()
    await town.tell("duty-1", alert)
    await town.conn.execute("UPDATE alert SET state = 'closed', closed_at = now(), outcome = 'other'")
    assert (await answer(town, DUTY, "1")).result is Result.NOTHING_OPEN
    assert len(await town.said_to(DUTY)) == 1


async def test_what_is_not_understood_is_answered_once_a_minute(town: ReplyTown) -> None:
    alert = await town.sos()
    await town.tell("duty-1", alert)
    for _ in range(3):
        assert (await answer(town, DUTY, "我在开车稍后回复")).result is Result.UNCLEAR
    assert len(await town.said_to(DUTY)) == 1
    town.clock.forward(seconds=61)
    await answer(town, DUTY, "hello")
    assert len(await town.said_to(DUTY)) == 2
    assert (await town.state(alert))[0] == "open"
    pending = await town.rows("SELECT count(*) FROM notification WHERE body ->> 'type' = 'anju.alert.answer'"
                              " AND state = 'pending' AND person_id IS NOT NULL AND priority = 0")  # fmt: skip
    assert pending == [(2,)]


async def test_whoever_wants_no_more_is_not_answered(town: ReplyTown) -> None:
    alert = await town.sos()
    await town.tell("duty-1", alert)
    assert (await answer(town, DUTY, "TD")).result is Result.NO_MORE
    assert await town.said_to(DUTY) == []


async def test_a_stranger_changes_nothing_and_is_kept(town: ReplyTown) -> None:
    alert = await town.sos()
    await town.tell("duty-1", alert)
    assert (await answer(town, STRANGER, "1")).result is Result.UNKNOWN_SENDER
    assert (await town.state(alert))[0] == "open"
    assert await town.rows("SELECT person_id, alert_id, said, result FROM reply") == [
        (None, None, "1", "unknown_sender")
    ]
    assert await town.said_to(STRANGER) == []


async def test_whoever_was_never_told_anything_is_not_written_to(town: ReplyTown) -> None:
    await town.sos()
    assert (await answer(town, DUTY, "1")).result is Result.NOTHING_OPEN
    assert await town.said_to(DUTY) == []


async def test_a_relative_may_answer_and_the_history_says_who_that_is(town: ReplyTown) -> None:
    alert = await town.sos()
    await town.tell("daughter-1", alert, audience="contact")
    assert (await answer(town, DAUGHTER, "2")).result is Result.DONE
    ((detail,),) = await town.rows(
        "SELECT detail FROM alert_entry WHERE alert_id = %s AND action = 'on_the_way'", alert
    )
    assert detail["role"] == "family"


async def test_a_resident_is_answered_in_their_own_terms(town: ReplyTown) -> None:
    alert = await town.sos()
    await town.tell("daughter-1", alert, audience="resident")
    await answer(town, DAUGHTER, "你是谁")
    assert await town.said_to(DAUGHTER) == ["未能识别。平安请回1，需要帮助请回0"]
    assert (await answer(town, DAUGHTER, "救命")).result is Result.DONE
    assert [entry[0] for entry in await town.history(alert)] == ["declined"]


async def test_a_key_is_about_the_call_it_was_pressed_in(town: ReplyTown) -> None:
    first, second = await town.sos(0), await town.sos(1)
    await town.tell("duty-1", first)
    call = await town.tell("duty-1", second, channel="voice")
    taken = await answer(town, STRANGER, "1", reference=call)
    assert (taken.result, taken.alert_id, taken.language) == (Result.DONE, second, "zh")
    assert await town.history(second) == [("acknowledged", "duty-1", "voice")]
    assert (await town.state(first))[0] == "open"


async def test_texts_that_no_database_takes(town: ReplyTown) -> None:
    alert = await town.sos()
    await town.tell("duty-1", alert)
    taken = await answer(town, DUTY, "1\x00\ud800" + "x" * 5000, provider_id="\x00" + "y" * 500)
    assert taken.result in {Result.UNCLEAR, Result.DONE}
    ((said, provider_id),) = await town.rows("SELECT said, provider_id FROM reply")
    assert (len(said), len(provider_id)) == (500, 200)


async def test_a_retired_person_is_a_stranger(town: ReplyTown) -> None:
    alert = await town.sos()
    await town.tell("duty-1", alert)
    await town.conn.execute("UPDATE person SET active = false WHERE key = 'duty-1'")
    assert (await answer(town, DUTY, "1")).result is Result.UNKNOWN_SENDER
    assert (await town.state(alert))[0] == "open"
