-- What a person asks of alerts: to see them.

-- name: list_alerts
SELECT a.alert_id, a.subject, a.home_id, h.name AS home, r.path AS area, a.device_name AS device, a.kind, a.severity, a.state,
       a.since, a.raised_at, a.updated_at, a.acknowledged_at, a.acknowledged_by, a.assigned_to, a.on_the_way_at, a.on_scene_at,
       a.muted_until, a.closed_at, a.outcome, a.times_raised, a.reason_id, a.reason_values
FROM alert a
LEFT JOIN home h USING (home_id)
LEFT JOIN area r ON r.area_id = a.area_id
WHERE (%(closed)s OR a.state <> 'closed')
  AND (%(probes)s OR NOT a.probe)
  AND (%(home_id)s::integer IS NULL OR a.home_id = %(home_id)s)
  AND (%(area)s::text IS NULL OR r.path = %(area)s OR starts_with(r.path, %(area)s || '/'))
ORDER BY CASE WHEN a.state = 'closed' THEN 4
              ELSE array_position(ARRAY['urgent', 'hard', 'soft', 'technical'], a.severity) - 1 END,
         a.raised_at DESC, a.alert_id DESC
LIMIT %(limit)s

-- name: read_alerts
SELECT a.alert_id, a.subject, a.home_id, h.name AS home, r.path AS area, a.device_name AS device, a.kind, a.severity, a.state,
       a.since, a.raised_at, a.updated_at, a.acknowledged_at, a.acknowledged_by, a.assigned_to, a.on_the_way_at, a.on_scene_at,
       a.muted_until, a.closed_at, a.outcome, a.times_raised, a.reason_id, a.reason_values
FROM alert a
LEFT JOIN home h USING (home_id)
LEFT JOIN area r ON r.area_id = a.area_id
WHERE a.alert_id = ANY (%(alert_ids)s::bigint[])
ORDER BY a.raised_at DESC, a.alert_id DESC

-- name: read_evidence
SELECT evidence FROM alert WHERE alert_id = %(alert_id)s

-- name: read_entries
SELECT entry_id, at, actor, source, action, detail, event_id
FROM alert_entry WHERE alert_id = %(alert_id)s ORDER BY entry_id

-- name: read_messages
SELECT n.notification_id, n.channel, n.recipient, p.key AS person, n.body ->> 'type' AS type, n.state, n.delivery, n.created_at,
       n.attempts, n.next_attempt_at, last.started_at AS last_attempt_at, last.reason AS last_reason
FROM notification n
LEFT JOIN person p USING (person_id)
LEFT JOIN LATERAL (
    SELECT started_at, reason FROM notification_attempt t
    WHERE t.notification_id = n.notification_id ORDER BY attempt DESC LIMIT 1
) last ON true
WHERE n.alert_id = %(alert_id)s ORDER BY n.created_at, n.notification_id

-- The service's own test presses are not among them.
-- name: count_open
SELECT kind, severity, state, count(*) AS alerts
FROM alert WHERE state <> 'closed' AND NOT probe
GROUP BY kind, severity, state
