-- What doctor asks about telling. Of people it learns counts only.

-- Due, and of these what was never tried since; then those that no channel of the settings takes.
-- name: waiting
SELECT count(*) FILTER (WHERE served AND next_attempt_at > %(now)s),
       count(*) FILTER (WHERE served AND next_attempt_at <= %(now)s),
       count(*) FILTER (WHERE served AND attempts = 0 AND next_attempt_at <= %(overdue)s),
       count(*) FILTER (WHERE NOT served)
FROM (
    SELECT next_attempt_at, attempts,
           channel = ANY (%(channels)s::text[]) AND (channel <> 'webhook' OR recipient = ANY (%(receivers)s::text[])) AS served
    FROM notification
    WHERE state = 'pending' AND bundled_into IS NULL
) waiting

-- name: overdue
SELECT min(due_at) FROM escalation WHERE due_at <= %(overdue)s

-- The reason of a message is that of its last attempt; without any, nobody could be asked in time.
-- name: given_up
SELECT n.channel, COALESCE(last.reason, ''), count(*)
FROM notification n
LEFT JOIN LATERAL (
    SELECT reason FROM notification_attempt t WHERE t.notification_id = n.notification_id ORDER BY attempt DESC LIMIT 1
) last ON true
WHERE n.state = 'given_up' AND n.created_at > %(since)s
GROUP BY 1, 2
ORDER BY 3 DESC, 1, 2

-- name: unserved
SELECT a.channel, count(*)
FROM person_address a JOIN person p USING (person_id)
WHERE p.active
  AND (a.channel <> ALL (%(channels)s::text[])
       OR a.channel = 'chat' AND a.address <> ALL (%(chats)s::text[])
       OR a.channel = 'webhook' AND a.address <> ALL (%(receivers)s::text[]))
GROUP BY a.channel
ORDER BY a.channel

-- name: areas
SELECT a.area_id, a.parent_id, a.path, EXISTS (SELECT FROM home h WHERE h.area_id = a.area_id AND NOT h.probe)
FROM area a
ORDER BY a.path

-- name: proof
SELECT max(pressed_at), max(dispatched_at) FROM probe_run
