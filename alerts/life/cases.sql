-- Reading and writing cases (`alerts.cases`, `alerts.case_writing`): an alert, its entry, its messages and its escalation are
-- one statement, so a case is one round trip in a pipeline.

-- For each finding: the case that is not closed (o), the one a person closed last (c), and what is known of the finding.
-- name: read_cases
SELECT h.name AS home, r.area_id, r.path AS area, COALESCE(h.probe, false) AS probe,
       asked.event_id IS NOT NULL AND EXISTS (
           SELECT FROM alert_entry e JOIN alert a USING (alert_id)
           WHERE e.event_id = asked.event_id AND a.subject = asked.subject AND a.kind = asked.kind
       ) AS event_entered,
       asked.recorded AND EXISTS (
           SELECT FROM alert a
           WHERE a.subject = asked.subject AND a.kind = asked.kind AND a.since = asked.since
       ) AS since_known,
       k.alert_id, k.version, k.kind, k.severity, k.state, k.since, k.raised_at, k.reason_id, k.reason_values, k.evidence,
       k.times_raised, k.acknowledged_at, k.acknowledged_by, k.assigned_to, k.on_the_way_at, k.on_scene_at, k.muted_until,
       k.closed_at, k.outcome, k.sign_of_life_at
FROM unnest(%(subjects)s::text[], %(kinds)s::text[], %(sinces)s::timestamptz[], %(event_ids)s::bigint[],
            %(home_ids)s::integer[], %(area_ids)s::integer[], %(recorded)s::boolean[])
     WITH ORDINALITY AS asked (subject, kind, since, event_id, home_id, area_id, recorded, place)
LEFT JOIN home h ON h.home_id = asked.home_id
LEFT JOIN area r ON r.area_id = COALESCE(h.area_id, asked.area_id)
LEFT JOIN LATERAL (
    -- The open case has no closed_at and comes first.
    SELECT a.* FROM alert a
    WHERE a.subject = asked.subject AND a.kind = asked.kind AND (a.state <> 'closed' OR a.outcome <> ALL (%(not_by_person)s))
    ORDER BY a.closed_at DESC NULLS FIRST
    LIMIT 1
) k ON true
ORDER BY asked.place

-- Nobody else changes these until we commit; in an order, so that two who wait do not wait for each other. Entries and
-- messages, which refer to these rows, may still be written by others.
-- name: lock_open
SELECT a.alert_id
FROM unnest(%(subjects)s::text[], %(kinds)s::text[]) AS asked (subject, kind)
JOIN alert a ON a.subject = asked.subject AND a.kind = asked.kind
WHERE a.state <> 'closed'
ORDER BY a.subject COLLATE "C", a.kind COLLATE "C"
FOR NO KEY UPDATE OF a

