-- name: put_quantity
INSERT INTO quantity (quantity, name, unit) VALUES (%(quantity)s, %(name)s, %(unit)s)
ON CONFLICT (quantity) DO UPDATE SET name = excluded.name, unit = excluded.unit
WHERE (quantity.name, quantity.unit) IS DISTINCT FROM (excluded.name, excluded.unit);
