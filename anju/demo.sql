-- name: other_homes
SELECT 1 FROM home h JOIN area a USING (area_id)
WHERE a.path <> %(area)s AND NOT starts_with(a.path, %(area)s || '/')
LIMIT 1;

-- name: reported_since
SELECT count(*) FROM device d
WHERE d.name = ANY(%(devices)s) AND EXISTS (
    SELECT FROM reading r
    WHERE r.device_id = d.device_id AND r.quantity = %(quantity)s AND r.measured_at > %(since)s
);
