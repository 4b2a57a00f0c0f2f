-- name: claim
-- Taken and deleted at once: whoever fails to commit gives them back, and locks nothing that another evaluation needs.
WITH taken AS (
    DELETE FROM home_wake
    WHERE wake_id IN (
        SELECT wake_id FROM home_wake
        WHERE wake_id <> ALL(%(without)s::bigint[])
        ORDER BY wake_id
        LIMIT %(wakes)s
        FOR UPDATE SKIP LOCKED
    )
    RETURNING wake_id, event_id
)
SELECT taken.wake_id, taken.event_id, e.kind, e.device_name, e.measured_at, e.received_at,
       serving.home_id, last_home.area_id,
       fall.event_id, fall.measured_at, fall.received_at, cancelled.measured_at
FROM taken
LEFT JOIN event e USING (event_id)
LEFT JOIN device d ON d.name = e.device_name
LEFT JOIN LATERAL (
    SELECT f.event_id, f.measured_at, f.received_at FROM event f
    WHERE e.kind = %(fall_cancelled)s AND f.device_name = e.device_name AND f.kind = %(fall)s
      AND f.measured_at <= e.measured_at AND f.measured_at >= e.measured_at - %(cancel_within)s
    ORDER BY f.measured_at DESC
    LIMIT 1
) AS fall ON true
LEFT JOIN LATERAL (
    SELECT c.measured_at FROM event c
    WHERE e.kind = %(fall)s AND c.device_name = e.device_name AND c.kind = %(fall_cancelled)s
      AND c.measured_at >= e.measured_at AND c.measured_at <= e.measured_at + %(cancel_within)s
    ORDER BY c.measured_at
    LIMIT 1
) AS cancelled ON true
LEFT JOIN LATERAL (
    -- A cancelled fall belongs where the fall happened.
    SELECT i.home_id FROM installation i
    WHERE i.device_id = d.device_id AND i.installed_at <= COALESCE(fall.measured_at, e.measured_at)
      AND (i.removed_at IS NULL OR i.removed_at > COALESCE(fall.measured_at, e.measured_at))
    ORDER BY i.installed_at DESC
    LIMIT 1
) AS serving ON true
LEFT JOIN LATERAL (
    SELECT h.area_id FROM installation i JOIN home h USING (home_id)
    WHERE i.device_id = d.device_id
    ORDER BY i.installed_at DESC
    LIMIT 1
) AS last_home ON serving.home_id IS NULL
ORDER BY taken.wake_id;

-- name: waiting
SELECT count(*) FROM home_wake;

-- name: listen
LISTEN anju_wake;
