-- name: lock
SELECT pg_advisory_xact_lock(hashtext('anju.registry.people'));

-- name: add
INSERT INTO person (key, name, language) VALUES (%(key)s, %(name)s, %(language)s)
ON CONFLICT (key) DO NOTHING
RETURNING person_id;

-- name: add_all
INSERT INTO person (key, name, language)
SELECT * FROM unnest(%(keys)s::text[], %(names)s::text[], %(languages)s::text[])
RETURNING key, person_id;

-- name: add_addresses
INSERT INTO person_address (person_id, channel, address, position)
SELECT * FROM unnest(%(ids)s::integer[], %(channels)s::text[], %(addresses)s::text[], %(positions)s::smallint[]);

-- name: amend
UPDATE person
SET name = COALESCE(%(name)s, name), language = COALESCE(%(language)s, language), active = COALESCE(%(active)s, active)
WHERE person_id = %(id)s;

-- name: owners
SELECT DISTINCT a.address, p.key
FROM person_address a
JOIN person p USING (person_id)
WHERE a.channel IN ('sms', 'voice') AND a.address = ANY(%(numbers)s::text[]) AND p.active;

-- name: set_addresses
WITH wanted AS (
    SELECT address, position FROM unnest(%(addresses)s::text[]) WITH ORDINALITY AS given (address, position)
), gone AS (
    DELETE FROM person_address
    WHERE person_id = %(id)s AND channel = %(channel)s AND address NOT IN (SELECT address FROM wanted)
)
INSERT INTO person_address (person_id, channel, address, position)
SELECT %(id)s, %(channel)s, address, position FROM wanted
ON CONFLICT (person_id, channel, address) DO UPDATE SET position = excluded.position;
