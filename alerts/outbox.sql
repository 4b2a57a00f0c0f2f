-- The outbox: messages are claimed by lease, and what became of each attempt is recorded. Those that were withdrawn are no
-- longer pending, so nobody claims them.

-- Of several lanes at once: each takes its most urgent.
-- name: claim_due
WITH claimed AS (
    UPDATE notification n
    SET lease_until = %(lease_until)s, leased_by = %(worker)s, attempts = n.attempts + 1
    FROM unnest(%(channels)s::text[], %(first_priorities)s::smallint[], %(last_priorities)s::smallint[], %(limits)s::integer[])
         AS lane (channel, first_priority, last_priority, most)
    CROSS JOIN LATERAL (
        SELECT w.notification_id FROM notification w
        WHERE w.state = 'pending' AND w.channel = lane.channel AND w.priority BETWEEN lane.first_priority AND lane.last_priority
          AND w.next_attempt_at <= %(now)s AND (w.lease_until IS NULL OR w.lease_until <= %(now)s)
        ORDER BY w.priority, w.next_attempt_at
        LIMIT lane.most
        FOR UPDATE SKIP LOCKED
    ) due
    WHERE n.notification_id = due.notification_id
    RETURNING n.channel, n.notification_id, n.alert_id, n.priority, n.body, n.created_at, n.give_up_at,
              n.attempts AS attempt, n.recipient, n.person_id
)
SELECT c.*, COALESCE(p.language, %(language)s) AS language, 0 AS bundled
FROM claimed c LEFT JOIN person p USING (person_id)

-- Which channels have something to bundle.
-- name: read_ripe
SELECT lane.channel
FROM unnest(%(channels)s::text[]) AS lane (channel)
WHERE EXISTS (
    SELECT FROM notification n
    WHERE n.state = 'pending' AND n.channel = lane.channel AND n.priority BETWEEN %(first_priority)s AND %(last_priority)s
      AND n.next_attempt_at <= %(now)s AND (n.lease_until IS NULL OR n.lease_until <= %(now)s)
      AND (n.bundled_into IS NULL OR NOT EXISTS (
          SELECT FROM notification h WHERE h.notification_id = n.bundled_into AND h.state = 'pending'
      ))
)

