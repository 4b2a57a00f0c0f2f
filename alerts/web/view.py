"""What the page of a link shows: the case in words, and the buttons that make sense now. Pure."""

from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

from alerts.life.closing import REOPEN_WITHIN
from alerts.life.commands import Closing
from alerts.life.reading import AlertDetails, AlertRow, EntryRow
from alerts.model import Outcome, State
from alerts.replies.deeds import Result
from alerts.replies.meaning import Wish
from alerts.web import words
from alerts.web.shapes import Button, Choice, Line, Moment, Page, Pressed, Reader, RelatedLine
from alerts.web.words import Tongue, named, say
from alerts.wording import duration

#: Lines of history; a case that was pressed a hundred times is still a page.
_MAX_ENTRIES = 50


def page_of(
    details: AlertDetails,
    reader: Reader,
    *,
    tongue: Tongue,
    now: datetime,
    once: str,
    may_close: bool,
    token_of: Callable[[int], str],
    pressed: Pressed | None = None,
) -> Page:
    """The page of one alert for one reader.

    Args:
        details: The alert.
        reader: Who looks.
        tongue: In which language.
        now: When.
        once: A number of this page's own, by which a page sent twice is known.
        may_close: Whether staff may close alerts here.
        token_of: The token of the reader's link to another alert.
        pressed: What was just pressed.
    """
    alert = details.alert
    zone = ZoneInfo(reader.time_zone)
    staff = reader.relation is None
    is_over = alert.state is State.CLOSED

    def moment(at: datetime) -> Moment:
        local = at.astimezone(zone)
        form = "%H:%M" if local.date() == now.astimezone(zone).date() else "%m-%d %H:%M"
        return Moment(
            iso=local.isoformat(timespec="seconds"),
            local=local.strftime(form),
            ago=duration((now - at).total_seconds(), tongue),
        )

    attending = alert.attending
    return Page(
        kind=named(words.KINDS, alert.kind, tongue),
        severity=named(words.SEVERITIES, alert.severity, tongue),
        severity_class=str(alert.severity),
        state=named(words.STATES, alert.state, tongue),
        is_over=is_over,
        home=alert.home or alert.device or "",
        area=(alert.area or "").replace("/", " / "),
        since=moment(alert.since),
        reason=alert.text(tongue),
        times_raised=alert.times_raised,
        who=_actor(alert.assigned_to or alert.acknowledged_by or "", reader, tongue),
        attending="" if attending is None or is_over else named(words.ATTENDING, attending, tongue),
        ended=None if alert.closed_at is None else moment(alert.closed_at),
        outcome="" if alert.outcome is None else named(words.OUTCOMES, alert.outcome, tongue),
        buttons=() if is_over else _buttons(alert, reader, tongue),
        outcomes=_outcomes(tongue) if staff and may_close and not is_over else (),
        may_reopen=staff and may_close and _may_reopen(alert, now),
        related=[
            RelatedLine(
                kind=named(words.KINDS, other.kind, tongue),
                state=named(words.STATES, other.state, tongue),
                since=moment(other.since),
                token=token_of(other.alert_id) if staff else None,
            )
            for other in details.related
        ],
        entries=[
            Line(
                at=moment(entry.at),
                action=named(words.ACTIONS, entry.action, tongue),
                actor=_entry_actor(entry, reader, tongue),
                said=_entry_said(entry, staff=staff, tongue=tongue),
            )
            for entry in details.entries[-_MAX_ENTRIES:]
            if entry.action in words.ACTIONS
        ],
        notice="" if pressed is None else _notice(pressed, reader, tongue),
        notice_is_bad=pressed is not None and not pressed.result.holds,
        offers=() if pressed is None or pressed.closing is None else _offers(pressed.closing, zone, tongue),
        once=once,
        time_zone=reader.time_zone,
    )


