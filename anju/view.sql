-- name: readings
SELECT d.name, r.value, r.measured_at, r.received_at
FROM (
    SELECT device_id FROM installation WHERE removed_at IS NULL AND interval_s IS NOT NULL
    ORDER BY installation_id LIMIT 200
) i
JOIN device d USING (device_id)
CROSS JOIN LATERAL (
    SELECT value, measured_at, received_at FROM reading
    WHERE device_id = i.device_id AND quantity = %(quantity)s
      AND measured_at BETWEEN %(since)s AND %(until)s
    ORDER BY measured_at DESC LIMIT 20
) r;

-- name: alerts
SELECT a.alert_id, a.kind, a.severity, a.state, a.reason, a.raised_at, a.times_raised,
       COALESCE(h.name || ', ' || ar.name, a.device_name, CASE WHEN starts_with(a.subject, 'area/') THEN ar.path END, a.subject)
FROM alert a
LEFT JOIN home h USING (home_id)
LEFT JOIN area ar ON ar.area_id = COALESCE(h.area_id, a.area_id)
WHERE (a.state <> 'closed' OR a.closed_at > %(closed_since)s) AND NOT a.probe
ORDER BY a.raised_at DESC
LIMIT 50;

-- name: lanes_heard
SELECT lane FROM hearing WHERE heard_until >= %(since)s GROUP BY lane ORDER BY lane;
