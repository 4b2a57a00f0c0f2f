-- name: hearing
SELECT h.broker, h.lane, h.worker, h.heard_since, h.heard_until, l.worker, l.lease_until
FROM hearing h LEFT JOIN bulk_lease l ON l.broker = h.broker AND h.lane = 'bulk'
UNION ALL
SELECT l.broker, 'bulk', '', NULL, NULL, l.worker, l.lease_until
FROM bulk_lease l WHERE NOT EXISTS (SELECT FROM hearing h WHERE h.broker = l.broker AND h.lane = 'bulk')
ORDER BY 1, 2, 3;

-- name: forget
WITH ears AS (DELETE FROM hearing WHERE broker = %(broker)s RETURNING 1),
     lease AS (DELETE FROM bulk_lease WHERE broker = %(broker)s RETURNING 1),
     look AS (INSERT INTO rearm_request (area_id, requested_at) VALUES (NULL, %(now)s))
SELECT (SELECT count(*) FROM ears) + (SELECT count(*) FROM lease);
