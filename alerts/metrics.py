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
UNADDRESSED: Final = Gauge("anju_alerts_unaddressed", "Messages waiting for a channel that no setting describes")
BUNDLED: Final = Counter(
    "anju_alerts_bundled_total", "Messages that went out with others with further alerts in them", ["channel"]
)
RECEIPTS: Final = Counter("anju_alerts_receipts_total", "Delivery receipts, each once", ["delivery"])
PROVIDERS_DOWN: Final = Gauge("anju_alerts_providers_down", "Providers left alone after faults", ["channel"])
