-- Alerts that are due to be told or followed up, what there is to know of them, and what became of it.

-- The alert is locked with its row, and nothing is waited for: whoever changes it meanwhile makes it due anew.
-- name: claim
SELECT a.*, h.name AS home, r.path AS area, COALESCE(h.area_id, a.area_id) AS near_area_id,
       COALESCE(h.time_zone,
                (SELECT x.time_zone FROM home x JOIN area y USING (area_id)
                 WHERE r.path IS NULL OR y.path = r.path OR starts_with(y.path, r.path || '/') LIMIT 1),
                'UTC') AS time_zone,
       e.phase, e.due_at, e.run, e.started_at, e.round, e.step, e.reminders,
       (SELECT max(roster_id) FROM roster) AS newest_roster,
       (SELECT max(escalation_policy_id) FROM escalation_policy) AS newest_policy
FROM escalation e
JOIN alert a USING (alert_id)
LEFT JOIN home h ON h.home_id = a.home_id
LEFT JOIN area r ON r.area_id = COALESCE(h.area_id, a.area_id)
WHERE e.due_at <= %(now)s AND (%(only)s::bigint IS NULL OR e.alert_id = %(only)s)
ORDER BY a.severity <> 'urgent', e.due_at
LIMIT %(limit)s
FOR NO KEY UPDATE OF e, a SKIP LOCKED

-- name: next_due
SELECT min(due_at) FROM escalation

-- What was tried in vain nobody has seen.
-- name: told
SELECT DISTINCT ON (alert_id, person_id) alert_id, person_id, run, next_attempt_at
FROM notification
WHERE alert_id = ANY (%(alerts)s) AND person_id IS NOT NULL AND run > 0
  AND (state = 'accepted' OR (state = 'pending' AND (attempts = 0 OR lease_until > %(now)s)))
ORDER BY alert_id, person_id, run DESC, next_attempt_at DESC

-- What a dispatcher holds is on its way and stays as it is, and so does what goes along with another message.
-- name: waiting
SELECT alert_id, notification_id, channel, recipient, body ->> 'type' AS type, attempts, next_attempt_at
FROM notification
WHERE alert_id = ANY (%(alerts)s) AND person_id IS NOT NULL AND state = 'pending'
  AND bundled_into IS NULL AND (lease_until IS NULL OR lease_until <= %(now)s)
FOR UPDATE SKIP LOCKED

-- name: whys
SELECT DISTINCT ON (alert_id) alert_id, body ->> 'type' AS type
FROM notification
WHERE alert_id = ANY (%(alerts)s) AND person_id IS NULL AND run = 0 AND body ->> 'type' = ANY (%(types)s)
ORDER BY alert_id, created_at DESC

-- Who has had the news that begins this run need not have its first message too.
-- name: heard
SELECT n.alert_id, n.channel, n.recipient
FROM notification n JOIN escalation e USING (alert_id)
WHERE n.alert_id = ANY (%(alerts)s) AND n.person_id IS NOT NULL AND n.run = 0 AND n.state <> 'withdrawn'
  AND n.created_at >= e.started_at AND n.body ->> 'type' = %(lapsed)s

-- Whose last word, since it was last reopened, is that they cannot. Who was handed the alert since then is asked anew.
-- name: declined
SELECT alert_id, key
FROM (
    SELECT DISTINCT ON (e.alert_id, said.key) e.alert_id, said.key, e.action
    FROM alert_entry e
    CROSS JOIN LATERAL (SELECT CASE e.action WHEN 'assigned' THEN e.detail ->> 'to' ELSE e.actor END AS key) said
    WHERE e.alert_id = ANY (%(alerts)s) AND e.action = ANY (%(words)s::text[])
      AND NOT EXISTS (
          SELECT FROM alert_entry later
          WHERE later.alert_id = e.alert_id AND later.entry_id > e.entry_id AND later.action = 'reopened'
      )
    ORDER BY e.alert_id, said.key, e.entry_id DESC
) last
WHERE action IN ('declined', 'given_back')

-- name: nobodies
SELECT DISTINCT alert_id, (detail ->> 'run')::integer AS run
FROM alert_entry WHERE alert_id = ANY (%(alerts)s) AND action = 'nobody_to_tell'

-- name: chains
WITH RECURSIVE chain AS (
    SELECT area_id AS asked, area_id, parent_id, path, 0 AS height FROM area WHERE area_id = ANY (%(areas)s::integer[])
    UNION ALL
    SELECT chain.asked, a.area_id, a.parent_id, a.path, chain.height + 1
    FROM chain JOIN area a ON a.area_id = chain.parent_id
)
SELECT asked, area_id, path FROM chain ORDER BY asked, height

-- name: policies
SELECT DISTINCT ON (p.area_id) p.area_id, p.definition
FROM escalation_policy p
WHERE p.area_id IS NULL OR p.area_id = ANY (%(areas)s::integer[])
ORDER BY p.area_id, p.escalation_policy_id DESC

