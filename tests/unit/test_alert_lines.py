"""An alert as lines for people."""

import shlex
from dataclasses import replace
from datetime import timedelta

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from alerts.life.reading import AlertDetails, AlertRow, EntryRow
from alerts.life.teaching import Closing, Offer
from alerts.model import Kind, Outcome, Reason, Severity, State
from anju import alert_lines
from anju.cli import app
from tests.alert_cases import NOON

HOUR = timedelta(hours=1)
ALERT = AlertRow(
    alert_id=17,
    subject="home/12",
    home_id=12,
    home="Door 12",
    area="City/Lane",
    device=None,
    kind=Kind.SOS,
    severity=Severity.URGENT,
    state=State.OPEN,
    since=NOON,
    raised_at=NOON,
    updated_at=NOON,
    acknowledged_at=None,
    acknowledged_by=None,
    assigned_to=None,
    on_the_way_at=None,
    on_scene_at=None,
    muted_until=None,
    closed_at=None,
    outcome=None,
    times_raised=1,
    reason=Reason(id="sos_pressed", values={"device": "btn-7"}),
)
OFFER = Offer(
    home_id=12, home="Mrs. O'Neil's", area="City/Lane 3", reason="family", from_at=NOON, until_at=NOON + 7 * 24 * HOUR
)


@pytest.mark.parametrize(
    ("alert", "said"),
    [
        (ALERT, "open"),
        (replace(ALERT, assigned_to="duty-2"), "open: duty-2"),
        (replace(ALERT, state=State.ACKNOWLEDGED, assigned_to="duty-1"), "acknowledged: duty-1"),
        (
            replace(ALERT, state=State.ATTENDING, assigned_to="duty-1", on_the_way_at=NOON),
            "attending: duty-1, on the way",
        ),
        (
            replace(ALERT, state=State.ATTENDING, assigned_to="duty-1", on_the_way_at=NOON, on_scene_at=NOON),
            "attending: duty-1, on scene",
        ),
        (
            replace(ALERT, state=State.CLOSED, assigned_to="duty-1", outcome=Outcome.GENUINE, closed_at=NOON),
            "closed: genuine",
        ),
    ],
)
def test_where_an_alert_stands(alert: AlertRow, said: str) -> None:
    assert alert_lines.standing(alert) == said


def test_a_muted_one_says_until_when() -> None:
    assert alert_lines.standing(replace(ALERT, muted_until=NOON)).startswith("open: muted until 2026-11-2")


def test_the_history_says_who_did_what_in_which_role_and_who_had_it() -> None:
    entries = [
        EntryRow(entry_id=number, at=NOON, actor=actor, source=source, action=action, detail=detail, event_id=None)
        for number, (actor, source, action, detail) in enumerate(
            [
                ("daughter", "sms", "acknowledged", {"role": "family", "comment": "I live next door"}),
                ("li", "page", "assigned", {"to": "duty-2", "from": "daughter"}),
                ("alerts", "escalation", "lapsed", {"had": "duty-2"}),
                ("duty-1", "sms", "given_back", {"had": "duty-1"}),
            ]
        )
    ]
    details = AlertDetails(
        alert=ALERT, evidence={"event": 3}, entries=entries, messages=[], related=[replace(ALERT, alert_id=16)]
    )
    lines = list(alert_lines.described(details, "zh"))
    assert "reason:  SOS按钮btn-7被按下" in lines
    assert [line.partition("  ")[2].partition("  ")[2] for line in lines if " by " in line] == [
        "acknowledged by daughter (sms, family): I live next door",
        "assigned to duty-2 by li (page)",
        "lapsed by alerts (escalation); duty-2 had it",
        "given_back by duty-1 (sms)",
    ]
    assert lines[lines.index("related alerts of this home:") + 1].startswith("  16: sos, urgent, open, raised ")


def test_what_follows_from_the_end_is_said_with_the_command_that_does_it() -> None:
    assert list(alert_lines.consequences(Closing())) == []
    leak, guess, command = alert_lines.consequences(Closing(offers=(OFFER,), leak_alert_id=18))
    assert leak == "the leak is seen to as alert 18"
    assert "note it" in guess
    program, *arguments = shlex.split(command)
    assert (program, arguments[:3]) == ("anju", ["absence", "add", "City/Lane 3/Mrs. O'Neil's"])
    # Typer takes it as it stands, up to the database that is not there.
    ended = CliRunner().invoke(app, arguments, env={"ANJU_DATABASE_URL": ""})
    assert "ANJU_DATABASE_URL" in str(ended.exception) + ended.output
    assert arguments[0] in get_command(app).commands  # type: ignore[attr-defined]
