"""What is said in return: within one SMS segment, in both languages, whatever became of an answer."""

import pytest

from alerts.replies import answers
from alerts.replies.deeds import Result
from alerts.replies.meaning import Wish
from alerts.templates.segments import length

CODES = tuple(f"{n:03d}" for n in range(12))


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("resident", [True, False])
@pytest.mark.parametrize("result", Result)
def test_an_answer_is_one_segment(result: Result, language: str, resident: bool) -> None:
    said = answers.to_reply(result, CODES, language, resident=resident)
    assert said is None or length(said).segments == 1


def test_what_was_done_needs_no_answer() -> None:
    assert {result for result in Result if answers.to_reply(result, CODES, "en") is not None} == {
        Result.ASKED_WHICH,
        Result.UNCLEAR,
        Result.NOTHING_OPEN,
        Result.NOT_POSSIBLE,
        Result.CHANGED_MEANWHILE,
    }


def test_codes_are_listed_and_shortened() -> None:
    said = answers.to_reply(Result.ASKED_WHICH, CODES[:2], "en")
    assert said == "2 alerts are open. Reply with a code, such as 1 000. Codes: 000, 001"
    long = answers.to_reply(Result.ASKED_WHICH, CODES, "zh")
    assert long is not None
    assert long.startswith("您有12条警情")
    assert long.endswith("004、…")


@pytest.mark.parametrize("language", ["zh", "en", "fr"])
def test_something_is_spoken_whatever_happens(language: str) -> None:
    for result in Result:
        for wish in (*Wish, None):
            assert answers.spoken(result, wish, language)
    assert answers.spoken(Result.DONE, Wish.ON_THE_WAY, "en").startswith("Noted")
