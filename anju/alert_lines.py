"""An alert as lines for people: where it stands, who has it, what happened, what follows from its end."""

import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING

from anju.output import instant

if TYPE_CHECKING:
    from alerts.life.reading import AlertDetails, AlertRow, EntryRow, MessageRow
    from alerts.life.teaching import Closing, Offer


def where(alert: "AlertRow") -> str:
    """The home and its area, else what the alert is about."""
    return ", ".join(part for part in (alert.home, alert.area) if part) or alert.device or alert.subject


def standing(alert: "AlertRow") -> str:
    """The state, who has it, how far they are, how it ended."""
    if alert.outcome is not None:
        return f"{alert.state}: {alert.outcome}"
    how_far = None if alert.attending is None else alert.attending.replace("_", " ")
    known = [part for part in (alert.assigned_to, how_far) if part is not None]
    if alert.muted_until is not None:
        known.append(f"muted until {instant(alert.muted_until)}")
    return f"{alert.state}: {', '.join(known)}" if known else str(alert.state)


def brief(alert: "AlertRow") -> str:
    """One line of another alert."""
    return f"{alert.alert_id}: {alert.kind}, {alert.severity}, {standing(alert)}, raised {instant(alert.raised_at)}"


def described(found: "AlertDetails", language: str) -> Iterator[str]:
    """All there is to an alert."""
    alert = found.alert
    yield f"alert {alert.alert_id}: {alert.kind}, {alert.severity}, {standing(alert)}"
    yield f"where:   {where(alert)}"
    yield f"reason:  {alert.text('zh' if language == 'zh' else 'en')}"
    yield f"since:   {instant(alert.since)}; raised {instant(alert.raised_at)}, {alert.times_raised} times in all"
    if alert.acknowledged_by is not None:
        yield f"taken:   by {alert.acknowledged_by}, {instant(alert.acknowledged_at)}"
    if alert.outcome is not None:
        yield f"outcome: {alert.outcome}, {instant(alert.closed_at)}"
    if found.related:
        yield "related alerts of this home:"
        yield from (f"  {brief(other)}" for other in found.related)
    yield "evidence:"
    yield from (f"  {name}: {value}" for name, value in found.evidence.items())
    yield "history:"
    yield from (f"  {_entry(entry)}" for entry in found.entries)
    yield "messages:"
    yield from (f"  {_message(message)}" for message in found.messages)


def _entry(entry: "EntryRow") -> str:
    detail = entry.detail
    to, until, had, role, comment = (detail.get(name) for name in ("to", "until", "had", "role", "comment"))
    aim = f" to {to}" if isinstance(to, str) else f" until {until}" if isinstance(until, str) else ""
    whence = f"{entry.source}, {role}" if isinstance(role, str) else entry.source
    holder = f"; {had} had it" if isinstance(had, str) and had != entry.actor else ""
    said = f": {comment}" if isinstance(comment, str) else ""
    return f"{instant(entry.at)}  {entry.action}{aim} by {entry.actor} ({whence}){holder}{said}"


def _message(message: "MessageRow") -> str:
    to = f"{message.channel}/{message.person or message.recipient}"
    delivered = f", {message.delivery}" if message.delivery else ""
    last = f", last: {message.last_reason}" if message.last_reason else ""
    return (
        f"{instant(message.created_at)}  {message.type} to {to}:"
        f" {message.state} after {message.attempts} attempts{delivered}{last}"
    )


def consequences(closing: "Closing") -> Iterator[str]:
    """What follows from closing an alert, and the command that does it."""
    if closing.leak_alert_id is not None:
        yield f"the leak is seen to as alert {closing.leak_alert_id}"
    for offer in closing.offers:
        yield "if nobody will be home for some time, note it; --until is a guess:"
        yield f"  {absence_command(offer)}"


def absence_command(offer: "Offer") -> str:
    """The command that notes an absence that is offered."""
    home = shlex.quote(f"{offer.area}/{offer.home}")
    from_at, until_at = (at.isoformat(timespec="seconds") for at in (offer.from_at, offer.until_at))
    return f"anju absence add {home} --reason {offer.reason} --from {from_at} --until {until_at}"
