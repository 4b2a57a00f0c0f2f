-- name: claim
-- Taken and deleted at once: whoever fails to commit gives them back, and locks nothing that another evaluation needs.
WITH taken AS (
    DELETE FROM home_wake
    WHERE wake_id IN (
        SELECT wake_id FROM home_wake
        WHERE wake_id <> ALL(%(without)s::bigint[])
          AND (judge_at IS NULL) = %(calls)s AND (judge_at IS NULL OR judge_at <= %(now)s)
        ORDER BY judge_at, wake_id
        LIMIT %(wakes)s
        FOR UPDATE SKIP LOCKED
    )
    RETURNING wake_id, event_id, created_at, judge_at
)
SELECT taken.wake_id, taken.event_id, taken.created_at, taken.judge_at, e.kind, e.device_name AS device, e.measured_at, e.received_at,
       e.detail, serving.home_id, COALESCE(home.area_id, last_home.area_id) AS area_id, home.time_zone,
       fall.event_id AS fall_id, fall.measured_at AS fall_at, fall.received_at AS fall_received_at,
       fall.detail AS fall_detail, cancelled.measured_at AS cancelled_at, burst.detail AS burst,
       away.absence_id, away.from_at, away.until_at, away.reason AS away_reason,
       told.is_open, told.is_newest, told.since, told.reason_id, told.reason_values, told.evidence
FROM taken
LEFT JOIN event e USING (event_id)
LEFT JOIN device d ON d.name = e.device_name
LEFT JOIN LATERAL (
    -- The fall that a cancellation is of; for a burst, the one that the device reported itself.
    SELECT f.event_id, f.measured_at, f.received_at, f.detail FROM event f
    WHERE e.kind = ANY(%(of_a_fall)s::text[]) AND f.device_name = e.device_name
      AND (f.kind = %(fall)s OR f.kind = %(burst)s AND e.kind = %(fall_cancelled)s)
      AND f.measured_at >= e.measured_at - %(cancel_within)s
      AND f.measured_at <= e.measured_at + CASE WHEN e.kind = %(burst)s THEN %(cancel_within)s ELSE interval '0' END
    ORDER BY f.kind = %(fall)s DESC, f.measured_at DESC
    LIMIT 1
) AS fall ON true
LEFT JOIN LATERAL (
    SELECT c.measured_at FROM event c
    WHERE e.kind = ANY(%(falls)s::text[]) AND c.device_name = e.device_name AND c.kind = %(fall_cancelled)s
      AND c.measured_at >= e.measured_at AND c.measured_at <= e.measured_at + %(cancel_within)s
    ORDER BY c.measured_at
    LIMIT 1
) AS cancelled ON true
LEFT JOIN LATERAL (
    SELECT b.detail FROM event b
    WHERE e.kind = %(fall)s AND b.device_name = e.device_name AND b.kind = %(burst)s
      AND b.measured_at >= e.measured_at - %(cancel_within)s AND b.measured_at <= e.measured_at + %(cancel_within)s
    ORDER BY b.measured_at DESC
    LIMIT 1
) AS burst ON true
LEFT JOIN LATERAL (
    -- A cancelled fall belongs where the fall happened.
    SELECT i.home_id FROM installation i
    WHERE i.device_id = d.device_id AND i.installed_at <= COALESCE(fall.measured_at, e.measured_at)
      AND (i.removed_at IS NULL OR i.removed_at > COALESCE(fall.measured_at, e.measured_at))
    ORDER BY i.installed_at DESC
    LIMIT 1
) AS serving ON true
LEFT JOIN home ON home.home_id = serving.home_id
LEFT JOIN LATERAL (
    SELECT h.area_id FROM installation i JOIN home h USING (home_id)
    WHERE i.device_id = d.device_id
    ORDER BY i.installed_at DESC
    LIMIT 1
) AS last_home ON serving.home_id IS NULL
LEFT JOIN LATERAL (
    SELECT a.absence_id, a.from_at, COALESCE(a.ended_at, a.until_at) AS until_at, a.reason FROM absence a
    WHERE a.home_id = serving.home_id AND a.from_at <= e.measured_at
      AND a.until_at > e.measured_at AND COALESCE(a.ended_at, a.until_at) > e.measured_at
    ORDER BY 3 DESC
    LIMIT 1
) AS away ON true
LEFT JOIN LATERAL (
    SELECT a.state <> 'closed' AS is_open, a.since, a.reason_id, a.reason_values, a.evidence,
           NOT EXISTS (
               SELECT FROM alert_entry later
               WHERE later.alert_id = t.alert_id AND later.event_id IS NOT NULL AND later.entry_id > t.entry_id
           ) AS is_newest
    FROM alert_entry t JOIN alert a USING (alert_id)
    WHERE (e.kind = ANY(%(falls)s::text[]) OR e.kind = %(fall_cancelled)s)
      AND t.event_id = COALESCE(fall.event_id, e.event_id)
    ORDER BY t.entry_id DESC
    LIMIT 1
) AS told ON true
ORDER BY taken.wake_id;

-- name: put_back
INSERT INTO home_wake (event_id, created_at, judge_at) VALUES (%(event_id)s, %(created_at)s, %(judge_at)s);

-- name: waiting
SELECT count(*) FROM home_wake WHERE judge_at IS NULL OR judge_at <= %(now)s;

-- name: listen
LISTEN anju_wake;