-- All that is due to one recipient in one message: the first of them is claimed, the others point to it
-- and share what becomes of it. While it is under way or waits for another attempt nobody else takes those; when it was
-- withdrawn or its time is over they are free again. News that newer news of the same case has overtaken are withdrawn.
-- name: claim_bundled
WITH due AS (
    SELECT notification_id, alert_id, recipient, priority, next_attempt_at, created_at
    FROM notification n
    WHERE state = 'pending' AND priority BETWEEN %(first_priority)s AND %(last_priority)s AND next_attempt_at <= %(now)s
      AND (lease_until IS NULL OR lease_until <= %(now)s) AND channel = %(channel)s
      AND (bundled_into IS NULL OR NOT EXISTS (
          SELECT FROM notification h WHERE h.notification_id = n.bundled_into AND h.state = 'pending'
      ))
    ORDER BY priority, next_attempt_at
    LIMIT %(most_at_once)s
    FOR UPDATE SKIP LOCKED
), placed AS (
    SELECT d.*, priority = %(news)s AND lead(notification_id) OVER (
               PARTITION BY recipient, alert_id, priority ORDER BY created_at, notification_id
           ) IS NOT NULL AS overtaken
    FROM due d
), ranked AS (
    SELECT notification_id, alert_id, recipient, priority, next_attempt_at,
           first_value(notification_id) OVER of_recipient AS head, row_number() OVER of_recipient AS place
    FROM placed WHERE NOT overtaken
    WINDOW of_recipient AS (PARTITION BY recipient ORDER BY priority, created_at, notification_id)
), chosen AS (
    SELECT notification_id AS head FROM ranked WHERE place = 1 ORDER BY priority, next_attempt_at LIMIT %(limit)s
), withdrawn AS (
    UPDATE notification n SET state = 'withdrawn', lease_until = NULL, leased_by = NULL
    FROM placed p WHERE p.overtaken AND n.notification_id = p.notification_id
), merging AS (
    SELECT r.notification_id, r.head FROM ranked r JOIN chosen USING (head) WHERE r.place > 1
    UNION ALL
    SELECT f.notification_id, r.head
    FROM ranked r JOIN chosen USING (head) JOIN notification f ON f.bundled_into = r.notification_id AND f.state = 'pending'
    WHERE r.place > 1
), merged AS (
    UPDATE notification n SET bundled_into = m.head, lease_until = NULL, leased_by = NULL
    FROM merging m WHERE n.notification_id = m.notification_id
    RETURNING n.alert_id, n.bundled_into
), claimed AS (
    UPDATE notification n
    SET lease_until = %(lease_until)s, leased_by = %(worker)s, attempts = n.attempts + 1, bundled_into = NULL
    FROM chosen c
    WHERE n.notification_id = c.head
    RETURNING n.channel, n.notification_id, n.alert_id, n.priority, n.body, n.created_at, n.give_up_at,
              n.attempts AS attempt, n.recipient, n.person_id
), followers AS (
    SELECT bundled_into, alert_id FROM merged
    UNION ALL
    SELECT f.bundled_into, f.alert_id
    FROM claimed c JOIN notification f ON f.bundled_into = c.notification_id AND f.state = 'pending'
)
SELECT c.*, COALESCE(p.language, %(language)s) AS language,
       (SELECT count(DISTINCT f.alert_id) FROM followers f
        WHERE f.bundled_into = c.notification_id AND f.alert_id <> c.alert_id) AS bundled
FROM claimed c LEFT JOIN person p USING (person_id)

-- What earlier attempts came to. Of one that was accepted, what its receipt says.
-- name: read_tried
SELECT t.notification_id, t.provider,
       CASE WHEN t.result <> 'accepted' THEN t.reason ELSE 'undelivered' END AS reason
FROM notification_attempt t
WHERE t.notification_id = ANY (%(ids)s) AND t.provider IS NOT NULL
  AND (t.result <> 'accepted' OR EXISTS (
      SELECT FROM delivery_receipt r
      WHERE r.provider = t.provider AND r.provider_id = t.provider_id AND r.delivery = 'undelivered'
  ))
ORDER BY t.notification_id, t.attempt

-- A message is tried for a day at most. OFFSET 0: attempts are looked up by message and in no other order, or a plan made
-- for few rows compares all with all.
-- name: read_submitted
SELECT n.recipient, t.notification_id, t.provider, t.started_at
FROM notification n CROSS JOIN LATERAL (
    SELECT * FROM notification_attempt a WHERE a.notification_id = n.notification_id OFFSET 0
) t
WHERE n.channel = %(channel)s AND n.recipient = ANY (%(recipients)s) AND n.created_at > %(since)s::timestamptz - interval '24 hours'
  AND t.started_at > %(since)s AND t.provider IS NOT NULL AND t.reason <> ALL (%(not_counted)s)

-- name: renew
UPDATE notification SET lease_until = %(lease_until)s
WHERE notification_id = ANY (%(ids)s) AND leased_by = %(worker)s AND state = 'pending'

