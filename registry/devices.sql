-- name: installed
SELECT d.name, d.driver, d.model, a.path, h.name, i.interval_s, i.litres_per_pulse, i.resolution_l, i.gateway, i.installed_at, heard.received_at
FROM device d
JOIN installation i ON i.device_id = d.device_id AND i.removed_at IS NULL
JOIN home h USING (home_id)
JOIN area a USING (area_id)
LEFT JOIN LATERAL (
    SELECT max(latest.received_at) AS received_at
    FROM (
        (SELECT r.received_at FROM unnest(%(quantities)s::smallint[]) AS q (quantity) CROSS JOIN LATERAL (
            SELECT received_at FROM reading
            WHERE device_id = d.device_id AND quantity = q.quantity ORDER BY measured_at DESC LIMIT 1
        ) r)
        UNION ALL
        (SELECT received_at FROM event WHERE device_name = d.name ORDER BY received_at DESC LIMIT 1)
    ) latest
) heard ON true
WHERE %(area)s::text IS NULL OR a.path = %(area)s OR starts_with(a.path, %(area)s || '/')
ORDER BY a.path, h.name, d.name;

-- name: areas
SELECT path FROM area ORDER BY path;

-- name: unknown
-- What a retired device sends is stored as before, and counts for no home: one instant of receipt is one message.
WITH retired AS (
    SELECT d.device_id, d.name, last.removed_at, a.path AS area, h.name AS home
    FROM device d
    CROSS JOIN LATERAL (
        SELECT home_id, removed_at FROM installation WHERE device_id = d.device_id ORDER BY installed_at DESC LIMIT 1
    ) last
    JOIN home h USING (home_id)
    JOIN area a USING (area_id)
    WHERE last.removed_at IS NOT NULL
), heard AS (
    SELECT device_name, sum(messages) AS messages, min(first_at) AS first_at, max(last_at) AS last_at
    FROM quarantine_count WHERE reason = 'device_unknown' GROUP BY device_name
    UNION ALL
    SELECT device_name, count(*), min(received_at), max(received_at)
    FROM event WHERE device_id IS NULL GROUP BY device_name
    UNION ALL
    SELECT retired.name, count(*), min(since.received_at), max(since.received_at)
    FROM retired CROSS JOIN LATERAL (
        SELECT received_at FROM reading
        WHERE device_id = retired.device_id AND quantity = ANY(%(quantities)s::smallint[])
          AND measured_at >= retired.removed_at AND received_at > retired.removed_at
        UNION
        SELECT received_at FROM event
        WHERE device_name = retired.name AND device_id IS NOT NULL AND received_at > retired.removed_at
    ) since
    GROUP BY retired.name
)
SELECT h.device_name, sum(h.messages)::bigint, min(h.first_at), max(h.last_at), last.topic, last.payload, event.kind,
       retired.removed_at, retired.area, retired.home
FROM heard h
LEFT JOIN retired ON retired.name = h.device_name
LEFT JOIN LATERAL (
    SELECT topic, payload, received_at FROM quarantine q
    WHERE q.device_name = h.device_name AND q.reason = 'device_unknown' ORDER BY quarantine_id DESC LIMIT 1
) last ON true
LEFT JOIN LATERAL (
    SELECT kind FROM event e
    WHERE e.device_name = h.device_name AND (e.device_id IS NULL OR e.received_at > retired.removed_at)
    ORDER BY received_at DESC LIMIT 1
) event ON true
WHERE NOT EXISTS (
    SELECT FROM device d JOIN installation i ON i.device_id = d.device_id AND i.removed_at IS NULL
    WHERE d.name = h.device_name
)
AND (retired.removed_at IS NULL OR h.last_at > retired.removed_at)
GROUP BY h.device_name, last.topic, last.payload, event.kind, retired.removed_at, retired.area, retired.home
ORDER BY max(h.last_at) DESC, h.device_name
LIMIT %(limit)s;

-- name: called
-- The name under which a device is on record, or at least heard: as it was typed, else as its family spells it.
SELECT asked.name
FROM unnest(%(names)s::text[], %(drivers)s::text[]) WITH ORDINALITY AS asked (name, driver, place)
LEFT JOIN device d ON d.name = asked.name AND (asked.place = 1 OR d.driver = asked.driver)
WHERE d.device_id IS NOT NULL
   OR EXISTS (SELECT FROM event WHERE device_name = asked.name)
   OR EXISTS (SELECT FROM quarantine_count WHERE device_name = asked.name)
ORDER BY d.device_id IS NULL, asked.place
LIMIT 1;

-- name: device
SELECT device_id, driver, model FROM device WHERE name = %(name)s;

-- name: periods
SELECT a.path, h.name, i.interval_s, i.litres_per_pulse, i.resolution_l, i.gateway, i.installed_at, i.removed_at
FROM installation i JOIN home h USING (home_id) JOIN area a USING (area_id)
WHERE i.device_id = %(device_id)s
ORDER BY i.installed_at;

-- name: last_readings
SELECT q.quantity, r.value, r.measured_at, r.received_at
FROM unnest(%(quantities)s::smallint[]) AS q (quantity) CROSS JOIN LATERAL (
    SELECT value, measured_at, received_at FROM reading
    WHERE device_id = %(device_id)s AND quantity = q.quantity ORDER BY measured_at DESC LIMIT 1
) r
ORDER BY q.quantity;

-- name: last_events
SELECT kind, measured_at, received_at FROM event
WHERE device_name = %(name)s ORDER BY received_at DESC LIMIT %(limit)s;

-- name: quarantined
SELECT reason, messages, first_at, last_at FROM quarantine_count WHERE device_name = %(name)s ORDER BY last_at DESC;

-- name: waiting
SELECT device_name, messages FROM quarantine_count
WHERE reason = 'device_unknown' AND lower(device_name) = lower(%(name)s)
ORDER BY device_name;

-- name: look_again
SELECT rearm_home(home_id, %(at)s)
FROM (
    SELECT DISTINCT i.home_id
    FROM device d JOIN installation i ON i.device_id = d.device_id AND i.removed_at IS NULL
    WHERE d.name = ANY(%(names)s)
    ORDER BY i.home_id
) homes;
