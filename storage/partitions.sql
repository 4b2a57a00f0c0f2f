-- Monthly partitions of the series, where it is a natively partitioned table.

-- name: is_partitioned
SELECT relkind = 'p' FROM pg_class WHERE oid = to_regclass('reading');

-- name: existing
SELECT c.relname
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = to_regclass('reading');

-- name: make
SELECT make_reading_partition(%s);
