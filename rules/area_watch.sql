-- name: take_turn
-- Whoever locks the one row looks at the areas; nobody waits for it.
SELECT FROM area_watch WHERE looked_at <= %(before)s FOR UPDATE SKIP LOCKED;

-- name: looked
UPDATE area_watch SET looked_at = %(now)s;

-- name: parents
SELECT area_id, parent_id FROM area;

-- name: watched
-- How many homes of each area have a device that reports regularly.
SELECT h.area_id, count(*)
FROM home h
WHERE h.home_id IN (SELECT i.home_id FROM installation i WHERE i.removed_at IS NULL AND i.interval_s IS NOT NULL)
GROUP BY h.area_id;

-- name: behind
SELECT gateway, count(DISTINCT home_id)
FROM installation
WHERE gateway IS NOT NULL AND removed_at IS NULL AND interval_s IS NOT NULL
GROUP BY gateway;

-- name: troubled
-- What has been wrong for ever is none of this: it began with nobody else.
SELECT w.home_id, h.area_id, (w.ongoing ->> 'monitoring_lost')::float8, (w.ongoing ->> 'inactivity')::float8,
       serving.interval_s, serving.gateways
FROM home_watch w
JOIN home h USING (home_id)
CROSS JOIN LATERAL (
    SELECT max(i.interval_s) AS interval_s, array_agg(DISTINCT i.gateway) FILTER (WHERE i.gateway IS NOT NULL) AS gateways
    FROM installation i
    WHERE i.home_id = w.home_id AND i.removed_at IS NULL AND i.interval_s IS NOT NULL
) AS serving
WHERE (w.ongoing ? 'monitoring_lost' OR w.ongoing ? 'inactivity')
  AND GREATEST((w.ongoing ->> 'monitoring_lost')::float8, (w.ongoing ->> 'inactivity')::float8) >= %(earliest_s)s;

-- name: known
SELECT area_id, gateway, cause, since, suspected_at, opened_at, ended_at, told_area_id, told_gateway, homes, watched
FROM area_trouble;

-- name: keep
INSERT INTO area_trouble (scope, cause, area_id, gateway, since, suspected_at, opened_at, ended_at, told, told_area_id,
                          told_gateway, homes, watched)
VALUES (%(scope)s, %(cause)s, %(area_id)s, %(gateway)s, %(since)s, %(suspected_at)s, %(opened_at)s, %(ended_at)s, %(told)s,
        %(told_area_id)s, %(told_gateway)s, %(homes)s, %(watched)s)
ON CONFLICT (scope, cause) DO UPDATE
SET since = excluded.since, suspected_at = excluded.suspected_at, opened_at = excluded.opened_at,
    ended_at = excluded.ended_at, told = excluded.told, told_area_id = excluded.told_area_id,
    told_gateway = excluded.told_gateway, homes = excluded.homes, watched = excluded.watched;

-- name: forget
DELETE FROM area_trouble WHERE scope = %(scope)s AND cause = %(cause)s;

-- name: time_zone
SELECT time_zone FROM home WHERE home_id = %(home)s;

-- name: rearm_told
-- Their own alerts become part of the incident at once, not at the next look.
SELECT rearm_home(home_id, %(now)s)
FROM (
    SELECT DISTINCT a.home_id FROM alert a
    WHERE a.home_id = ANY(%(homes)s::integer[]) AND a.kind = %(kind)s AND a.state <> 'closed'
    ORDER BY a.home_id
) AS told;
