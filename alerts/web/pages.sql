-- What the page of a link needs to know besides the alert, and what the reader is to its home.

-- name: reader
SELECT p.person_id, p.key, p.language, COALESCE(h.time_zone, 'UTC') AS time_zone
FROM person p
JOIN alert a ON a.alert_id = %(alert_id)s
LEFT JOIN home h ON h.home_id = a.home_id
WHERE p.person_id = %(person_id)s AND p.active
