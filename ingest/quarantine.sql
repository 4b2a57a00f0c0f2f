-- name: keep
INSERT INTO quarantine (device_name, topic, payload, payload_bytes, reason, detail, urgent, retained, received_at)
VALUES (%(device_name)s, %(topic)s, %(payload)s, %(payload_bytes)s, %(reason)s, %(detail)s, %(urgent)s, %(retained)s,
        %(received_at)s)

-- name: count
INSERT INTO quarantine_count (device_name, reason, messages, first_at, last_at)
VALUES (%(device_name)s, %(reason)s, %(messages)s, %(first_at)s, %(last_at)s)
ON CONFLICT (device_name, reason) DO UPDATE
    SET messages = quarantine_count.messages + excluded.messages,
        last_at = GREATEST(quarantine_count.last_at, excluded.last_at)

-- name: kept_lately
SELECT device_name, reason, topic, payload, received_at FROM quarantine
WHERE (device_name, reason) IN (SELECT * FROM unnest(%(names)s::text[], %(reasons)s::text[]))
  AND received_at >= %(since)s

-- name: kept_ids
-- What is kept of some groups, oldest first; urgent messages are never thinned out and so are not asked for.
SELECT device_name, reason, quarantine_id FROM quarantine
WHERE (device_name, reason) IN (SELECT * FROM unnest(%(names)s::text[], %(reasons)s::text[])) AND NOT urgent
ORDER BY quarantine_id

-- name: delete
DELETE FROM quarantine WHERE quarantine_id = ANY(%(ids)s)

-- name: sizes
SELECT quarantine_id, octet_length(payload) + 200 FROM quarantine WHERE NOT urgent ORDER BY quarantine_id DESC

-- name: drop_old_counts
DELETE FROM quarantine_count WHERE (device_name, reason) IN (
    SELECT device_name, reason FROM quarantine_count ORDER BY last_at DESC OFFSET %(keep)s)

-- name: groups
SELECT c.device_name, c.reason, c.messages, c.first_at, c.last_at,
       (SELECT max(q.quarantine_id) FROM quarantine q WHERE q.device_name = c.device_name AND q.reason = c.reason),
       (SELECT count(*) FROM quarantine q WHERE q.device_name = c.device_name AND q.reason = c.reason)
FROM quarantine_count c
ORDER BY c.last_at DESC
LIMIT %(limit)s

-- name: show
SELECT quarantine_id, device_name, topic, payload, payload_bytes, reason, detail, urgent, retained, received_at, replayed_at
FROM quarantine WHERE quarantine_id = %(id)s

-- name: choose
SELECT quarantine_id FROM quarantine
WHERE replayed_at IS NULL
  AND (%(reason)s::text IS NULL OR reason = %(reason)s)
  AND (%(device_name)s::text IS NULL OR device_name = %(device_name)s)
ORDER BY quarantine_id
LIMIT %(limit)s

-- name: claim_for_replay
SELECT quarantine_id, device_name, topic, payload, payload_bytes, retained, received_at
FROM quarantine WHERE quarantine_id = %(id)s AND replayed_at IS NULL FOR UPDATE

-- name: mark_replayed
UPDATE quarantine SET replayed_at = %(now)s WHERE quarantine_id = %(id)s
