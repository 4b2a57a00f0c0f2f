-- Two who note absences of one home come one after the other; devices of it are installed and heard meanwhile.
-- name: lock_home
SELECT FROM home WHERE home_id = %(home)s FOR NO KEY UPDATE;

-- name: overlapping
SELECT absence_id, from_at, COALESCE(ended_at, until_at), reason
FROM absence
WHERE home_id = %(home)s AND from_at < %(until)s AND COALESCE(ended_at, until_at) > %(from)s
  AND (ended_at IS NULL OR ended_at > from_at)
ORDER BY from_at
LIMIT 1;

-- name: add
INSERT INTO absence (home_id, from_at, until_at, reason, noted_at, noted_by)
VALUES (%(home)s, %(from)s, %(until)s, %(reason)s, %(now)s, %(by)s)
RETURNING absence_id;

-- name: home_of
SELECT home_id FROM absence WHERE absence_id = %(absence)s;

-- name: of_home
-- Those that are not over; one that was ended before it began never was.
SELECT absence_id FROM absence
WHERE home_id = %(home)s AND COALESCE(ended_at, until_at) > %(now)s AND (ended_at IS NULL OR ended_at > from_at)
ORDER BY from_at;

-- name: absence
SELECT absence_id, a.path, h.name, from_at, until_at, reason, noted_at, noted_by, ended_at, ended_by
FROM absence
JOIN home h USING (home_id)
JOIN area a USING (area_id)
WHERE absence_id = %(absence)s;

-- name: listed
SELECT absence_id, a.path, h.name, from_at, until_at, reason, noted_at, noted_by, ended_at, ended_by
FROM absence
JOIN home h USING (home_id)
JOIN area a USING (area_id)
WHERE (%(home)s::integer IS NULL OR home_id = %(home)s)
  AND (%(area)s::text IS NULL OR a.path = %(area)s OR starts_with(a.path, %(area)s || '/'))
  AND (%(over)s OR (COALESCE(ended_at, until_at) > %(now)s AND (ended_at IS NULL OR ended_at > from_at)))
ORDER BY COALESCE(ended_at, until_at), absence_id;

-- name: end
UPDATE absence SET ended_at = %(at)s, ended_by = %(by)s WHERE absence_id = %(absence)s;

-- name: rearm
SELECT rearm_home(%(home)s, %(now)s);
