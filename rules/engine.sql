-- name: claim
UPDATE home_watch w
SET lease_until = %(lease_until)s, leased_by = %(token)s
FROM (
    SELECT home_id FROM home_watch
    WHERE due_at <= %(now)s AND (lease_until IS NULL OR lease_until <= %(now)s)
    ORDER BY due_at
    LIMIT %(homes)s
    FOR UPDATE SKIP LOCKED
) AS due
WHERE w.home_id = due.home_id
RETURNING w.home_id, w.due_at, w.rearmed, w.looked_until, w.ongoing, w.failures;

-- name: keep
-- Locks what is still ours, in the order in which everybody locks homes.
SELECT home_id FROM home_watch
WHERE home_id = ANY(%(homes)s::integer[]) AND leased_by = %(token)s
ORDER BY home_id
FOR UPDATE;

-- name: write_back
-- A home that was re-armed meanwhile keeps the due_at that the re-arming gave it.
UPDATE home_watch w
SET due_at = CASE WHEN w.rearmed = look.rearmed THEN look.due_at ELSE w.due_at END,
    looked_until = look.looked_until,
    ongoing = look.ongoing::jsonb,
    failures = look.failures::jsonb,
    lease_until = NULL,
    leased_by = NULL
FROM unnest(%(homes)s::integer[], %(rearmed)s::bigint[], %(dues)s::timestamptz[], %(looked)s::timestamptz[],
            %(ongoing)s::text[], %(failures)s::text[])
     AS look (home_id, rearmed, due_at, looked_until, ongoing, failures)
WHERE w.home_id = look.home_id AND w.leased_by = %(token)s;

-- name: postpone
UPDATE home_watch
SET due_at = %(due_at)s, lease_until = NULL, leased_by = NULL
WHERE home_id = ANY(%(homes)s::integer[]) AND leased_by = %(token)s;

-- name: durable
SET LOCAL synchronous_commit = on;
