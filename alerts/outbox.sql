-- The outbox: messages are claimed by lease, and what became of each attempt is recorded.

-- name: claim_due
UPDATE notification n
SET lease_until = %(lease_until)s, leased_by = %(worker)s, attempts = n.attempts + 1
FROM (
    SELECT notification_id FROM notification
    WHERE state = 'pending' AND priority BETWEEN %(first_priority)s AND %(last_priority)s AND next_attempt_at <= %(now)s
      AND (lease_until IS NULL OR lease_until <= %(now)s) AND channel = %(channel)s AND recipient = %(recipient)s
    ORDER BY priority, next_attempt_at
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
) due
WHERE n.notification_id = due.notification_id
RETURNING n.notification_id, n.alert_id, n.priority, n.body, n.created_at, n.give_up_at, n.attempts AS attempt

-- name: renew
UPDATE notification SET lease_until = %(lease_until)s
WHERE notification_id = ANY (%(ids)s) AND leased_by = %(worker)s AND state = 'pending'

-- An acceptance holds whoever reports it, late or not; anything else counts only from whoever still has the lease.
-- name: record_attempts
WITH outcome AS (
    SELECT * FROM unnest(%(ids)s::uuid[], %(attempts)s::integer[], %(started)s::timestamptz[], %(durations)s::float8[],
                         %(results)s::text[], %(reasons)s::text[], %(provider_ids)s::text[], %(next_at)s::timestamptz[])
         AS o (notification_id, attempt, started_at, duration_s, result, reason, provider_id, next_at)
), kept AS (
    INSERT INTO notification_attempt (notification_id, attempt, started_at, duration_s, result, reason, provider_id)
    SELECT notification_id, attempt, started_at, duration_s, result, reason, provider_id FROM outcome
    ON CONFLICT DO NOTHING
), moved AS (
    UPDATE notification n
    SET state = CASE o.result WHEN 'accepted' THEN 'accepted' WHEN 'give_up' THEN 'given_up' ELSE 'pending' END,
        next_attempt_at = COALESCE(o.next_at, n.next_attempt_at), lease_until = NULL, leased_by = NULL
    FROM outcome o
    WHERE n.notification_id = o.notification_id
      AND ((o.result = 'accepted' AND n.state <> 'accepted')
           OR (n.state = 'pending' AND n.leased_by = %(worker)s AND n.attempts = o.attempt))
    RETURNING n.notification_id, n.alert_id, n.state, n.channel, o.reason
)
INSERT INTO alert_entry (alert_id, at, actor, source, action, detail)
SELECT alert_id, %(now)s, 'alerts', channel, 'message_given_up',
       jsonb_build_object('notification_id', notification_id, 'reason', reason)
FROM moved WHERE state = 'given_up'

-- name: listen
LISTEN anju_notification

-- name: leases_may_be_lost
SET synchronous_commit = off

-- name: plan_once
SET plan_cache_mode = force_generic_plan

-- name: count_pending
SELECT channel, recipient, priority = 0 AS urgent, count(*) AS messages, min(created_at) AS oldest_at
FROM notification WHERE state = 'pending'
GROUP BY channel, recipient, priority = 0