-- No row comes back when somebody else has opened the same case meanwhile.
-- name: open_case
WITH opened AS (
    INSERT INTO alert (subject, home_id, area_id, device_name, kind, severity, state, since, raised_at, updated_at, closed_at,
                       outcome, reason_id, reason_values, reason, evidence, probe)
    VALUES (%(subject)s, %(home_id)s, %(area_id)s, %(device_name)s, %(kind)s, %(severity)s, %(state)s, %(since)s, %(raised_at)s,
            %(now)s, %(closed_at)s, %(outcome)s, %(reason_id)s, %(reason_values)s, %(reason)s, %(evidence)s, %(probe)s)
    ON CONFLICT (subject, kind) WHERE state <> 'closed' DO NOTHING
    RETURNING alert_id
), entered AS (
    INSERT INTO alert_entry (alert_id, at, actor, source, action, detail, event_id)
    SELECT alert_id, %(now)s, %(actor)s, %(source)s, %(action)s, %(detail)s, %(event_id)s FROM opened
), escalated AS (
    INSERT INTO escalation (alert_id, phase, due_at, started_at)
    SELECT alert_id, 'telling', %(due_at)s, %(due_at)s FROM opened WHERE %(escalation)s::text = 'start'
), told AS (
    INSERT INTO notification (notification_id, alert_id, channel, recipient, person_id, priority, body, state, created_at,
                              next_attempt_at, give_up_at)
    SELECT gen_random_uuid(), o.alert_id, t.channel, t.recipient, t.person_id, %(priority)s,
           jsonb_set(%(body)s::jsonb, '{data,related}', (
               SELECT COALESCE(jsonb_agg(near.alert_id), '[]') FROM (
                   SELECT a.alert_id FROM alert a
                   WHERE a.home_id = %(home_id)s AND NOT a.probe AND a.outcome IS DISTINCT FROM 'recorded'
                     AND (a.closed_at IS NULL OR a.closed_at >= %(raised_at)s - %(together)s::interval)
                   ORDER BY a.raised_at DESC, a.alert_id DESC LIMIT 20
               ) near
           )), 'pending', %(now)s, %(now)s, %(give_up_at)s
    FROM opened o,
         unnest(%(channels)s::text[], %(recipients)s::text[], %(person_ids)s::integer[]) AS t (channel, recipient, person_id)
)
SELECT alert_id, CASE WHEN %(tell)s THEN pg_notify('anju_notification', '') END,
       CASE WHEN %(escalation)s::text IS NOT NULL THEN pg_notify('anju_escalation', '') END
FROM opened

-- What is told to nobody and leaves the telling as it is. No row comes back when the case was changed since it was read.
-- name: refresh_case
WITH changed AS (
    UPDATE alert
    SET version = version + 1, severity = %(severity)s, state = %(state)s, since = %(since)s, updated_at = %(now)s,
        acknowledged_at = %(acknowledged_at)s, acknowledged_by = %(acknowledged_by)s, assigned_to = %(assigned_to)s,
        on_the_way_at = %(on_the_way_at)s, on_scene_at = %(on_scene_at)s, muted_until = %(muted_until)s,
        closed_at = %(closed_at)s, outcome = %(outcome)s, sign_of_life_at = %(sign_of_life_at)s, times_raised = %(times_raised)s,
        reason_id = %(reason_id)s, reason_values = %(reason_values)s, reason = %(reason)s, evidence = %(evidence)s
    WHERE alert_id = %(alert_id)s AND version = %(version)s
    RETURNING alert_id
), entered AS (
    INSERT INTO alert_entry (alert_id, at, actor, source, action, detail, event_id)
    SELECT alert_id, %(now)s, %(actor)s, %(source)s, %(action)s, %(detail)s, %(event_id)s FROM changed
    WHERE %(action)s::text IS NOT NULL
)
SELECT alert_id FROM changed

