-- name: lock
SELECT FROM home WHERE home_id = ANY(%(homes)s::integer[]) ORDER BY home_id FOR NO KEY UPDATE;

-- name: placed
SELECT home_id, person_id, relation, position
FROM contact
WHERE home_id = ANY(%(homes)s::integer[])
ORDER BY home_id, position, person_id;

-- name: put
INSERT INTO contact (home_id, person_id, relation, position)
SELECT %(home)s, * FROM unnest(%(people)s::integer[], %(relations)s::text[], %(positions)s::smallint[])
ON CONFLICT (home_id, person_id) DO UPDATE SET relation = excluded.relation, position = excluded.position;

-- name: remove
DELETE FROM contact WHERE home_id = %(home)s AND person_id = ANY(%(people)s::integer[]);

-- name: homes_of
SELECT a.path, h.name, c.relation, c.position
FROM contact c
JOIN home h USING (home_id)
JOIN area a USING (area_id)
WHERE c.person_id = %(person)s
ORDER BY a.path, h.name;
