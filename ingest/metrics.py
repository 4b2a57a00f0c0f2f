"""Metrics of ingest, read from the sessions' counters when Prometheus asks: the hot path pays nothing for them."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Final

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from devices.model import Reason
from ingest.session import Session

_LABELS: Final = ("lane", "broker")

_COUNTERS: Final[tuple[tuple[str, str, Callable[[Session], float]], ...]] = (
    ("anju_ingest_messages", "Messages received.", lambda s: s.connection.counters.messages),
    ("anju_ingest_message_bytes", "Bytes of messages received.", lambda s: s.connection.counters.message_bytes),
    ("anju_ingest_acks", "Messages acknowledged, each after its commit.", lambda s: s.connection.counters.acks),
    (
        "anju_ingest_acks_dropped",
        "Acknowledgements not sent because their connection had ended.",
        lambda s: s.connection.counters.acks_dropped,
    ),
    ("anju_ingest_connects", "Connections that the broker accepted.", lambda s: s.connection.counters.connects),
    ("anju_ingest_losses", "Connections that ended.", lambda s: s.connection.counters.losses),
    ("anju_ingest_pauses", "Times that reading stopped at the bound.", lambda s: s.connection.counters.pauses),
    ("anju_ingest_readings", "Readings stored.", lambda s: s.writer.totals.readings),
    (
        "anju_ingest_repeated_readings",
        "Readings that were stored already.",
        lambda s: s.writer.totals.repeated_readings,
    ),
    (
        "anju_ingest_reading_conflicts",
        "Readings with another value than the one stored for the same instant.",
        lambda s: s.writer.totals.conflicts,
    ),
    ("anju_ingest_events", "Events stored.", lambda s: s.writer.totals.events),
    ("anju_ingest_repeated_events", "Events that were stored already.", lambda s: s.writer.totals.repeated_events),
    (
        "anju_ingest_understood_nothing",
        "Messages that are right and say nothing that is stored.",
        lambda s: s.writer.totals.understood_nothing,
    ),
    ("anju_ingest_bisections", "Batches that were taken apart.", lambda s: s.writer.totals.bisections),
    ("anju_ingest_batches", "Batches stored, each in one transaction.", lambda s: s.batches),
    ("anju_ingest_store_retries", "Batches that had to be tried again.", lambda s: s.retries),
)

_GAUGES: Final[tuple[tuple[str, str, Callable[[Session], float]], ...]] = (
    ("anju_ingest_connected", "Whether the session is connected.", lambda s: s.connection.connected),
    (
        "anju_ingest_subscribed",
        "Whether the session is connected and the broker grants it every filter.",
        lambda s: s.connection.subscribed,
    ),
    (
        "anju_ingest_outstanding_messages",
        "Messages received and not acknowledged yet.",
        lambda s: s.connection.outstanding_messages,
    ),
    ("anju_ingest_paused", "Whether reading stands still at the bound.", lambda s: s.connection.paused),
)


class IngestMetrics(Collector):
    """Collects over the sessions that run at the moment."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._sessions: list[Session] = []
        self._clock = clock

    @contextlib.contextmanager
    def watching(self, session: Session) -> Iterator[None]:
        """Includes a session while it runs."""
        self._sessions.append(session)
        try:
            yield
        finally:
            self._sessions.remove(session)

    def collect(self) -> Iterable[Metric]:
        """The metrics as of now."""
        sessions = list(self._sessions)
        for name, text, count in _COUNTERS:
            counter = CounterMetricFamily(name, text, labels=_LABELS)
            for session in sessions:
                counter.add_metric(_labels(session), count(session))
            yield counter
        for name, text, measure in _GAUGES:
            gauge = GaugeMetricFamily(name, text, labels=_LABELS)
            for session in sessions:
                gauge.add_metric(_labels(session), float(measure(session)))
            yield gauge
        quarantined = CounterMetricFamily(
            "anju_ingest_quarantined", "Messages put into quarantine.", labels=(*_LABELS, "reason")
        )
        lag = GaugeMetricFamily("anju_ingest_hearing_lag_seconds", "Age of the last committed beacon.", labels=_LABELS)
        ack_age = GaugeMetricFamily(
            "anju_ingest_ack_age_seconds",
            "Age of the oldest message not yet stored.",
            labels=_LABELS,
        )
        for session in sessions:
            counted = dict(session.writer.totals.quarantined)
            for reason in Reason:
                # Each from zero on: a rate cannot be seen in a series that begins with its first message.
                quarantined.add_metric([*_labels(session), reason.value], counted.get(reason, 0))
            since = session.unstored_since
            ack_age.add_metric(_labels(session), 0.0 if since is None else (self._clock() - since).total_seconds())
            if session.writer.hearing is not None:
                lag.add_metric(_labels(session), (self._clock() - session.writer.hearing.until).total_seconds())
        yield quarantined
        yield lag
        yield ack_age


def _labels(session: Session) -> list[str]:
    return [session.options.lane.value, session.broker]