-- Digests, which wait for hours, do not make a storm.
-- name: loads
SELECT person_id,
       max(next_attempt_at) FILTER (WHERE next_attempt_at <= %(now)s) AS last_at,
       max(next_attempt_at) FILTER (WHERE state = 'pending' AND next_attempt_at > %(now)s) AS held_until,
       count(*) FILTER (WHERE state = 'pending') AS waiting
FROM notification
WHERE person_id = ANY (%(people)s::integer[]) AND priority BETWEEN 1 AND 3 AND run > 0 AND state IN ('pending', 'accepted')
  AND created_at > %(since)s AND next_attempt_at <= %(until)s
GROUP BY person_id

-- name: write
WITH withdrawn AS (
    UPDATE notification SET state = 'withdrawn'
    WHERE notification_id = ANY (%(withdrawn)s::uuid[]) AND state = 'pending'
), message AS (
    SELECT * FROM unnest(%(alerts)s::bigint[], %(channels)s::text[], %(recipients)s::text[], %(people)s::integer[],
                         %(priorities)s::smallint[], %(bodies)s::jsonb[], %(not_before)s::timestamptz[],
                         %(give_up_at)s::timestamptz[], %(runs)s::integer[], %(rounds)s::smallint[], %(steps)s::smallint[],
                         %(replaced)s::uuid[])
         AS m (alert_id, channel, recipient, person_id, priority, body, not_before, give_up_at, run, round, step, replaces)
), refreshed AS (
    UPDATE notification n
    SET body = m.body, priority = LEAST(n.priority, m.priority), next_attempt_at = m.not_before, give_up_at = m.give_up_at,
        run = m.run, round = m.round, step = m.step
    FROM message m WHERE n.notification_id = m.replaces
), told AS (
    INSERT INTO notification (notification_id, alert_id, channel, recipient, person_id, priority, body, state, created_at,
                              next_attempt_at, give_up_at, run, round, step)
    SELECT gen_random_uuid(), alert_id, channel, recipient, person_id, priority, body, 'pending', %(now)s, not_before,
           give_up_at, run, round, step
    FROM message WHERE replaces IS NULL
), entered AS (
    INSERT INTO alert_entry (alert_id, at, actor, source, action, detail)
    SELECT alert_id, %(now)s, 'alerts', 'escalation', action, detail
    FROM unnest(%(entry_alerts)s::bigint[], %(actions)s::text[], %(details)s::jsonb[]) AS e (alert_id, action, detail)
), moved AS (
    UPDATE escalation e
    SET phase = r.phase, due_at = r.due_at, round = r.round, step = r.step, reminders = r.reminders
    FROM unnest(%(row_alerts)s::bigint[], %(phases)s::text[], %(due)s::timestamptz[], %(row_rounds)s::smallint[],
                %(row_steps)s::smallint[], %(reminders)s::smallint[])
         AS r (alert_id, phase, due_at, round, step, reminders)
    WHERE e.alert_id = r.alert_id
)
SELECT CASE WHEN cardinality(%(alerts)s::bigint[]) > 0 THEN pg_notify('anju_notification', '') END

-- The duty desk gets what it was told last once more, at most once an hour; and nobody else is held up.
-- name: push_out
WITH pushed AS (
    UPDATE escalation SET due_at = %(until)s WHERE alert_id = %(alert)s RETURNING alert_id
), fresh AS (
    SELECT alert_id FROM pushed
    WHERE NOT EXISTS (SELECT FROM alert_entry WHERE alert_id = %(alert)s AND action = 'escalation_failed' AND at > %(since)s)
), entered AS (
    INSERT INTO alert_entry (alert_id, at, actor, source, action, detail)
    SELECT alert_id, %(now)s, 'alerts', 'escalation', 'escalation_failed', %(detail)s FROM fresh
), told AS (
    INSERT INTO notification (notification_id, alert_id, channel, recipient, priority, body, state, created_at,
                              next_attempt_at, give_up_at)
    SELECT gen_random_uuid(), last.alert_id, last.channel, last.recipient, last.priority,
           jsonb_set(last.body, '{type}', to_jsonb(%(type)s::text)), 'pending', %(now)s, %(now)s, %(give_up_at)s
    FROM fresh
    CROSS JOIN LATERAL (
        SELECT * FROM notification n
        WHERE n.alert_id = fresh.alert_id AND n.channel = 'webhook' AND n.person_id IS NULL
        ORDER BY n.created_at DESC LIMIT 1
    ) last
    WHERE %(tell)s
)
SELECT pg_notify('anju_notification', '') FROM fresh

-- name: listen
LISTEN anju_escalation

-- name: be_patient
SET idle_in_transaction_session_timeout = '5s'

-- name: newest
SELECT (SELECT max(roster_id) FROM roster), (SELECT max(escalation_policy_id) FROM escalation_policy)

-- name: around
SELECT h.area_id, h.time_zone, h.name, r.path
FROM home h JOIN area r USING (area_id) WHERE h.home_id = %(home)s

-- name: zone_of_area
SELECT h.time_zone
FROM home h JOIN area x ON x.area_id = h.area_id
WHERE %(area)s::integer IS NULL OR EXISTS (
    SELECT FROM area a WHERE a.area_id = %(area)s AND (x.path = a.path OR starts_with(x.path, a.path || '/'))
)
LIMIT 1
