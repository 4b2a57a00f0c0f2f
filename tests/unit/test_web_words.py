"""The pages have words for all there is, in both languages."""

from typing import get_args

import pytest

from alerts.life.case import Action
from alerts.life.teaching import AbsenceReason
from alerts.model import Attending, Kind, Outcome, Severity, State
from alerts.replies.meaning import Wish
from alerts.web import words


@pytest.mark.parametrize(
    ("known", "keys"),
    [
        (words.KINDS, Kind),
        (words.SEVERITIES, Severity),
        (words.STATES, State),
        (words.ATTENDING, Attending),
        (words.OUTCOMES, [outcome for outcome in Outcome if outcome is not Outcome.PROBE]),
        (words.ACTIONS, Action),
        (words.ABSENCES, get_args(AbsenceReason)),
        (words.DONE, [Wish.ACKNOWLEDGE, Wish.ON_THE_WAY, Wish.ON_SCENE, Wish.DECLINE, "close", "reopen"]),
    ],
)
def test_there_are_words(known: dict[str, words.Both], keys: list[str]) -> None:
    for key in keys:
        chinese, english = known[str(key)]
        assert chinese
        assert english.isascii()
        assert chinese != english


def test_what_a_later_release_has_is_shown_by_its_name() -> None:
    assert words.named(words.KINDS, "carbon_monoxide", "zh") == "carbon monoxide"
