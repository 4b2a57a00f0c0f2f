"""What the probe role measures; labels come from closed sets only."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

PRESSES: Final = Counter(
    "anju_probe_presses_total", "Synthetic presses, by how far they went and what became of them", ["through", "result"]
)
DURATION: Final = Histogram(
    "anju_probe_duration_seconds",
    "From a synthetic press being published to its message being handed over",
    ["through"],
    buckets=(0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
LAST_THROUGH: Final = Gauge(
    "anju_probe_last_through_timestamp_seconds", "When the newest synthetic press that came through was handed over"
)
LOOP_TURNED: Final = Gauge(
    "anju_probe_loop_turned_timestamp_seconds", "When a loop last finished a turn of its work", ["loop"]
)
GAPS: Final = Gauge("anju_probe_gap", "1 where work is not done", ["work"])
SIGNALS: Final = Counter("anju_dead_man_signals_total", "Calls to the outside monitor, by result", ["result"])
