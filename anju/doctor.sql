-- name: versions
SELECT current_setting('server_version_num')::integer,
       (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'),
       (SELECT default_version FROM pg_available_extensions WHERE name = 'timescaledb');

-- The one place that asks for the database's clock: to compare it with ours.
-- name: clock
SELECT clock_timestamp();

-- name: durable
SELECT current_setting('fsync'), current_setting('synchronous_commit');

-- name: last_partition
SELECT max(substring(c.relname FROM '^reading_(\d{6})$'))
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'reading'::regclass;

-- name: is_partitioned
SELECT relkind = 'p' FROM pg_class WHERE oid = 'reading'::regclass;

-- name: hearing
SELECT min(heard_until) FROM hearing WHERE lane = 'bulk';

-- name: unprotected
SELECT count(DISTINCT home_id), count(DISTINCT told) FROM unprotected_home;

-- name: mighty_sessions
-- Sessions of ours at this database that could do anything: as a superuser, or as the owner of the series.
SELECT DISTINCT a.application_name
FROM pg_stat_activity a
JOIN pg_roles r ON r.oid = a.usesysid
WHERE a.datname = current_database() AND a.application_name LIKE 'anju%' AND a.application_name <> 'anju migrate'
  AND (r.rolsuper OR r.oid = (SELECT relowner FROM pg_class WHERE oid = 'reading'::regclass))
ORDER BY a.application_name;
