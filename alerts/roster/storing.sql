-- name: newest
SELECT DISTINCT ON (area_id, role) area_id, role, definition
FROM roster
WHERE area_id IS NULL OR area_id = ANY(%(areas)s::integer[])
ORDER BY area_id, role, roster_id DESC;

-- name: chain
WITH RECURSIVE chain AS (
    SELECT area_id, parent_id, 0 AS height FROM area WHERE area_id = %(area)s::integer
    UNION ALL
    SELECT a.area_id, a.parent_id, chain.height + 1 FROM chain JOIN area a ON a.area_id = chain.parent_id
)
SELECT area_id FROM chain ORDER BY height;

-- name: listed
SELECT area_id, COALESCE(a.path, ''), role, definition, changed_at, changed_by
FROM (
    SELECT DISTINCT ON (area_id, role) area_id, role, definition, changed_at, changed_by
    FROM roster
    WHERE %(area)s::integer IS NULL OR area_id = %(area)s
    ORDER BY area_id, role, roster_id DESC
) newest
LEFT JOIN area a USING (area_id)
ORDER BY a.path NULLS FIRST, array_position(ARRAY['duty', 'backup', 'supervisor', 'operator'], role);

-- name: lock
SELECT pg_advisory_xact_lock(hashtext('anju.alerts.roster'));

-- name: one
SELECT definition FROM roster
WHERE area_id IS NOT DISTINCT FROM %(area)s::integer AND role = %(role)s
ORDER BY roster_id DESC
LIMIT 1;

-- name: write
INSERT INTO roster (area_id, role, definition, changed_at, changed_by)
VALUES (%(area)s, %(role)s, %(definition)s, %(now)s, %(by)s);
