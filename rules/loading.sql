-- name: homes
SELECT h.home_id, h.area_id, h.time_zone, p.profiles
FROM home h LEFT JOIN home_profile p USING (home_id)
WHERE h.home_id = ANY(%(homes)s::integer[]);

-- name: open_kinds
SELECT home_id, array_agg(kind) FROM alert
WHERE subject = ANY(%(subjects)s::text[]) AND state <> 'closed'
GROUP BY home_id;

-- name: absences
-- One that was ended before it began never was.
SELECT home_id, absence_id, from_at, COALESCE(ended_at, until_at), reason
FROM absence
WHERE home_id = ANY(%(homes)s::integer[]) AND until_at > %(earliest)s AND COALESCE(ended_at, until_at) > %(earliest)s
  AND (ended_at IS NULL OR ended_at > from_at)
ORDER BY home_id, from_at, absence_id;

-- name: emergencies
SELECT home_id, since, closed_at FROM alert
WHERE home_id = ANY(%(homes)s::integer[]) AND raised_at > %(earliest)s AND outcome = ANY(%(outcomes)s::text[])
ORDER BY home_id, since, alert_id;

-- name: troubles
-- A few rows at most, unless an area or a gateway has failed.
SELECT h.home_id, t.cause, t.since, t.opened_at, t.ended_at
FROM area_trouble t JOIN home h ON h.area_id = t.area_id
WHERE h.home_id = ANY(%(homes)s::integer[])
UNION
SELECT i.home_id, t.cause, t.since, t.opened_at, t.ended_at
FROM area_trouble t JOIN installation i ON i.gateway = t.gateway AND i.removed_at IS NULL
WHERE i.home_id = ANY(%(homes)s::integer[])
ORDER BY 1, 2, 3, 4, 5;

-- name: installations
SELECT i.home_id, i.device_id, d.name, d.driver, d.model, i.interval_s, i.litres_per_pulse, i.resolution_l, i.gateway,
       i.installed_at, i.removed_at, last_event.received_at, last_event.own_time, refused.last_at
FROM installation i
JOIN device d USING (device_id)
LEFT JOIN LATERAL (
    SELECT e.received_at, e.own_time FROM event e WHERE e.device_name = d.name ORDER BY e.received_at DESC LIMIT 1
) AS last_event ON i.removed_at IS NULL OR i.removed_at > %(events_from)s
LEFT JOIN quarantine_count refused ON refused.device_name = d.name AND refused.reason = %(refused)s
WHERE i.home_id = ANY(%(homes)s::integer[]) AND (i.removed_at IS NULL OR i.removed_at > %(earliest)s)
ORDER BY i.home_id, i.installed_at, i.installation_id;
