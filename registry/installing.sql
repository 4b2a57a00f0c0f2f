-- name: device
SELECT d.device_id, i.home_id, a.path, h.name, i.interval_s, i.litres_per_pulse, i.resolution_l, i.gateway, i.installed_at,
       (SELECT max(removed_at) FROM installation WHERE device_id = d.device_id)
FROM device d
LEFT JOIN installation i ON i.device_id = d.device_id AND i.removed_at IS NULL
LEFT JOIN home h USING (home_id)
LEFT JOIN area a USING (area_id)
WHERE d.name = %(name)s;

-- name: homes
SELECT h.home_id, a.path, h.name
FROM unnest(%(areas)s::text[], %(names)s::text[]) AS wanted (area, name)
JOIN area a ON a.path = wanted.area
JOIN home h ON h.area_id = a.area_id AND h.name = wanted.name;

-- name: homes_of_area
SELECT h.name FROM area a JOIN home h USING (area_id) WHERE a.path = %(area)s ORDER BY h.name LIMIT 1000;
