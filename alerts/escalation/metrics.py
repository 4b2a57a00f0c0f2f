"""What the escalation counts; labels come from closed sets only."""

from typing import Final

from prometheus_client import Counter, Histogram

_BUCKETS: Final = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300)

LAG: Final = Histogram(
    "anju_alerts_escalation_lag_seconds", "From an alert being due to its step being carried out", buckets=_BUCKETS
)
CARRIED_OUT: Final = Counter(
    "anju_alerts_escalations_total", "Alerts that were due, by what was done", ["result", "severity"]
)
FELL_UPWARD: Final = Counter(
    "anju_alerts_fell_upward_total", "Steps at which somebody else was told than was meant", ["because"]
)
NOBODY: Final = Counter(
    "anju_alerts_nobody_to_tell_total", "Times that an alert was due and there was nobody to tell; tried each minute"
)
FAILED: Final = Counter("anju_alerts_escalation_failures_total", "Alerts put off by a fault of our own")
