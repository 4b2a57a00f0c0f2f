-- name: take_request
SELECT rearm_id, area_id, swept_to FROM rearm_request ORDER BY rearm_id LIMIT 1 FOR UPDATE SKIP LOCKED;

-- name: waiting
-- Counted no further than asked.
SELECT count(*) FROM (SELECT FROM home_watch WHERE due_at <= %(now)s LIMIT %(most)s) AS due;

-- name: rearm_site
INSERT INTO home_watch AS w (home_id, due_at)
SELECT h.home_id, %(now)s FROM home h WHERE h.home_id > %(swept_to)s ORDER BY h.home_id LIMIT %(homes)s
ON CONFLICT (home_id) DO UPDATE SET due_at = LEAST(w.due_at, excluded.due_at), rearmed = w.rearmed + 1
RETURNING w.home_id;

-- name: rearm_area
WITH RECURSIVE below AS (
    SELECT area_id FROM area WHERE area_id = %(area)s
    UNION ALL
    SELECT a.area_id FROM area a JOIN below ON a.parent_id = below.area_id
)
INSERT INTO home_watch AS w (home_id, due_at)
SELECT h.home_id, %(now)s
FROM home h
WHERE h.area_id IN (SELECT area_id FROM below) AND h.home_id > %(swept_to)s
ORDER BY h.home_id LIMIT %(homes)s
ON CONFLICT (home_id) DO UPDATE SET due_at = LEAST(w.due_at, excluded.due_at), rearmed = w.rearmed + 1
RETURNING w.home_id;

-- name: swept
UPDATE rearm_request SET swept_to = %(swept_to)s WHERE rearm_id = %(rearm)s;

-- name: finish
DELETE FROM rearm_request WHERE rearm_id = %(rearm)s;

-- name: note_releases
INSERT INTO rule_release AS known (rule, release)
SELECT rule, release FROM unnest(%(rules)s::text[], %(releases)s::integer[]) AS ours (rule, release) ORDER BY rule
ON CONFLICT (rule) DO UPDATE SET release = excluded.release WHERE known.release < excluded.release
RETURNING rule;

-- name: request_all
INSERT INTO rearm_request (area_id, requested_at) VALUES (NULL, %(now)s);

-- name: watch_new
INSERT INTO home_watch (home_id, due_at)
SELECT h.home_id, %(now)s FROM home h
WHERE NOT EXISTS (SELECT FROM home_watch w WHERE w.home_id = h.home_id)
ORDER BY h.home_id
LIMIT %(homes)s
ON CONFLICT (home_id) DO NOTHING
RETURNING home_id;
