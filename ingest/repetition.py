"""Whether an event that just came in is one that is stored already (pure).

The same press reaches us more than once: two workers hear it, a gateway tries again, a broker sends it again after a
cut. But a second press must never be taken for a repetition of the first. So the rules err towards a new press.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from ingest.batch import Happening
from ingest.listening import MARGIN

SAME_PAYLOAD_WITHIN: Final = timedelta(seconds=10)
# A source that counts from zero after each restart uses its ids again.
SAME_ID_WITHIN: Final = timedelta(hours=48)
# Copies of one event carry one time; gateways may round it.
SAME_TIME_WITHIN: Final = timedelta(seconds=60)
LOOK_BACK: Final = SAME_ID_WITHIN


class Earlier(NamedTuple):
    """An event of the same device and kind that is stored already."""

    source_id: str | None
    payload_hash: bytes
    own_time: datetime | None
    received_at: datetime


def repeats(new: Happening, earlier: Iterable[Earlier], *, heard_until: datetime | None) -> bool:
    """Says whether a new event is one of the earlier ones, received again.

    With ids: the same id within 48 h, unless both copies carry a device time and these differ by more than a minute.
    Where one of them has none: an equal payload, or likeness, received within 10 s. A message that the broker marks as
    sent before may be older: it was on its way when the session was last heard, so an equal payload from a little
    before then on is the same event.

    On the bulk lane, however late: the urgent session is known to have got the same message (see `ingest.listening`),
    and an event with that id or likeness came in since. Which of them it was need not be known.

    Args:
        new: the event.
        earlier: stored events of the same device and kind.
        heard_until: until when the session that brought the event had committed what it was sent.
    """
    equal_since = new.received_at - SAME_PAYLOAD_WITHIN
    if new.duplicate and heard_until is not None:
        equal_since = min(equal_since, heard_until - 2 * SAME_PAYLOAD_WITHIN)
    twin_since = None if new.twin_since is None else new.twin_since - MARGIN
    for known in earlier:
        alike = known.payload_hash == new.payload_hash
        same_id = new.source_id is not None and known.source_id == new.source_id
        if alike and known.source_id == new.source_id and known.received_at == new.received_at:
            return True
        if twin_since is not None and (same_id or alike) and known.received_at >= twin_since:
            return True
        if same_id:
            times_differ = (
                new.own_time is not None
                and known.own_time is not None
                and abs(new.own_time - known.own_time) > SAME_TIME_WITHIN
            )
            if not times_differ and abs(new.received_at - known.received_at) <= SAME_ID_WITHIN:
                return True
        elif (
            (new.source_id is None or known.source_id is None)
            and alike
            and equal_since <= known.received_at <= new.received_at + SAME_PAYLOAD_WITHIN
        ):
            return True
    return False


def look_back_to(new: Happening) -> datetime:
    """From when on earlier events matter to a new one."""
    since = new.received_at - LOOK_BACK
    return since if new.twin_since is None else min(since, new.twin_since - MARGIN)


def dedup_key(new: Happening) -> str:
    """The key under which a new event is stored: unlike that of any other event that is not the very same receipt.

    It recognises nothing, `repeats` does: a source's id alone would swallow the press that uses it again after the time
    that `repeats` looks back.
    """
    return f"{new.source_id or ''}@{new.received_at.isoformat()}/{new.payload_hash.hex()}"
