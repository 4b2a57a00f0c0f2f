-- Whoever writes installations holds this lock: an import and a command at the same time come one after the other.
-- name: lock
SELECT pg_advisory_xact_lock(hashtext('anju.registry.import'));

-- name: add_device
INSERT INTO device (name, driver, model) VALUES (%(name)s, %(driver)s, %(model)s) RETURNING device_id;

-- name: set_device
UPDATE device SET driver = %(driver)s, model = %(model)s WHERE device_id = %(device_id)s;

-- A device's periods must not overlap, and each must last: the old one ends first, the new one starts where it ended.
-- name: end_installation
UPDATE installation SET removed_at = GREATEST(%(at)s, installed_at + interval '1 microsecond')
WHERE device_id = %(device_id)s AND removed_at IS NULL;

-- name: begin_installation
INSERT INTO installation (device_id, home_id, interval_s, litres_per_pulse, resolution_l, gateway, installed_at)
VALUES (
    %(device_id)s, %(home_id)s, %(interval_s)s, %(litres_per_pulse)s, %(resolution_l)s, %(gateway)s,
    GREATEST(%(at)s, (SELECT max(removed_at) FROM installation WHERE device_id = %(device_id)s))
);

-- name: set_terms
UPDATE installation
SET interval_s = %(interval_s)s, litres_per_pulse = %(litres_per_pulse)s, resolution_l = %(resolution_l)s,
    gateway = %(gateway)s
WHERE device_id = %(device_id)s AND removed_at IS NULL;

-- name: rearm
SELECT rearm_home(home_id, %(now)s) FROM unnest(%(homes)s::integer[]) AS touched (home_id) ORDER BY home_id;
