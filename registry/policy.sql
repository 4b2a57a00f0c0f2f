-- name: of_areas
-- From the top of the tree down, for each area asked after.
WITH RECURSIVE chain AS (
    SELECT area_id AS asked, area_id, parent_id, 0 AS height
    FROM area WHERE area_id = ANY(%(areas)s::integer[])
    UNION ALL
    SELECT chain.asked, a.area_id, a.parent_id, chain.height + 1
    FROM chain JOIN area a ON a.area_id = chain.parent_id
)
SELECT chain.asked, newest.parameters
FROM chain
CROSS JOIN LATERAL (
    SELECT p.parameters FROM policy p WHERE p.area_id = chain.area_id ORDER BY p.policy_id DESC LIMIT 1
) AS newest
ORDER BY chain.asked, chain.height DESC;

-- name: of_homes
SELECT asked.home_id, newest.parameters
FROM unnest(%(homes)s::integer[]) AS asked (home_id)
CROSS JOIN LATERAL (
    SELECT p.parameters FROM policy p WHERE p.home_id = asked.home_id ORDER BY p.policy_id DESC LIMIT 1
) AS newest;

-- name: of_site
SELECT parameters FROM policy WHERE area_id IS NULL AND home_id IS NULL ORDER BY policy_id DESC LIMIT 1;

-- name: add
INSERT INTO policy (area_id, home_id, parameters, changed_at, changed_by)
VALUES (%(area)s, %(home)s, %(parameters)s, %(now)s, %(actor)s);

-- name: rearm_home
SELECT rearm_home(%(home)s, %(now)s);

-- name: request_rearm
INSERT INTO rearm_request (area_id, requested_at) VALUES (%(area)s, %(now)s);
