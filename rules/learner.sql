-- name: enrol
-- Homes that have no row yet get one that is due at once.
INSERT INTO home_profile (home_id, epoch_at, profiles)
SELECT h.home_id, %(never)s, '[]' FROM home h
WHERE NOT EXISTS (SELECT FROM home_profile p WHERE p.home_id = h.home_id)
ORDER BY h.home_id
LIMIT %(homes)s
ON CONFLICT (home_id) DO NOTHING
RETURNING home_id;

-- name: due
SELECT p.home_id, p.epoch_at, p.profiles, h.area_id, h.time_zone
FROM home_profile p JOIN home h USING (home_id)
WHERE p.epoch_at <= %(latest)s
ORDER BY p.epoch_at
LIMIT %(homes)s
FOR UPDATE OF p SKIP LOCKED;

-- name: installations
SELECT i.home_id, i.device_id, d.name, i.interval_s, i.litres_per_pulse, i.resolution_l, i.installed_at, i.removed_at
FROM installation i JOIN device d USING (device_id)
WHERE i.home_id = ANY(%(homes)s::integer[]) AND (i.removed_at IS NULL OR i.removed_at > %(earliest)s)
ORDER BY i.home_id, i.installed_at, i.installation_id;

-- name: not_lived
-- What must not be learned: absences, and spells that turned out to be an emergency.
SELECT home_id, from_at, LEAST(until_at, COALESCE(ended_at, until_at)) FROM absence
WHERE home_id = ANY(%(homes)s::integer[]) AND until_at > %(earliest)s
UNION ALL
SELECT home_id, since, closed_at FROM alert
WHERE subject = ANY(%(subjects)s::text[]) AND outcome = ANY(%(outcomes)s::text[]) AND closed_at > %(earliest)s;

-- name: write
INSERT INTO home_profile (home_id, epoch_at, profiles)
SELECT home_id, epoch_at, profiles::jsonb
FROM unnest(%(homes)s::integer[], %(epochs)s::timestamptz[], %(profiles)s::text[]) AS learned (home_id, epoch_at, profiles)
ORDER BY home_id
ON CONFLICT (home_id) DO UPDATE SET epoch_at = excluded.epoch_at, profiles = excluded.profiles;

-- name: look_again
SELECT rearm_home(home_id, %(now)s) FROM unnest(%(homes)s::integer[]) AS late (home_id) ORDER BY home_id;
