-- What providers report of messages they had accepted.

-- Whoever records the attempt and whoever records its receipt take turns, in whatever order they come.
-- name: lock_pairs
SELECT pg_advisory_xact_lock(hashtextextended(t.pair, 0))
FROM (SELECT DISTINCT pair FROM unnest(%(pairs)s::text[]) AS u (pair) ORDER BY pair) t

-- No row comes back when the same was reported before.
-- name: keep_receipt
INSERT INTO delivery_receipt (provider, provider_id, delivery, detail, received_at)
VALUES (%(provider)s, %(provider_id)s, %(delivery)s, %(detail)s, %(now)s)
ON CONFLICT DO NOTHING
RETURNING true

-- name: find_message
SELECT n.notification_id, n.alert_id, n.channel, n.priority, n.state, n.delivery, n.give_up_at,
       t.attempt = (SELECT max(attempt) FROM notification_attempt l WHERE l.notification_id = n.notification_id) AS newest,
       a.state = 'open' AS alert_open
FROM notification_attempt t
JOIN notification n USING (notification_id)
JOIN alert a USING (alert_id)
WHERE t.provider = %(provider)s AND t.provider_id = %(provider_id)s AND t.result = 'accepted'
ORDER BY t.attempt DESC
LIMIT 1
FOR UPDATE OF n

-- name: receipts_before
SELECT r.provider, r.provider_id, r.delivery
FROM delivery_receipt r
JOIN unnest(%(providers)s::text[], %(provider_ids)s::text[]) AS known (provider, provider_id) USING (provider, provider_id)
ORDER BY r.received_at

-- A message that waited to be sent once more is not: it has come after all.
-- name: set_delivery
UPDATE notification
SET delivery = %(delivery)s, delivery_at = %(now)s,
    state = CASE WHEN state = 'pending' AND lease_until IS NULL AND %(arrived)s THEN 'accepted' ELSE state END
WHERE notification_id = %(notification_id)s OR bundled_into = %(notification_id)s

-- What was bundled into it is told again likewise, where its alert is still open.
-- name: send_again
WITH again AS (
    UPDATE notification n
    SET state = 'pending', next_attempt_at = %(now)s, lease_until = NULL, leased_by = NULL, delivery = NULL, delivery_at = NULL
    FROM alert a
    WHERE a.alert_id = n.alert_id AND a.state = 'open' AND n.state = 'accepted' AND n.priority < %(news)s
      AND n.give_up_at > %(now)s
      AND (n.notification_id = %(notification_id)s OR n.bundled_into = %(notification_id)s)
    RETURNING n.notification_id
)
SELECT count(pg_notify('anju_notification', '')) FROM again

-- name: enter_undelivered
INSERT INTO alert_entry (alert_id, at, actor, source, action, detail)
VALUES (%(alert_id)s, %(now)s, 'alerts', %(channel)s, 'message_undelivered',
        jsonb_build_object('notification_id', %(notification_id)s::uuid, 'provider', %(provider)s::text))

-- name: hurry
WITH hurried AS (
    UPDATE escalation e SET due_at = %(now)s
    FROM (
        SELECT w.alert_id FROM escalation w
        JOIN notification n ON n.notification_id = %(notification_id)s AND (w.alert_id, w.run, w.round) = (n.alert_id, n.run, n.round)
        WHERE w.phase = 'telling' AND w.step > 0 AND w.due_at > %(now)s
        FOR UPDATE OF w SKIP LOCKED
    ) waiting
    WHERE e.alert_id = waiting.alert_id
    RETURNING e.alert_id
)
SELECT count(pg_notify('anju_escalation', '')) FROM hurried
