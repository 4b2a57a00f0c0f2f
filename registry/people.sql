-- name: people
SELECT p.person_id, p.key, p.name, p.language, p.active,
       COALESCE(array_agg(a.channel ORDER BY a.channel, a.position, a.address_id) FILTER (WHERE a.channel IS NOT NULL), '{}'),
       COALESCE(array_agg(a.address ORDER BY a.channel, a.position, a.address_id) FILTER (WHERE a.channel IS NOT NULL), '{}'),
       COALESCE(array_agg(a.position ORDER BY a.channel, a.position, a.address_id) FILTER (WHERE a.channel IS NOT NULL), '{}')
FROM person p
LEFT JOIN person_address a USING (person_id)
WHERE (%(keys)s::text[] IS NULL OR p.key = ANY(%(keys)s))
  AND (%(ids)s::integer[] IS NULL OR p.person_id = ANY(%(ids)s))
  AND (p.active OR %(retired)s)
GROUP BY p.person_id
ORDER BY p.key;

-- name: contacts
SELECT c.home_id, c.person_id, c.relation, c.position
FROM contact c
JOIN person p USING (person_id)
WHERE c.home_id = ANY(%(homes)s::integer[]) AND p.active
ORDER BY c.home_id, c.position, c.person_id;

-- name: by_address
SELECT DISTINCT p.person_id
FROM person_address a
JOIN person p USING (person_id)
WHERE a.channel = ANY(%(channels)s::text[]) AND a.address = %(address)s AND p.active
LIMIT 2;
