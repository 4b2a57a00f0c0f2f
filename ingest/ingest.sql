-- name: create_stage
CREATE TEMPORARY TABLE IF NOT EXISTS reading_stage (
    device_id integer, quantity smallint, measured_at timestamptz, received_at timestamptz, value double precision
) ON COMMIT DELETE ROWS

-- name: copy_readings
COPY reading (device_id, quantity, measured_at, received_at, value) FROM STDIN (FORMAT BINARY)

-- name: copy_stage
COPY reading_stage (device_id, quantity, measured_at, received_at, value) FROM STDIN (FORMAT BINARY)

-- name: append_readings
INSERT INTO reading (device_id, quantity, measured_at, received_at, value)
SELECT device_id, quantity, measured_at, received_at, value FROM reading_stage
ON CONFLICT (device_id, quantity, measured_at) DO NOTHING

-- name: keep_conflicts
-- Only run when rows were left out. Equal values are repetitions; different ones are kept aside.
INSERT INTO reading_conflict (device_id, quantity, measured_at, received_at, value, stored_value)
SELECT DISTINCT ON (s.device_id, s.quantity, s.measured_at, s.value)
       s.device_id, s.quantity, s.measured_at, s.received_at, s.value, r.value
FROM reading_stage s JOIN reading r USING (device_id, quantity, measured_at)
WHERE s.value <> r.value
ORDER BY s.device_id, s.quantity, s.measured_at, s.value, s.received_at
ON CONFLICT DO NOTHING

-- name: find_devices
SELECT name, device_id FROM device WHERE name = ANY(%(names)s)

-- name: lock_devices
-- One after the other and in order: two workers that hear the same presses wait for each other, and never in a circle.
SELECT pg_advisory_xact_lock(hashtextextended(name, 0)) FROM unnest(%(names)s::text[]) AS name ORDER BY name

-- name: earlier_events
SELECT device_name, kind, source_id, payload_hash, own_time, received_at
FROM event
WHERE device_name = ANY(%(names)s) AND received_at >= %(since)s
ORDER BY received_at DESC
LIMIT 5000

-- name: append_event
WITH new AS (
    INSERT INTO event (device_name, device_id, kind, dedup_key, source_id, payload_hash, own_time, measured_at, received_at,
                       detail)
    VALUES (%(device_name)s, (SELECT device_id FROM device WHERE name = %(device_name)s), %(kind)s, %(dedup_key)s,
            %(source_id)s, %(payload_hash)s, %(own_time)s, %(measured_at)s, %(received_at)s, %(detail)s)
    ON CONFLICT (device_name, kind, dedup_key) DO NOTHING
    RETURNING event_id
)
INSERT INTO home_wake (event_id, created_at, judge_at) SELECT event_id, %(now)s, %(judge_at)s FROM new WHERE %(waking)s

-- name: commit_behind_the_first_copy
-- What is seen here may have been committed on this server alone: one that was killed while a commit waited for the standby
-- shows it after its restart. A transaction that writes nothing would be answered without waiting, and the broker with it.
SELECT pg_logical_emit_message(true, 'anju', '') WHERE current_setting('synchronous_standby_names') <> ''

-- name: notify_wake
SELECT pg_notify('anju_wake', '')

-- name: read_hearing
SELECT heard_since, heard_until FROM hearing WHERE lane = %(lane)s AND broker = %(broker)s AND worker = %(worker)s

-- name: write_hearing
INSERT INTO hearing (lane, broker, worker, heard_since, heard_until)
VALUES (%(lane)s, %(broker)s, %(worker)s, %(since)s, %(until)s)
ON CONFLICT (lane, broker, worker) DO UPDATE
    SET heard_since = excluded.heard_since, heard_until = GREATEST(hearing.heard_until, excluded.heard_until)

-- name: take_bulk_lease
INSERT INTO bulk_lease (broker, worker, lease_until) VALUES (%(broker)s, %(worker)s, %(until)s)
ON CONFLICT (broker) DO UPDATE SET worker = excluded.worker, lease_until = excluded.lease_until
WHERE bulk_lease.worker = excluded.worker OR bulk_lease.lease_until < %(now)s
RETURNING worker

-- name: drop_bulk_lease
DELETE FROM bulk_lease WHERE broker = %(broker)s AND worker = %(worker)s
