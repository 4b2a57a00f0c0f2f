-- name: homes
SELECT home_id, area_id, time_zone FROM home WHERE home_id = ANY(%(homes)s::integer[]);

-- name: open_kinds
SELECT home_id, array_agg(kind) FROM alert
WHERE subject = ANY(%(subjects)s::text[]) AND state <> 'closed'
GROUP BY home_id;

-- name: installations
SELECT i.home_id, i.installation_id, i.device_id, d.name, i.interval_s, i.litres_per_pulse IS NOT NULL,
       i.installed_at, i.removed_at, last_event.received_at
FROM installation i
JOIN device d USING (device_id)
LEFT JOIN LATERAL (
    SELECT e.received_at FROM event e WHERE e.device_name = d.name ORDER BY e.received_at DESC LIMIT 1
) AS last_event ON i.removed_at IS NULL
WHERE i.home_id = ANY(%(homes)s::integer[]) AND (i.removed_at IS NULL OR i.removed_at > %(earliest)s)
ORDER BY i.home_id, i.installed_at, i.installation_id;

-- name: series
-- One row per installation: its water readings from `from_at` on and the one before, and when anything of it was last received.
-- The bounds that are the same for all let the planner leave partitions out; those of each installation are within them.
SELECT asked.place, inside.measured_s, inside.totals_l, inside.received_at,
       date_part('epoch', before.measured_at), before.value, before.received_at
FROM unnest(%(devices)s::integer[], %(froms)s::timestamptz[], %(begins)s::timestamptz[], %(ends)s::timestamptz[])
     WITH ORDINALITY AS asked (device_id, from_at, begin_at, end_at, place)
CROSS JOIN LATERAL (
    SELECT array_agg(date_part('epoch', r.measured_at) ORDER BY r.measured_at) FILTER (WHERE r.quantity = %(water)s) AS measured_s,
           array_agg(r.value ORDER BY r.measured_at) FILTER (WHERE r.quantity = %(water)s) AS totals_l,
           max(r.received_at) AS received_at
    FROM reading r
    WHERE r.device_id = asked.device_id AND r.quantity = ANY(%(quantities)s::smallint[])
      AND r.measured_at >= asked.from_at AND r.measured_at < asked.end_at
      AND r.measured_at >= %(earliest_from)s AND r.measured_at < %(latest)s
) AS inside
LEFT JOIN LATERAL (
    SELECT r.measured_at, r.value, r.received_at
    FROM reading r
    WHERE r.device_id = asked.device_id AND r.quantity = %(water)s
      AND r.measured_at < asked.from_at AND r.measured_at >= asked.begin_at
      AND r.measured_at >= %(earliest)s AND r.measured_at < %(latest)s
    ORDER BY r.measured_at DESC
    LIMIT 1
) AS before ON true
ORDER BY asked.place;

-- name: last_received
-- A device that seems silent may have sent readings measured long ago: asked only of those, over the whole late window.
SELECT asked.place, heard.received_at
FROM unnest(%(devices)s::integer[], %(begins)s::timestamptz[], %(ends)s::timestamptz[])
     WITH ORDINALITY AS asked (device_id, begin_at, end_at, place)
CROSS JOIN LATERAL (
    SELECT max(r.received_at) AS received_at
    FROM reading r
    WHERE r.device_id = asked.device_id AND r.quantity = ANY(%(quantities)s::smallint[])
      AND r.measured_at >= asked.begin_at AND r.measured_at < asked.end_at
      AND r.measured_at >= %(earliest)s AND r.measured_at < %(latest)s
) AS heard
ORDER BY asked.place;
