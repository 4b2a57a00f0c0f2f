"""What the keep role measures; labels come from closed sets only."""

from typing import Final

from prometheus_client import Counter, Gauge

LOOP_TURNED: Final = Gauge(
    "anju_keep_loop_turned_timestamp_seconds", "When a loop last finished a turn of its work", ["loop"]
)
ACTIVE: Final = Gauge("anju_keep_active", "1 in the process that works, 0 in those that stand by")
# Not `job`: Prometheus gives that label to whatever it scrapes.
LAST_SUCCESS: Final = Gauge(
    "anju_keep_task_last_success_timestamp_seconds",
    "When a task was last done; since when it is known, where it never was",
    ["task"],
)
FAILURES: Final = Gauge("anju_keep_task_failures", "How often a task has failed so far", ["task"])
DATABASE_BYTES: Final = Gauge("anju_keep_database_bytes", "Size of the database")
SERIES_BYTES: Final = Gauge("anju_keep_series_bytes", "Size of the readings with their indexes")
HOURS_BYTES: Final = Gauge("anju_keep_hours_bytes", "Size of what is kept of use per hour")
READINGS: Final = Gauge("anju_keep_readings", "Readings, as estimated by the planner's statistics")
READING_BYTES: Final = Gauge("anju_keep_reading_bytes", "Size of the series over its readings")
PARTS: Final = Gauge("anju_keep_parts", "Chunks or partitions of the series", ["state"])
OLDEST_PART: Final = Gauge("anju_keep_oldest_part_timestamp_seconds", "Where the oldest chunk or partition begins")
NEWEST_PART: Final = Gauge("anju_keep_newest_part_timestamp_seconds", "Where the newest chunk or partition ends")
ROOM_UNTIL: Final = Gauge(
    "anju_keep_room_until_timestamp_seconds", "Until when readings have a partition to go to; not on TimescaleDB"
)
DELETED: Final = Counter("anju_keep_readings_deleted_total", "Readings deleted one by one, past their retention")
DROPPED: Final = Counter("anju_keep_parts_dropped_total", "Chunks or partitions dropped whole, past their retention")
