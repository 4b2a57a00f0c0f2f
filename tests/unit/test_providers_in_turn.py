"""SMS and calls alike: what was handed over a moment ago counts, though the database has no row of it yet."""

import asyncio
from datetime import timedelta
from types import TracebackType
from typing import Self
from uuid import UUID

import pytest

from alerts.caps import Cap, Caps
from alerts.channels.results import Accepted, Channel, Fault, Outgoing, Result, TryAgain
from alerts.channels.sms import SmsChannel
from alerts.channels.sms_provider import Sms
from alerts.channels.turns import Turn
from alerts.channels.voice import VoiceChannel
from alerts.channels.voice_provider import Call
from tests.alert_cases import NOON

ONE_A_MINUTE = Caps(limits=(Cap(most=1, window=timedelta(minutes=1)),))
NUMBER = "+8613800000001"


class Desk:
    """A provider that answers when it may."""

    def __init__(self) -> None:
        self.name = "desk"
        self.answer: Result = Accepted(provider="desk")
        self.was_asked, self.may_answer = asyncio.Event(), asyncio.Event()
        self.asked = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    async def send(self, text: object, now: object) -> Result:
        self.asked += 1
        self.was_asked.set()
        await self.may_answer.wait()
        return self.answer

    call = send


def channel_to(kind: str, desk: Desk, caps: Caps = ONE_A_MINUTE) -> Channel:
    if kind == "sms":
        return SmsChannel(
            [Turn(provider=desk, caps=caps)],
            lambda message: Sms(
                reference=message.notification_id, to=NUMBER, text="x", template="x", parameters={}, language="en"
            ),
        )
    return VoiceChannel(
        [Turn(provider=desk, caps=caps)],
        lambda message: Call(
            reference=message.notification_id, to=NUMBER, text="x", template="x", parameters={}, language="en"
        ),
    )


def news(number: int, *, to: str = NUMBER, priority: int = 4) -> Outgoing:
    return Outgoing(
        notification_id=UUID(int=number),
        alert_id=number,
        priority=priority,
        body={},
        created_at=NOON,
        give_up_at=NOON + timedelta(hours=6),
        attempt=1,
        recipient=to,
    )


BOTH = pytest.mark.parametrize("kind", ["sms", "voice"])


@BOTH
async def test_of_two_at_once_the_second_waits_for_room(kind: str) -> None:
    desk = Desk()
    channel = channel_to(kind, desk)
    async with asyncio.TaskGroup() as group:
        first = group.create_task(channel.send(news(1), NOON))
        await desk.was_asked.wait()
        held = group.create_task(channel.send(news(2), NOON + timedelta(seconds=1)))
        other = group.create_task(channel.send(news(3, to="+8613800000002"), NOON))
        desk.may_answer.set()
    assert held.result() == TryAgain(fault=Fault.CAP_REACHED, held_until=NOON + timedelta(minutes=1))
    assert isinstance(first.result(), Accepted)
    assert isinstance(other.result(), Accepted)
    assert desk.asked == 2


@BOTH
async def test_what_did_not_reach_the_provider_takes_no_room(kind: str) -> None:
    desk = Desk()
    desk.may_answer.set()
    channel = channel_to(kind, desk)
    desk.answer = TryAgain(fault=Fault.UNREACHABLE)
    assert (await channel.send(news(1), NOON)) == TryAgain(fault=Fault.UNREACHABLE, provider="desk")
    desk.answer = Accepted(provider="desk")
    assert isinstance(await channel.send(news(2), NOON + timedelta(seconds=1)), Accepted)


@BOTH
async def test_after_some_minutes_the_database_alone_is_believed(kind: str) -> None:
    desk = Desk()
    desk.may_answer.set()
    channel = channel_to(kind, desk, Caps(limits=(Cap(most=1, window=timedelta(hours=1)),)))
    assert isinstance(await channel.send(news(1), NOON), Accepted)
    within = await channel.send(news(2), NOON + timedelta(minutes=4))
    assert within == TryAgain(fault=Fault.CAP_REACHED, held_until=NOON + timedelta(hours=1))
    assert isinstance(await channel.send(news(2), NOON + timedelta(minutes=6)), Accepted)
