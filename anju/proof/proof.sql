-- Proof of life: the probe's home, its presses, and what the stages owe.

-- name: has_moved_in
SELECT EXISTS (
    SELECT FROM installation i
    JOIN device d USING (device_id)
    JOIN home h USING (home_id)
    JOIN area a USING (area_id)
    WHERE i.removed_at IS NULL AND d.name = %(device)s AND h.name = %(home)s AND h.probe AND a.path = %(area)s
)

-- name: mark_probe_home
UPDATE home SET probe = true
WHERE NOT probe AND name = %(home)s AND area_id = (SELECT area_id FROM area WHERE path = %(area)s)

-- name: remember_press
INSERT INTO probe_run (source_id, through, pressed_at) VALUES (%(source_id)s, %(through)s, %(pressed_at)s)

-- The first message about this very press that was handed over; none may be left out on the way.
-- name: come_through
SELECT min(t.started_at) AS dispatched_at, min(n.alert_id) AS alert_id
FROM event e
JOIN alert_entry r ON r.event_id = e.event_id
JOIN notification n ON n.alert_id = r.alert_id AND n.created_at = r.at AND n.channel = 'probe'
JOIN notification_attempt t ON t.notification_id = n.notification_id AND t.result = 'accepted'
WHERE e.device_name = %(device)s AND e.source_id = %(source_id)s

-- name: note_through
UPDATE probe_run SET dispatched_at = %(dispatched_at)s WHERE source_id = %(source_id)s AND dispatched_at IS NULL

-- name: last_through
SELECT max(dispatched_at) FROM probe_run WHERE pressed_at > %(since)s

-- name: last_through_channel
SELECT max(pressed_at) FROM probe_run WHERE through = 'channel' AND dispatched_at IS NOT NULL

-- A copy of the probe's own message, for a receiver that records it; marked, so that nobody takes it for a call.
-- name: send_to_recorder
WITH told AS (
    INSERT INTO notification (notification_id, alert_id, channel, recipient, priority, body, state, created_at, next_attempt_at,
                              give_up_at)
    SELECT gen_random_uuid(), n.alert_id, 'webhook', %(recipient)s, 1, jsonb_set(n.body, '{type}', '"anju.probe"'), 'pending',
           %(now)s, %(now)s, %(give_up_at)s
    FROM notification n
    WHERE n.alert_id = %(alert_id)s AND n.channel = 'probe'
    ORDER BY n.created_at DESC
    LIMIT 1
    RETURNING notification_id
)
SELECT notification_id, pg_notify('anju_notification', '') FROM told

-- name: recorded
SELECT min(started_at) FROM notification_attempt WHERE notification_id = %(notification_id)s AND result = 'accepted'

-- name: owed
SELECT (SELECT min(COALESCE(judge_at, created_at)) FROM home_wake WHERE COALESCE(judge_at, created_at) <= %(now)s),
       (SELECT min(due_at) FROM home_watch WHERE due_at <= %(now)s),
       (SELECT min(due_at) FROM escalation WHERE due_at <= %(now)s),
       (SELECT min(next_attempt_at) FROM notification
        WHERE state = 'pending' AND attempts = 0 AND next_attempt_at <= %(now)s AND bundled_into IS NULL
          AND channel = ANY (%(channels)s::text[]) AND (channel <> 'webhook' OR recipient = ANY (%(receivers)s::text[])))

-- name: forget_runs
DELETE FROM probe_run WHERE pressed_at < %(before)s

-- name: forget_messages
SELECT forget_probe_messages(%(before)s)