-- No row comes back when the case was changed since it was read. Whoever was told by a message of their own, other than a call,
-- hears the news; who acts knows it. What is being sent in this very moment counts as told.
-- name: change_case
WITH changed AS (
    UPDATE alert
    SET version = version + 1, severity = %(severity)s, state = %(state)s, since = %(since)s, updated_at = %(now)s,
        acknowledged_at = %(acknowledged_at)s, acknowledged_by = %(acknowledged_by)s, assigned_to = %(assigned_to)s,
        on_the_way_at = %(on_the_way_at)s, on_scene_at = %(on_scene_at)s, muted_until = %(muted_until)s,
        closed_at = %(closed_at)s, outcome = %(outcome)s, sign_of_life_at = %(sign_of_life_at)s, times_raised = %(times_raised)s,
        reason_id = %(reason_id)s, reason_values = %(reason_values)s, reason = %(reason)s, evidence = %(evidence)s
    WHERE alert_id = %(alert_id)s AND version = %(version)s
    RETURNING alert_id, home_id, raised_at, closed_at, probe
), entered AS (
    INSERT INTO alert_entry (alert_id, at, actor, source, action, detail, event_id)
    SELECT alert_id, %(now)s, %(actor)s, %(source)s, %(action)s, %(detail)s, %(event_id)s FROM changed
    WHERE %(action)s::text IS NOT NULL
), escalated AS (
    INSERT INTO escalation AS e (alert_id, phase, due_at, run, started_at)
    SELECT c.alert_id, CASE WHEN %(escalation)s = 'await' THEN 'awaiting' ELSE 'telling' END, %(due_at)s,
           -- After a reopening the runs are counted on.
           1 + COALESCE((SELECT max(n.run) FROM notification n WHERE n.alert_id = c.alert_id), 0), %(due_at)s
    FROM changed c WHERE %(escalation)s::text IN ('start', 'hold', 'await', 'hurry')
    ON CONFLICT (alert_id) DO UPDATE
    SET phase = CASE WHEN %(escalation)s = 'hurry' THEN e.phase ELSE excluded.phase END,
        due_at = excluded.due_at,
        run = e.run + (%(escalation)s IN ('start', 'hold'))::integer,
        started_at = CASE WHEN %(escalation)s IN ('start', 'hold') THEN excluded.started_at ELSE e.started_at END,
        round = CASE WHEN %(escalation)s IN ('start', 'hold') THEN 0 ELSE e.round END,
        step = CASE WHEN %(escalation)s IN ('start', 'hold') THEN 0 ELSE e.step END,
        reminders = CASE WHEN %(escalation)s = 'hurry' THEN e.reminders ELSE 0 END
), stopped AS (
    DELETE FROM escalation e USING changed c WHERE e.alert_id = c.alert_id AND %(escalation)s = 'stop'
), withdrawn AS (
    -- What another one is recording in this moment is as good as sent; waiting for it might be waiting for each other.
    UPDATE notification SET state = 'withdrawn'
    WHERE notification_id IN (
        SELECT n.notification_id FROM notification n
        WHERE n.alert_id = %(alert_id)s AND n.person_id IS NOT NULL AND n.state = 'pending'
          AND (%(escalation)s::text = 'stop' OR (n.run > 0 AND n.attempts = 0 AND (
              %(escalation)s::text IN ('await', 'hold')
              -- Whoever has just said that they cannot need not be told.
              OR (%(action)s::text IN ('declined', 'given_back')
                  AND n.person_id = (SELECT person_id FROM person WHERE key = %(actor)s))
          )))
        FOR UPDATE SKIP LOCKED
    ) AND EXISTS (SELECT FROM changed)
), told AS (
    INSERT INTO notification (notification_id, alert_id, channel, recipient, person_id, priority, body, state, created_at,
                              next_attempt_at, give_up_at)
    SELECT gen_random_uuid(), c.alert_id, t.channel, t.recipient, t.person_id, %(priority)s,
           jsonb_set(%(body)s::jsonb, '{data,related}', (
               SELECT COALESCE(jsonb_agg(near.alert_id), '[]') FROM (
                   SELECT a.alert_id FROM alert a
                   WHERE a.home_id = c.home_id AND a.alert_id <> c.alert_id AND NOT a.probe
                     AND a.outcome IS DISTINCT FROM 'recorded'
                     AND (a.closed_at IS NULL OR a.closed_at >= c.raised_at - %(together)s::interval)
                     AND (c.closed_at IS NULL OR a.raised_at <= c.closed_at + %(together)s::interval)
                   ORDER BY a.raised_at DESC, a.alert_id DESC LIMIT 20
               ) near
           )) || CASE WHEN t.audience IS NULL THEN '{}' ELSE jsonb_build_object('audience', t.audience) END,
           'pending', %(now)s, %(now)s, %(give_up_at)s
    FROM changed c,
         (SELECT new.channel, new.recipient, new.person_id, NULL AS audience
          FROM unnest(%(channels)s::text[], %(recipients)s::text[], %(person_ids)s::integer[])
               AS new (channel, recipient, person_id)
          UNION
          SELECT n.channel, n.recipient, NULL, NULL FROM notification n
          WHERE n.alert_id = %(alert_id)s AND %(tell)s AND n.person_id IS NULL
            -- What a probe sent through a real channel was for once.
            AND NOT EXISTS (SELECT FROM changed WHERE probe AND n.channel <> 'probe')
          UNION ALL
          (SELECT DISTINCT ON (n.channel, n.recipient) n.channel, n.recipient, n.person_id, n.body ->> 'audience'
           FROM notification n JOIN person p USING (person_id)
           WHERE n.alert_id = %(alert_id)s AND %(news)s AND n.channel IN ('sms', 'chat', 'webhook')
             AND p.active AND p.key <> %(actor)s
             AND (n.state = 'accepted' OR (n.state = 'pending' AND n.attempts > 0
                                           AND (%(escalation)s::text IS DISTINCT FROM 'stop' OR n.lease_until > %(now)s)))
           ORDER BY n.channel, n.recipient, n.created_at DESC)) AS t
)
SELECT alert_id, CASE WHEN %(tell)s THEN pg_notify('anju_notification', '') END,
       CASE WHEN %(escalation)s::text IS NOT NULL THEN pg_notify('anju_escalation', '') END
