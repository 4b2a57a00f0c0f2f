-- name: of_area
SELECT h.home_id, h.area_id, a.path || '/' || h.name, h.time_zone
FROM home h JOIN area a USING (area_id)
WHERE a.path = %(area)s OR starts_with(a.path, %(area)s || '/')
ORDER BY a.path, h.name;

-- name: on_record
SELECT h.home_id, h.area_id, a.path || '/' || h.name
FROM home h JOIN area a USING (area_id)
WHERE h.home_id = ANY(%(homes)s::integer[]);
