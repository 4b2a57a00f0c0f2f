-- name: add_area
INSERT INTO area (parent_id, name, path)
VALUES ((SELECT area_id FROM area WHERE path = %(parent)s), %(name)s, %(path)s)
ON CONFLICT (path) DO NOTHING;

-- name: homes
SELECT a.path, h.name, h.home_id, h.time_zone
FROM home h JOIN area a USING (area_id)
WHERE a.path = ANY(%(areas)s);

-- name: add_home
INSERT INTO home (area_id, name, time_zone)
SELECT area_id, %(name)s, %(time_zone)s FROM area WHERE path = %(area)s
RETURNING home_id;

-- name: set_time_zone
UPDATE home SET time_zone = %(time_zone)s WHERE home_id = %(home_id)s;

-- name: residents
SELECT home_id, name FROM resident WHERE home_id = ANY(%(homes)s);

-- name: add_resident
INSERT INTO resident (home_id, name) VALUES (%(home_id)s, %(name)s);

-- name: devices
SELECT d.name, d.device_id, d.driver, d.model, i.home_id, i.interval_s, i.litres_per_pulse, i.resolution_l, i.gateway
FROM device d LEFT JOIN installation i ON i.device_id = d.device_id AND i.removed_at IS NULL
WHERE d.name = ANY(%(names)s);