FROM changed

-- The escalation changes its row only while it holds the alert's too, locked first or together with it (NO KEY UPDATE).
-- name: lock_one
SELECT a.subject, a.home_id, a.area_id, a.device_name, a.probe, h.name AS home, r.path AS area,
       a.alert_id, a.version, a.kind, a.severity, a.state, a.since, a.raised_at, a.reason_id, a.reason_values, a.evidence,
       a.times_raised, a.acknowledged_at, a.acknowledged_by, a.assigned_to, a.on_the_way_at, a.on_scene_at, a.muted_until,
       a.closed_at, a.outcome, a.sign_of_life_at
FROM alert a
LEFT JOIN home h USING (home_id)
LEFT JOIN area r ON r.area_id = a.area_id
WHERE a.alert_id = %(alert_id)s
FOR NO KEY UPDATE OF a

-- What an earlier release opened has no escalation yet; what somebody changes in this moment gets one by that.
-- name: adopt
INSERT INTO escalation (alert_id, phase, due_at, started_at)
SELECT a.alert_id, CASE a.state WHEN 'open' THEN 'telling' ELSE 'awaiting' END, %(now)s, %(now)s
FROM (
    SELECT alert_id, state FROM alert
    WHERE state <> 'closed' AND NOT probe AND NOT EXISTS (SELECT FROM escalation e WHERE e.alert_id = alert.alert_id)
    FOR NO KEY UPDATE SKIP LOCKED
) a
ON CONFLICT DO NOTHING
RETURNING alert_id

-- name: is_telling
SELECT FROM escalation WHERE alert_id = %(alert_id)s AND phase = 'telling'

-- name: place_of_home
SELECT h.name, h.area_id, r.path, h.probe FROM home h JOIN area r USING (area_id) WHERE h.home_id = %(home_id)s

-- name: related
SELECT c.alert_id, near.alert_ids
FROM alert c
CROSS JOIN LATERAL (
    SELECT array_agg(n.alert_id) AS alert_ids FROM (
        SELECT a.alert_id FROM alert a
        WHERE a.home_id = c.home_id AND a.alert_id <> c.alert_id AND NOT a.probe AND a.outcome IS DISTINCT FROM 'recorded'
          AND (a.closed_at IS NULL OR a.closed_at >= c.raised_at - %(together)s::interval)
          AND (c.closed_at IS NULL OR a.raised_at <= c.closed_at + %(together)s::interval)
        ORDER BY a.raised_at DESC, a.alert_id DESC LIMIT 20
    ) n
) near
WHERE c.alert_id = ANY (%(alert_ids)s::bigint[]) AND near.alert_ids IS NOT NULL
