-- name: lock
SELECT pg_advisory_xact_lock(hashtext('anju.registry.import'));

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
SELECT d.name, d.device_id, d.driver, d.model, i.home_id, i.interval_s, i.litres_per_pulse
FROM device d LEFT JOIN installation i ON i.device_id = d.device_id AND i.removed_at IS NULL
WHERE d.name = ANY(%(names)s);

-- name: add_device
INSERT INTO device (name, driver, model) VALUES (%(name)s, %(driver)s, %(model)s) RETURNING device_id;

-- name: set_device
UPDATE device SET driver = %(driver)s, model = %(model)s WHERE device_id = %(device_id)s;

-- A device's periods must not overlap, and each must last: the old one ends first, the new one starts where it ended.
-- name: end_installation
UPDATE installation SET removed_at = GREATEST(%(now)s, installed_at + interval '1 microsecond')
WHERE device_id = %(device_id)s AND removed_at IS NULL;

-- name: add_installation
INSERT INTO installation (device_id, home_id, interval_s, litres_per_pulse, installed_at)
VALUES (
    %(device_id)s, %(home_id)s, %(interval_s)s, %(litres_per_pulse)s,
    GREATEST(%(installed_at)s, (SELECT max(removed_at) FROM installation WHERE device_id = %(device_id)s))
);

-- name: set_installation
UPDATE installation SET interval_s = %(interval_s)s, litres_per_pulse = %(litres_per_pulse)s
WHERE device_id = %(device_id)s AND removed_at IS NULL;

-- name: rearm
SELECT rearm_home(home_id, %(now)s) FROM unnest(%(homes)s::integer[]) AS touched (home_id) ORDER BY home_id;
