"""A policy as people write it: what is refused and why, which ladder counts, the digest, words."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.escalation import words
from alerts.escalation.errors import BadPolicy
from alerts.escalation.policy import Said, built_in, checked, choose, next_digest, read
from alerts.escalation.timetable import index_of, timetable
from alerts.model import Kind, Severity
from tests.unit.escalation_worlds import ladder, usual

POLICY = """
[[ladder]]
name = "at night"
kinds = ["sos", "fall"]
repeat_s = 120
[[ladder.step]]
after_s = 0
tell = [{ who = "duty", by = ["webhook"] }]
[[ladder.step]]
after_s = 45
tell = [{ who = "person:chief", by = ["webhook"] }, { who = "contacts" }]
"""


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("nonsense", "this is no TOML"),
        ("", "ladder: field required"),
        (POLICY.replace("after_s = 0", "after_s = 5"), "the first step must have after_s = 0"),
        (POLICY.replace("after_s = 45", "after_s = -1"), "ladder.1.step.2.after_s"),
        (POLICY.replace('"duty"', '"dutty"'), "ladder.1.step.1.tell.1.who"),
        (POLICY.replace('"sos"', '"soss"'), "ladder.1.kinds"),
        (POLICY.replace('["webhook"]', "[]"), "ladder.1.step.1.tell.1.by"),
        (POLICY.replace("repeat_s = 120", 'repeat_s = 120\ndigest_at = "09:00"'), "calls for help can neither wait"),
        (POLICY.replace("repeat_s = 120", 'repeat_s = 120\ndigest_at = "9 am"'), "'9 am' is no time of day"),
        (POLICY.replace("after_s = 0", "after_s = 0\nask = true"), "calls for help can neither wait"),
        (POLICY.replace("repeat_s = 120", "repeat_s = 120\nremind_s = 600\nlapse_s = 300"), "less than lapse_s"),
        (POLICY.replace('"duty"', '"contacts"').replace('"person:chief"', '"family"'), "no step tells anybody"),
        (POLICY + POLICY, "two ladders are called 'at night'"),
        (POLICY.replace("repeat_s", "repeats_s"), "ladder.1.repeat_s"),
    ],
)
def test_what_is_no_policy_is_refused_with_its_fault(text: str, fault: str) -> None:
    with pytest.raises(BadPolicy) as refused:
        read(text)
    assert fault in str(refused.value)


def test_a_ladder_with_a_fault_is_not_said_to_be_missing() -> None:
    with pytest.raises(BadPolicy) as refused:
        read(POLICY.replace('"duty"', '"dutty"'))
    assert "at least 1 item" not in str(refused.value)
    with pytest.raises(BadPolicy, match="at least 1 item"):
        read("ladder = []")


def test_what_is_stored_reads_as_it_was_written() -> None:
    for definition in (read(POLICY), built_in().definition):
        stored = definition.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        assert checked(stored) == definition


def test_the_built_in_ladders_have_one_for_every_alert_and_calls_for_help_begin_at_once() -> None:
    for kind in Kind:
        for severity in Severity:
            chosen, by = choose([], kind, severity)
            assert by == "Anju"
            if severity is Severity.URGENT:
                assert (chosen.digest_at, chosen.steps[0].ask, chosen.steps[0].tell[0].who) == (None, False, "duty")
    assert usual(Kind.BATTERY_LOW, Severity.TECHNICAL).digest_at is not None
    for kind in (Kind.PROBE_LOST, Kind.HEARING_LOST):  # whoever runs the service mends it, however grave it is
        assert usual(kind, Severity.HARD).steps[0].tell[0].who == "operator"


def test_the_nearest_area_that_has_a_ladder_for_it_counts() -> None:
    lane, site = Said(by="City/Lane", definition=read(POLICY)), Said(by="site", definition=built_in().definition)
    assert choose([lane, site], Kind.FALL, Severity.URGENT)[1] == "City/Lane"
    assert choose([lane, site], Kind.LEAK, Severity.SOFT)[1] == "site"
    assert choose([lane], Kind.LEAK, Severity.SOFT)[1] == "Anju"


def test_contacts_have_slots_of_their_own_in_order_of_time() -> None:
    rungs = ladder(
        '[[ladder]]\nname = "x"\nrepeat_s = 60\ncontact_every_s = 40\n'
        '[[ladder.step]]\nafter_s = 0\ntell = [{ who = "duty" }]\n'
        '[[ladder.step]]\nafter_s = 10\ntell = [{ who = "contacts" }]\n'
        '[[ladder.step]]\nafter_s = 60\ntell = [{ who = "supervisor" }]\n'
    )
    slots = timetable(rungs, 3)
    assert [(slot.code, slot.after_s) for slot in slots] == [(0, 0), (100, 10), (101, 50), (200, 60), (102, 90)]
    assert [index_of(slots, code) for code in (101, 102, 150, 200, 201)] == [2, 4, 3, 3, None]
    assert [slot.code for slot in timetable(rungs, 0)] == [0, 100, 200]


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)).map(lambda at: at.replace(tzinfo=UTC)),
    st.times().map(lambda at: at.replace(second=0, microsecond=0)),
    st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "America/Santiago", "Pacific/Apia"]),
)
def test_a_digest_comes_within_a_day_and_at_its_time_of_day(now: datetime, at: object, zone: str) -> None:
    rungs = usual(Kind.BATTERY_LOW, Severity.TECHNICAL).model_copy(update={"digest_at": at})
    digest = next_digest(rungs, ZoneInfo(zone), now)
    assert digest is not None
    assert now < digest <= now + timedelta(hours=25)
    # Where the clocks jump over it, it is the first instant after.
    local = digest.astimezone(ZoneInfo(zone))
    assert (
        local.time() == at or local.utcoffset() != (digest - timedelta(hours=1)).astimezone(ZoneInfo(zone)).utcoffset()
    )


def test_ladders_in_words() -> None:
    (rungs,) = read(POLICY).ladders
    assert [words.step(step) for step in rungs.steps] == [
        "whoever is on duty by webhook",
        "chief by webhook; the contacts of the home, one after the other by sms or voice or chat or webhook",
    ]
    assert words.scope(rungs) == "fall, sos; of any severity"
    assert list(words.afterwards(rungs)) == ["nobody takes it: from the first step again, 2 min after the last"]
    assert [words.span(seconds) for seconds in (0, 45, 90, 120, 7200, 172_800)] == [
        "0 s", "45 s", "90 s", "2 min", "2 h", "2 d"
    ]  # fmt: skip
