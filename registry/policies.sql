-- Whoever changes what a scope says reads it first: two at once come one after the other.
-- name: lock
SELECT pg_advisory_xact_lock(hashtext('anju.registry.policy'));

-- name: area
SELECT area_id FROM area WHERE path = %(path)s;

-- name: areas
SELECT path FROM area ORDER BY path LIMIT 10000;

-- name: area_of_home
SELECT area_id FROM home WHERE home_id = %(home)s;

-- name: levels
-- What the site, each area on the way down, and the home say now.
WITH RECURSIVE chain AS (
    SELECT area_id, parent_id, path, 0 AS height FROM area WHERE area_id = %(area)s::integer
    UNION ALL
    SELECT a.area_id, a.parent_id, a.path, chain.height + 1 FROM chain JOIN area a ON a.area_id = chain.parent_id
)
SELECT level, place, parameters, changed_at, changed_by FROM (
    (SELECT 0 AS depth, 0 AS height, 'site' AS level, '' AS place, parameters, changed_at, changed_by
     FROM policy WHERE area_id IS NULL AND home_id IS NULL ORDER BY policy_id DESC LIMIT 1)
    UNION ALL
    SELECT 1, chain.height, 'area', chain.path, newest.parameters, newest.changed_at, newest.changed_by
    FROM chain
    CROSS JOIN LATERAL (SELECT * FROM policy p WHERE p.area_id = chain.area_id ORDER BY p.policy_id DESC LIMIT 1) newest
    UNION ALL
    (SELECT 2, 0, 'home', a.path || '/' || h.name, p.parameters, p.changed_at, p.changed_by
     FROM policy p JOIN home h USING (home_id) JOIN area a ON a.area_id = h.area_id
     WHERE p.home_id = %(home)s::integer ORDER BY p.policy_id DESC LIMIT 1)
) said
ORDER BY depth, height DESC;

-- name: of_all_areas
-- What all areas say now: those above a place bear on it as well as those below.
SELECT DISTINCT ON (area_id) a.path, p.parameters
FROM policy p JOIN area a USING (area_id)
ORDER BY area_id, policy_id DESC;

-- name: bounded_homes
-- What those homes say now that name a parameter which others bound.
SELECT newest.area, newest.name, newest.parameters
FROM (
    SELECT DISTINCT ON (p.home_id) a.path AS area, h.name, p.parameters
    FROM policy p JOIN home h ON h.home_id = p.home_id JOIN area a ON a.area_id = h.area_id
    WHERE p.home_id IS NOT NULL AND (%(path)s::text = '' OR a.path = %(path)s OR starts_with(a.path, %(path)s || '/'))
    ORDER BY p.home_id, p.policy_id DESC
) newest
WHERE newest.parameters ?| %(names)s::text[];

-- name: history
SELECT level, place, parameters, before, changed_at, changed_by FROM (
    SELECT p.policy_id, p.area_id, p.home_id, p.parameters, p.changed_at, p.changed_by,
           CASE WHEN p.home_id IS NOT NULL THEN 'home' WHEN p.area_id IS NOT NULL THEN 'area' ELSE 'site' END AS level,
           COALESCE(a.path || '/' || h.name, r.path, '') AS place,
           lag(p.parameters, 1, '{}') OVER (PARTITION BY p.area_id, p.home_id ORDER BY p.policy_id) AS before
    FROM policy p
    LEFT JOIN area r ON r.area_id = p.area_id
    LEFT JOIN home h ON h.home_id = p.home_id
    LEFT JOIN area a ON a.area_id = h.area_id
) said
WHERE %(everywhere)s OR (area_id IS NOT DISTINCT FROM %(area)s::integer AND home_id IS NOT DISTINCT FROM %(home)s::integer)
ORDER BY policy_id DESC
LIMIT %(limit)s;
