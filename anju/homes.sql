-- name: home
SELECT h.area_id, a.path || '/' || h.name, h.time_zone, w.due_at, w.rearmed, w.looked_until, w.ongoing
FROM home h JOIN area a USING (area_id) LEFT JOIN home_watch w USING (home_id)
WHERE h.home_id = %(home)s;

-- name: alerts
SELECT alert_id, kind, severity, state, since, reason
FROM alert WHERE home_id = %(home)s AND state <> 'closed'
ORDER BY raised_at;

-- name: listed
SELECT h.home_id, a.path || '/' || h.name, w.due_at,
       (SELECT count(*) FROM installation i WHERE i.home_id = h.home_id AND i.removed_at IS NULL),
       (SELECT count(*) FROM alert WHERE alert.home_id = h.home_id AND state <> 'closed'),
       EXISTS (SELECT FROM absence WHERE absence.home_id = h.home_id AND from_at <= %(now)s
               AND COALESCE(ended_at, until_at) > %(now)s)
FROM home h JOIN area a USING (area_id) LEFT JOIN home_watch w USING (home_id)
WHERE NOT h.probe AND (%(area)s::text IS NULL OR a.path = %(area)s OR starts_with(a.path, %(area)s || '/'))
ORDER BY a.path, h.name
LIMIT %(limit)s;
