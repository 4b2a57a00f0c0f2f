"""The last resort: with the database gone, a press is told straight to one webhook.

The message stays unacknowledged, so that the ordinary way takes it up as soon as it is open again. Whoever receives
this must expect to be told twice.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import httpx
import structlog
from standardwebhooks import Webhook

from devices.model import CALLING
from ingest.batch import Happening
from ingest.repetition import SAME_ID_WITHIN, SAME_PAYLOAD_WITHIN

_log = structlog.get_logger()

AFTER: Final = timedelta(seconds=10)
_TIMEOUT_S: Final = 5.0
# Told ones are remembered so that each is told once; far more than can be waiting.
_MAX_TOLD: Final = 50_000


def overdue(
    happenings: Sequence[Happening], now: datetime, told: Mapping[bytes, Sequence[datetime]]
) -> list[Happening]:
    """The presses and falls that have waited for their commit for ten seconds and were not told yet (pure).

    Args:
        happenings: what waits, in order of receipt.
        now: the time.
        told: for each `mark`, when the events that were told were received.
    """
    found: dict[bytes, list[datetime]] = {}
    new: list[Happening] = []
    for each in happenings:
        if each.kind not in CALLING or now - each.received_at < AFTER:
            continue
        alike = found.setdefault(mark(each), list(told.get(mark(each), ())))
        if not any(_is_copy(each, received_at) for received_at in alike):
            alike.append(each.received_at)
            new.append(each)
    return new


def _is_copy(happening: Happening, received_at: datetime) -> bool:
    """Whether an event that looks like a told one is that one again, as `ingest.repetition` has it."""
    again = happening.duplicate or happening.source_id is not None
    return abs(happening.received_at - received_at) <= (SAME_ID_WITHIN if again else SAME_PAYLOAD_WITHIN)


def mark(happening: Happening) -> bytes:
    """What an event is known by here, whatever connection it comes on again."""
    return happening.device_name.encode() + b"\0" + (happening.source_id or "").encode() + happening.payload_hash


def body(happening: Happening) -> bytes:
    """What is posted: as little as gets somebody moving, since the home cannot be looked up."""
    return json.dumps(
        {
            "type": "anju.emergency",
            "device": happening.device_name,
            "event": happening.kind.value,
            "measured_at": happening.measured_at.isoformat(),
            "received_at": happening.received_at.isoformat(),
            "text": f"{happening.kind.value} from device {happening.device_name}; Anju's database cannot be reached, "
            "so home and history are unknown. Look the device up and send somebody.",
        },
        ensure_ascii=False,
    ).encode()


class EmergencyWebhook:
    """Posts to the configured address, each event once.

    Args:
        url: where to; None: there is none, and overdue events are logged as errors instead.
        secret: a Standard Webhooks secret (`whsec_...`) to sign with; None: not signed.
    """

    def __init__(self, url: str | None, secret: str | None) -> None:
        self._url = url
        self._webhook = Webhook(secret) if secret else None
        self._told: dict[bytes, list[datetime]] = {}
        self._client = httpx.AsyncClient(timeout=_TIMEOUT_S, follow_redirects=False) if url else None
        self.sent = 0
        self.failed = 0

    async def tell(self, happenings: Sequence[Happening], now: datetime) -> None:
        """Posts what is overdue. A failed post is tried again at the next call."""
        for each in overdue(happenings, now, self._told):
            if self._client is None or self._url is None:
                _log.error("emergency_without_webhook", device=each.device_name, kind=each.kind.value)
                self._remember(each)
                continue
            payload = body(each)
            headers = {"content-type": "application/json", **self._signature(each, payload)}
            try:
                response = await self._client.post(self._url, content=payload, headers=headers)
                response.raise_for_status()
            except httpx.HTTPError as error:
                self.failed += 1
                _log.error("emergency_webhook_failed", device=each.device_name, reason=type(error).__name__)
                continue
            self.sent += 1
            self._remember(each)
            _log.warning("emergency_webhook_sent", device=each.device_name, kind=each.kind.value)

    async def close(self) -> None:
        """Closes its connections."""
        if self._client is not None:
            await self._client.aclose()

    def _remember(self, happening: Happening) -> None:
        if len(self._told) >= _MAX_TOLD:
            self._told.clear()
        self._told.setdefault(mark(happening), []).append(happening.received_at)

    def _signature(self, happening: Happening, payload: bytes) -> dict[str, str]:
        # Receivers drop an id they have seen: it must differ between devices, and between presses that look alike.
        source = mark(happening) + happening.received_at.isoformat().encode()
        message_id = f"emergency_{hashlib.blake2b(source, digest_size=16).hexdigest()}"
        sent_at = datetime.now(UTC)
        headers = {"webhook-id": message_id, "webhook-timestamp": str(int(sent_at.timestamp()))}
        if self._webhook is not None:
            headers["webhook-signature"] = self._webhook.sign(message_id, sent_at, payload.decode())
        return headers
