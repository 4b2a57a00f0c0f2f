-- Monthly partitions of the series, where it is a natively partitioned table.

-- name: kind_of_series
SELECT c.relkind, n.nspname
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = to_regclass('reading');

-- name: lock
SELECT pg_advisory_xact_lock(%s);

-- name: existing
SELECT c.relname
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = to_regclass('reading');

-- name: create
CREATE TABLE {partition} (LIKE {series} INCLUDING ALL);

-- name: attach
ALTER TABLE {series} ATTACH PARTITION {partition} FOR VALUES FROM ({from_}) TO ({to});
