-- Reading and writing cases: an alert, its entry and its messages are one statement, so a case is one round trip in a pipeline.

-- For each finding: the case that is not closed (o), the one a person closed last (c), and what is known of the finding.
-- name: read_cases
SELECT h.name AS home, r.area_id, r.path AS area,
       asked.event_id IS NOT NULL AND EXISTS (
           SELECT FROM alert_entry e JOIN alert a USING (alert_id)
           WHERE e.event_id = asked.event_id AND a.subject = asked.subject AND a.kind = asked.kind
       ) AS event_entered,
       EXISTS (
           SELECT FROM alert a
           WHERE a.subject = asked.subject AND a.kind = asked.kind AND a.since = asked.since
       ) AS since_known,
       k.alert_id, k.version, k.kind, k.severity, k.state, k.since, k.raised_at, k.reason_id, k.reason_values, k.evidence,
       k.times_raised, k.acknowledged_at, k.closed_at, k.outcome, k.sign_of_life_at
FROM unnest(%(subjects)s::text[], %(kinds)s::text[], %(sinces)s::timestamptz[], %(event_ids)s::bigint[],
            %(home_ids)s::integer[], %(area_ids)s::integer[])
     WITH ORDINALITY AS asked (subject, kind, since, event_id, home_id, area_id, place)
LEFT JOIN home h ON h.home_id = asked.home_id
LEFT JOIN area r ON r.area_id = COALESCE(h.area_id, asked.area_id)
LEFT JOIN LATERAL (
    -- The open case has no closed_at and comes first.
    SELECT a.* FROM alert a
    WHERE a.subject = asked.subject AND a.kind = asked.kind AND (a.state <> 'closed' OR a.outcome <> ALL (%(by_service)s))
    ORDER BY a.closed_at DESC NULLS FIRST
    LIMIT 1
) k ON true
ORDER BY asked.place

-- Nobody else changes these until we commit; in an order, so that two who wait do not wait for each other.
-- name: lock_open
SELECT a.alert_id
FROM unnest(%(subjects)s::text[], %(kinds)s::text[]) AS asked (subject, kind)
JOIN alert a ON a.subject = asked.subject AND a.kind = asked.kind
WHERE a.state <> 'closed'
ORDER BY a.subject, a.kind
FOR UPDATE OF a

-- No row comes back when somebody else has opened the same case meanwhile.
-- name: open_case
WITH opened AS (
    INSERT INTO alert (subject, home_id, area_id, device_name, kind, severity, state, since, raised_at, updated_at, closed_at,
                       outcome, reason_id, reason_values, reason, evidence)
    VALUES (%(subject)s, %(home_id)s, %(area_id)s, %(device_name)s, %(kind)s, %(severity)s, %(state)s, %(since)s, %(raised_at)s,
            %(now)s, %(closed_at)s, %(outcome)s, %(reason_id)s, %(reason_values)s, %(reason)s, %(evidence)s)
    ON CONFLICT (subject, kind) WHERE state <> 'closed' DO NOTHING
    RETURNING alert_id
), entered AS (
    INSERT INTO alert_entry (alert_id, at, actor, source, action, detail, event_id)
    SELECT alert_id, %(now)s, %(actor)s, %(source)s, %(action)s, %(detail)s, %(event_id)s FROM opened
), told AS (
    INSERT INTO notification (notification_id, alert_id, channel, recipient, priority, body, state, created_at, next_attempt_at,
                              give_up_at)
    SELECT gen_random_uuid(), o.alert_id, t.channel, t.recipient, %(priority)s, %(body)s, 'pending', %(now)s, %(now)s,
           %(give_up_at)s
    FROM opened o, unnest(%(channels)s::text[], %(recipients)s::text[]) AS t (channel, recipient)
)
SELECT alert_id, CASE WHEN %(tell)s THEN pg_notify('anju_notification', '') END FROM opened

-- No row comes back when the case was changed since it was read.
-- name: change_case
WITH changed AS (
    UPDATE alert
    SET version = version + 1, severity = %(severity)s, state = %(state)s, since = %(since)s, updated_at = %(now)s, acknowledged_at = %(acknowledged_at)s,
        closed_at = %(closed_at)s, outcome = %(outcome)s, sign_of_life_at = %(sign_of_life_at)s, times_raised = %(times_raised)s,
        reason_id = %(reason_id)s, reason_values = %(reason_values)s, reason = %(reason)s, evidence = %(evidence)s
    WHERE alert_id = %(alert_id)s AND version = %(version)s
    RETURNING alert_id
), entered AS (
    INSERT INTO alert_entry (alert_id, at, actor, source, action, detail, event_id)
    SELECT alert_id, %(now)s, %(actor)s, %(source)s, %(action)s, %(detail)s, %(event_id)s FROM changed
    WHERE %(action)s::text IS NOT NULL
), told AS (
    INSERT INTO notification (notification_id, alert_id, channel, recipient, priority, body, state, created_at, next_attempt_at,
                              give_up_at)
    SELECT gen_random_uuid(), c.alert_id, t.channel, t.recipient, %(priority)s, %(body)s, 'pending', %(now)s, %(now)s,
           %(give_up_at)s
    FROM changed c,
         (SELECT * FROM unnest(%(channels)s::text[], %(recipients)s::text[]) AS new (channel, recipient)
          UNION
          SELECT n.channel, n.recipient FROM notification n WHERE n.alert_id = %(alert_id)s AND %(tell)s) AS t
)
SELECT alert_id, CASE WHEN %(tell)s THEN pg_notify('anju_notification', '') END FROM changed

-- name: lock_one
SELECT a.subject, a.home_id, a.area_id, a.device_name, h.name AS home, r.path AS area,
       a.alert_id, a.version, a.kind, a.severity, a.state, a.since, a.raised_at, a.reason_id, a.reason_values, a.evidence,
       a.times_raised, a.acknowledged_at, a.closed_at, a.outcome, a.sign_of_life_at
FROM alert a
LEFT JOIN home h USING (home_id)
LEFT JOIN area r ON r.area_id = a.area_id
WHERE a.alert_id = %(alert_id)s
FOR UPDATE OF a
