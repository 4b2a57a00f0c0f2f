-- name: batteries
-- The last that each device said of its battery; buttons say it once a day or once a week.
SELECT asked.place, last.measured_at, last.value
FROM unnest(%(devices)s::integer[], %(begins)s::timestamptz[]) WITH ORDINALITY AS asked (device_id, begin_at, place)
CROSS JOIN LATERAL (
    SELECT r.measured_at, r.value
    FROM reading r
    WHERE r.device_id = asked.device_id AND r.quantity = %(battery)s
      AND r.measured_at >= asked.begin_at
      AND r.measured_at >= %(earliest)s AND r.measured_at < %(latest)s
    ORDER BY r.measured_at DESC
    LIMIT 1
) AS last;

-- name: last_of_kinds
-- When each kind last happened during the installation: asked only of devices of which some event is stored.
SELECT asked.place, wanted.kind, last.measured_at, last.received_at
FROM unnest(%(names)s::text[], %(begins)s::timestamptz[]) WITH ORDINALITY AS asked (device_name, begin_at, place)
CROSS JOIN unnest(%(kinds)s::text[]) AS wanted (kind)
CROSS JOIN LATERAL (
    SELECT e.measured_at, e.received_at
    FROM event e
    WHERE e.device_name = asked.device_name AND e.kind = wanted.kind AND e.measured_at >= asked.begin_at
    ORDER BY e.measured_at DESC
    LIMIT 1
) AS last;

-- name: events
-- What happened lately, by time of receipt: asked only of devices whose last event is that new.
SELECT asked.place, e.event_id, e.kind, e.measured_at, e.received_at
FROM unnest(%(names)s::text[], %(begins)s::timestamptz[], %(ends)s::timestamptz[])
     WITH ORDINALITY AS asked (device_name, begin_at, end_at, place)
JOIN event e ON e.device_name = asked.device_name AND e.received_at >= %(events_from)s
            AND e.measured_at >= asked.begin_at AND e.measured_at < asked.end_at
ORDER BY e.received_at, e.event_id;
