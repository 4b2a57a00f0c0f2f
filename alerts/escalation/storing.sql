-- name: write
INSERT INTO escalation_policy (area_id, definition, changed_at, changed_by)
VALUES (%(area)s, %(definition)s, %(now)s, %(by)s)

-- name: history
SELECT p.escalation_policy_id, COALESCE(a.path, ''), p.definition, p.changed_at, p.changed_by
FROM escalation_policy p
LEFT JOIN area a USING (area_id)
WHERE %(everywhere)s OR p.area_id IS NOT DISTINCT FROM %(area)s::integer
ORDER BY p.escalation_policy_id DESC
LIMIT %(limit)s
