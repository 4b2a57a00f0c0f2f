-- name: drop_parts
SELECT drop_readings(%s);

-- name: deleted_to
SELECT quantity, deleted_to FROM keep_retention;

-- name: next_devices
SELECT device_id FROM device WHERE device_id > %(after)s ORDER BY device_id LIMIT %(devices)s;

-- name: unpack_all
SELECT set_config('timescaledb.max_tuples_decompressed_per_dml_transaction', '0', true);

-- name: delete
DELETE FROM reading
WHERE device_id = ANY(%(devices)s::integer[]) AND quantity = %(quantity)s AND measured_at < %(before)s;

-- name: note_deleted
INSERT INTO keep_retention (quantity, deleted_to) VALUES (%(quantity)s, %(before)s)
ON CONFLICT (quantity) DO UPDATE SET deleted_to = excluded.deleted_to;

-- name: delete_conflicts
DELETE FROM reading_conflict WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM reading_conflict WHERE measured_at < %(before)s LIMIT %(rows)s));

-- name: blank_replies
UPDATE reply SET said = '' WHERE reply_id IN (
    SELECT reply_id FROM reply WHERE received_at < %(before)s AND said <> '' ORDER BY reply_id LIMIT %(rows)s);
