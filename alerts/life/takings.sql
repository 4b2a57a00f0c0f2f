-- How soon alerts were taken, out of their histories.

-- name: try_lock
SELECT pg_try_advisory_lock(hashtextextended('anju.alerts.takings', 0))

-- name: newest
SELECT COALESCE(max(entry_id), 0) FROM alert_entry

-- Entries that took an alert which nobody had: not those of a second person, nor of one who goes further. The entries of
-- one alert are written in the order of their numbers, since each writer holds the alert.
-- name: takings
SELECT e.entry_id, e.detail ->> 'severity' AS severity, e.at - a.raised_at AS after
FROM alert_entry e
JOIN alert a USING (alert_id)
LEFT JOIN LATERAL (
    SELECT b.action FROM alert_entry b
    WHERE b.alert_id = e.alert_id AND b.entry_id < e.entry_id
      AND (b.action = ANY (%(takes)s::text[]) OR b.action = ANY (%(frees)s::text[]))
    ORDER BY b.entry_id DESC LIMIT 1
) before ON true
WHERE e.entry_id > %(since)s AND e.action = ANY (%(takes)s::text[]) AND NOT a.probe
  AND (before.action IS NULL OR before.action = ANY (%(frees)s::text[]))
