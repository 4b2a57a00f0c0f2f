-- name: homes
SELECT home_id, area_id, time_zone FROM home WHERE home_id = ANY(%(homes)s::integer[]);

-- name: open_kinds
SELECT home_id, array_agg(kind) FROM alert
WHERE subject = ANY(%(subjects)s::text[]) AND state <> 'closed'
GROUP BY home_id;

-- name: installations
SELECT i.home_id, i.installation_id, i.device_id, d.name, i.interval_s, i.litres_per_pulse,
       i.installed_at, i.removed_at, last_event.received_at
FROM installation i
JOIN device d USING (device_id)
LEFT JOIN LATERAL (
    SELECT e.received_at FROM event e WHERE e.device_name = d.name ORDER BY e.received_at DESC LIMIT 1
) AS last_event ON i.removed_at IS NULL
WHERE i.home_id = ANY(%(homes)s::integer[]) AND (i.removed_at IS NULL OR i.removed_at > %(earliest)s)
ORDER BY i.home_id, i.installed_at, i.installation_id;
