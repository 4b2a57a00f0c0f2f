"""What the alerts role counts; labels come from closed sets only."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

_FAST_BUCKETS: Final = (0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.03, 0.06, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)

ATTEMPTS: Final = Counter(
    "anju_alerts_attempts_total", "Attempts to hand a message over, by what followed", ["channel", "result", "reason"]
)
HANDOVER: Final = Histogram(
    "anju_alerts_handover_seconds",
    "From the message being written to its first attempt",
    ["lane"],
    buckets=_FAST_BUCKETS,
)
ATTEMPT_DURATION: Final = Histogram(
    "anju_alerts_attempt_duration_seconds", "How long attempts took", ["channel"], buckets=_FAST_BUCKETS
)
IN_FLIGHT: Final = Gauge("anju_alerts_in_flight", "Attempts going on now", ["lane"])
PENDING: Final = Gauge("anju_alerts_pending", "Messages not yet accepted", ["lane"])
OLDEST_PENDING: Final = Gauge(
    "anju_alerts_oldest_pending_seconds", "Age of the oldest message not yet accepted", ["lane"]
)
GIVEN_UP: Final = Counter("anju_alerts_given_up_total", "Messages that were given up after an attempt", ["channel"])
OPEN: Final = Gauge("anju_alerts_open", "Alerts that are not closed", ["kind", "severity", "state"])
ACKNOWLEDGE: Final = Histogram(
    "anju_alerts_acknowledge_seconds",
    "From an alert being raised to somebody taking it, by whatever way",
    ["severity"],
    buckets=(5, 10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400),
)
LOOP_TURNED: Final = Gauge(
    "anju_alerts_loop_turned_timestamp_seconds", "When a loop last finished a turn of its work", ["loop"]
)
UNADDRESSED: Final = Gauge("anju_alerts_unaddressed", "Messages waiting for a channel that no setting describes")
BUNDLED: Final = Counter(
    "anju_alerts_bundled_total", "Messages that went out with others with further alerts in them", ["channel"]
)
RECEIPTS: Final = Counter("anju_alerts_receipts_total", "Delivery receipts, each once", ["delivery"])
PROVIDERS_DOWN: Final = Gauge("anju_alerts_providers_down", "Providers left alone after faults", ["channel"])