def _buttons(alert: AlertRow, reader: Reader, tongue: Tongue) -> list[Button]:
    """The likely next one first; taking what one has already is left out."""
    if reader.relation == "resident":
        return [
            Button(does=str(wish), label=say(label, tongue), hint=say(hint, tongue), look="first" if not shown else "")
            for shown, (wish, (label, hint)) in enumerate(words.RESIDENT_BUTTONS.items())
        ]
    mine = alert.assigned_to == reader.key
    first = Wish.ACKNOWLEDGE
    if mine and alert.state is not State.OPEN:
        first = Wish.ON_THE_WAY if alert.on_the_way_at is None else Wish.ON_SCENE
    wishes = [first, *(wish for wish in (Wish.ACKNOWLEDGE, Wish.ON_THE_WAY, Wish.ON_SCENE) if wish is not first)]
    if mine and alert.state is not State.OPEN:
        wishes.remove(Wish.ACKNOWLEDGE)
    shown = []
    for wish in (*wishes, Wish.DECLINE):
        label, hint = words.BUTTONS[wish]
        if alert.state is not State.OPEN:
            hint = ("", "")
        look = "no" if wish is Wish.DECLINE else "first" if wish is first else ""
        shown.append(Button(does=str(wish), label=say(label, tongue), hint=say(hint, tongue), look=look))
    return shown


def _may_reopen(alert: AlertRow, now: datetime) -> bool:
    by_person = alert.outcome is not None and alert.outcome.by_person
    return by_person and alert.closed_at is not None and now - alert.closed_at <= REOPEN_WITHIN


def _outcomes(tongue: Tongue) -> list[Choice]:
    return [Choice(key=str(each), name=named(words.OUTCOMES, each, tongue)) for each in Outcome if each.by_person]


def _actor(key: str, reader: Reader, tongue: Tongue) -> str:
    return f"{key} ({words.texts(tongue)['you']})" if key and key == reader.key else key


def _entry_actor(entry: EntryRow, reader: Reader, tongue: Tongue) -> str:
    if entry.source in _SERVICE_SOURCES:
        return ""
    actor = _actor(entry.actor, reader, tongue)
    role = entry.detail.get("role")
    return f"{actor}, {named(words.ROLES, role, tongue)}" if isinstance(role, str) else actor


_SERVICE_SOURCES = frozenset({"rules", "alerts"})


def _entry_said(entry: EntryRow, *, staff: bool, tongue: Tongue) -> str:
    """How it ended, to whom it was handed, and what was noted; staff's notes are for staff."""
    said = []
    outcome, to, comment = (entry.detail.get(name) for name in ("outcome", "to", "comment"))
    if isinstance(outcome, str):
        said.append(named(words.OUTCOMES, outcome, tongue))
    if isinstance(to, str):
        said.append(f"→ {to}")
    if isinstance(comment, str) and staff:
        said.append(comment)
    return " · ".join(said)


def _notice(pressed: Pressed, reader: Reader, tongue: Tongue) -> str:
    if pressed.result.holds:
        if reader.relation == "resident" and pressed.does in words.RESIDENT_DONE:
            return say(words.RESIDENT_DONE[pressed.does], tongue)
        return named(words.DONE, pressed.does, tongue)
    failed = words.NOT_DONE.get(pressed.result, words.NOT_DONE[Result.NOT_POSSIBLE])
    return say(failed, tongue)


def _offers(closing: Closing, zone: ZoneInfo, tongue: Tongue) -> list[str]:
    text = words.texts(tongue)
    offers = [
        text["offer_absence"].format(
            reason=named(words.ABSENCES, offer.reason, tongue),
            from_=offer.from_at.astimezone(zone).strftime("%Y-%m-%d %H:%M"),
            until=offer.until_at.astimezone(zone).strftime("%Y-%m-%d %H:%M"),
        )
        for offer in closing.offers
    ]
    return offers if closing.leak_alert_id is None else [*offers, text["handed_on"].format(closing.leak_alert_id)]
