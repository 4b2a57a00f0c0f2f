"""What the rules role counts. Labels come from closed sets only."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

LOOKS: Final = Counter("anju_rules_looks_total", "Homes looked at")
NEXT_LOOKS: Final = Counter("anju_rules_next_looks_total", "Next looks at homes, by who asked for them", ["asked_by"])
FINDINGS: Final = Counter("anju_rules_findings_total", "Findings reported", ["kind", "verdict"])
RULE_FAILURES: Final = Counter("anju_rules_rule_failures_total", "Exceptions that a rule raised on a home", ["rule"])
POSTPONED: Final = Counter("anju_rules_postponed_total", "Homes that could not be looked at and were put off")
LEASES_LOST: Final = Counter(
    "anju_rules_leases_lost_total", "Looks thrown away because somebody else had taken the home over"
)
FAULTS: Final = Counter("anju_rules_faults_total", "Faults of a loop, after which it goes on", ["loop", "passing"])
REARMED: Final = Counter("anju_rules_rearmed_total", "Homes re-armed by the sweeper")
LEARNED: Final = Counter("anju_rules_learned_total", "Homes whose habits were learned anew")
WAKES: Final = Counter("anju_rules_wakes_total", "Presses and falls judged", ["outcome"])
WAKES_WAITING: Final = Gauge("anju_rules_wakes_waiting", "Presses and falls that could not be judged yet")
WAKE_SECONDS: Final = Histogram(
    "anju_rules_wake_seconds",
    "From the receipt of a press or a fall, or the end of its wait for a cancellation, to its committed alert",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 15, 60),
)
DUE_LAG_SECONDS: Final = Histogram(
    "anju_rules_due_lag_seconds",
    "By how much a home was looked at after it was due",
    buckets=(0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600),
)
BATCH_SECONDS: Final = Histogram(
    "anju_rules_batch_seconds",
    "Judging one batch of homes",
    ["step"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5),
)
LOOP_TURNED: Final = Gauge(
    "anju_rules_loop_turned_timestamp_seconds", "When a loop last finished a turn of its work", ["loop"]
)
CLOCK_DIFFERENCE_SECONDS: Final = Gauge(
    "anju_rules_clock_difference_seconds", "The database's clock minus this process's"
)
HEARING_LAG_SECONDS: Final = Gauge("anju_rules_hearing_lag_seconds", "How far the least heard broker is behind now")
INCIDENTS: Final = Gauge("anju_rules_area_incidents", "Areas and gateways whose homes fell out together", ["cause"])
UNPROTECTED: Final = Gauge(
    "anju_rules_unprotected_homes", "Homes in such an incident: nobody can watch them", ["cause"]
)