-- An acceptance holds whoever reports it, late or not; anything else counts only from whoever still has the lease. Those
-- that were bundled into a message share its end, unless only its own time is over. Where a step of an escalation has come
-- to nothing the next step of its round is due at once; an escalation that is being carried out just now needs no hurry.
-- name: record_attempts
WITH outcome AS (
    SELECT * FROM unnest(%(ids)s::uuid[], %(attempts)s::integer[], %(started)s::timestamptz[], %(durations)s::float8[],
                         %(results)s::text[], %(reasons)s::text[], %(providers)s::text[], %(provider_ids)s::text[],
                         %(next_at)s::timestamptz[], %(finals)s::boolean[])
         AS o (notification_id, attempt, started_at, duration_s, result, reason, provider, provider_id, next_at, final)
), kept AS (
    INSERT INTO notification_attempt (notification_id, attempt, started_at, duration_s, result, reason, provider, provider_id)
    SELECT notification_id, attempt, started_at, duration_s, result, reason, provider, provider_id FROM outcome
    ON CONFLICT DO NOTHING
), moved AS (
    UPDATE notification n
    SET state = CASE o.result WHEN 'accepted' THEN 'accepted' WHEN 'give_up' THEN 'given_up' ELSE 'pending' END,
        next_attempt_at = COALESCE(o.next_at, n.next_attempt_at), lease_until = NULL, leased_by = NULL,
        provider = COALESCE(o.provider, n.provider)
    FROM outcome o
    WHERE n.notification_id = o.notification_id
      AND ((o.result = 'accepted' AND n.state <> 'accepted')
           OR (n.state = 'pending' AND n.leased_by = %(worker)s AND n.attempts = o.attempt))
    RETURNING n.notification_id, n.alert_id, n.state, n.channel, n.run, n.round, n.provider, o.reason,
              o.result = 'accepted' OR o.final AS shared
), followed AS (
    UPDATE notification n
    SET state = m.state, provider = m.provider
    FROM moved m
    WHERE n.bundled_into = m.notification_id AND n.state = 'pending' AND m.state <> 'pending' AND m.shared
    RETURNING n.notification_id, n.alert_id, n.state, n.channel, n.run, n.round, m.reason
), given_up AS (
    SELECT notification_id, alert_id, channel, run, round, reason FROM moved WHERE state = 'given_up'
    UNION ALL
    SELECT notification_id, alert_id, channel, run, round, reason FROM followed WHERE state = 'given_up'
), entered AS (
    INSERT INTO alert_entry (alert_id, at, actor, source, action, detail)
    SELECT alert_id, %(now)s, 'alerts', channel, 'message_given_up',
           jsonb_build_object('notification_id', notification_id, 'reason', reason)
    FROM given_up
), hurried AS (
    UPDATE escalation e SET due_at = %(now)s
    FROM (
        SELECT w.alert_id FROM escalation w
        WHERE w.phase = 'telling' AND w.step > 0 AND w.due_at > %(now)s
          AND (w.alert_id, w.run, w.round) IN (SELECT alert_id, run, round FROM given_up)
        FOR UPDATE SKIP LOCKED
    ) waiting
    WHERE e.alert_id = waiting.alert_id
    RETURNING e.alert_id
)
SELECT count(pg_notify('anju_escalation', '')) FROM hurried

-- name: listen
LISTEN anju_notification

-- name: leases_may_be_lost
SET synchronous_commit = off

-- name: plan_once
SET plan_cache_mode = force_generic_plan

-- name: plan_for_large_tables
SET enable_seqscan = off

-- name: count_pending
SELECT channel, priority = 0 AS urgent, count(*) AS messages, min(created_at) AS oldest_at
FROM notification WHERE state = 'pending'
GROUP BY channel, priority = 0

-- Nobody could send these: no worker has had their channel, long after their time.
-- name: give_up_unserved
WITH over AS (
    SELECT notification_id FROM notification
    WHERE state = 'pending' AND channel <> ALL (%(channels)s::text[]) AND give_up_at < %(before)s
    LIMIT 1000
    FOR UPDATE SKIP LOCKED
), moved AS (
    UPDATE notification n SET state = 'given_up' FROM over WHERE n.notification_id = over.notification_id
    RETURNING n.notification_id, n.alert_id, n.channel
)
INSERT INTO alert_entry (alert_id, at, actor, source, action, detail)
SELECT alert_id, %(now)s, 'alerts', channel, 'message_given_up',
       jsonb_build_object('notification_id', notification_id, 'reason', 'no_channel')
FROM moved
