-- name: newest_installation
SELECT max(installation_id) FROM installation

-- name: installed_devices
-- Devices of the drivers whose presses share a topic with telemetry.
SELECT d.name, d.driver, d.model
FROM installation i JOIN device d USING (device_id)
WHERE (i.removed_at IS NULL OR i.removed_at > %(now)s) AND d.driver = ANY(%(drivers)s)

-- name: called
-- Installed devices that have pressed or fallen since an event.
SELECT max(event_id), device_name FROM event
WHERE event_id > %(after)s AND kind = ANY(%(kinds)s) AND device_id IS NOT NULL GROUP BY device_name
