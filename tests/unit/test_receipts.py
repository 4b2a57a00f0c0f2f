"""What a receipt changes: the same in whatever order receipts come."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.channels.results import Delivery
from alerts.receipts import Consequence, Message, decide
from tests.alert_cases import NOON

RAISED = Message(
    notification_id=UUID(int=1),
    alert_id=1,
    channel="sms",
    priority=1,
    state="accepted",
    delivery=None,
    give_up_at=NOON + timedelta(hours=6),
    newest=True,
    alert_open=True,
)
NEWS = replace(RAISED, priority=4)


def test_undelivered_is_sent_again_by_sms_and_hurries_by_voice() -> None:
    undelivered = Delivery.UNDELIVERED
    assert decide(RAISED, undelivered, NOON) == Consequence(delivery=undelivered, again=True)
    assert decide(replace(RAISED, channel="voice"), undelivered, NOON) == Consequence(delivery=undelivered, hurry=True)


@pytest.mark.parametrize(
    "message",
    [NEWS, replace(RAISED, alert_open=False), replace(RAISED, give_up_at=NOON)],
    ids=["news", "somebody has it", "too late"],
)
def test_what_needs_no_answer_is_not_sent_again(message: Message) -> None:
    assert decide(message, Delivery.UNDELIVERED, NOON) == Consequence(delivery=Delivery.UNDELIVERED)


@pytest.mark.parametrize("message", [replace(RAISED, newest=False), replace(RAISED, state="pending")])
def test_of_an_earlier_attempt_only_good_news_count(message: Message) -> None:
    assert decide(message, Delivery.UNDELIVERED, NOON) == Consequence()
    assert decide(message, Delivery.SENT, NOON) == Consequence()
    assert decide(message, Delivery.DELIVERED, NOON) == Consequence(delivery=Delivery.DELIVERED)


@given(st.lists(st.sampled_from(list(Delivery)), max_size=8), st.randoms())
def test_the_order_does_not_matter(reported: list[Delivery], random: object) -> None:
    def end(order: list[Delivery]) -> str | None:
        message = NEWS
        for delivery in order:
            message = replace(message, delivery=decide(message, delivery, NOON).delivery or message.delivery)
        return message.delivery

    assert end(reported) == end(sorted(reported)) == end(list(reversed(reported)))
    if reported:
        best = max(reported, key=["sent", "undelivered", "delivered", "read"].index)
        assert end(reported) == best
