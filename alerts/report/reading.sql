-- Alerts and homes are of one moment.
-- name: one_view
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY;

-- name: homes
SELECT a.path, h.time_zone, array_agg(i.installed_at ORDER BY i.installed_at), array_agg(i.removed_at ORDER BY i.installed_at)
FROM home h
JOIN area a USING (area_id)
JOIN installation i USING (home_id)
WHERE NOT h.probe
  AND (%(area)s::text = '' OR a.path = %(area)s OR starts_with(a.path, %(area)s || '/'))
  AND i.installed_at < %(ends)s AND (i.removed_at IS NULL OR i.removed_at > %(begins)s)
GROUP BY h.home_id, a.path;

-- name: alerts
SELECT COALESCE(r.path, ''), h.time_zone, a.kind, a.severity, a.raised_at, a.outcome,
       said.answered_at, said.set_out_at, said.on_scene_at, said.closed_at
FROM alert a
LEFT JOIN home h USING (home_id)
LEFT JOIN area r ON r.area_id = COALESCE(h.area_id, a.area_id)
LEFT JOIN LATERAL (
    SELECT min(e.at) FILTER (WHERE e.action = ANY(%(answers)s::text[])) AS answered_at,
           min(e.at) FILTER (WHERE e.action = ANY(%(setting_out)s::text[])) AS set_out_at,
           min(e.at) FILTER (WHERE e.action = %(on_scene)s) AS on_scene_at,
           min(e.at) FILTER (WHERE e.action = ANY(%(endings)s::text[])) AS closed_at
    FROM alert_entry e
    WHERE e.alert_id = a.alert_id
) said ON true
WHERE a.raised_at >= %(begins)s AND a.raised_at < %(ends)s
  AND NOT a.probe
  AND a.reason_id <> ALL(%(by_hand)s::text[])
  AND (a.outcome IS NULL OR a.outcome <> ALL(%(unseen)s::text[]))
  AND (%(area)s::text = '' OR r.path = %(area)s OR starts_with(r.path, %(area)s || '/'));
