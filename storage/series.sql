-- name: is_hypertable
SELECT relkind = 'r' FROM pg_class WHERE oid = to_regclass('reading');

-- name: size_of_partitions
SELECT pg_database_size(current_database()), coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint, 0::bigint,
       coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint, count(*), 0::bigint, 0::bigint,
       min(to_date(right(c.relname, 6), 'YYYYMM'))::timestamp AT TIME ZONE 'UTC',
       (max(to_date(right(c.relname, 6), 'YYYYMM')) + INTERVAL '1 month') AT TIME ZONE 'UTC'
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = to_regclass('reading') AND c.relname ~ '^reading_[0-9]{6}$';

-- name: size_of_hypertable
SELECT pg_database_size(current_database()), coalesce(hypertable_size('reading'), 0)::bigint,
       coalesce((SELECT hypertable_size(format('%%I.%%I', a.materialization_hypertable_schema,
                                               a.materialization_hypertable_name)::regclass)
                 FROM timescaledb_information.continuous_aggregates a WHERE a.view_name = 'register_per_hour'), 0)::bigint,
       coalesce(approximate_row_count('reading'), 0)::bigint, count(*),
       count(*) FILTER (WHERE is_compressed), count(*) FILTER (WHERE NOT is_compressed AND range_end < %(pack_before)s),
       min(range_start), max(range_end)
FROM timescaledb_information.chunks
WHERE hypertable_name = 'reading';

-- name: fit
SELECT fit_series(%s);

-- name: jobs
-- A job that never ran has '-infinity' there, or no row.
SELECT j.proc_name::text, j.hypertable_name::text, nullif(s.last_successful_finish, '-infinity'),
       coalesce(s.total_failures, 0)
FROM timescaledb_information.jobs j LEFT JOIN timescaledb_information.job_stats s USING (job_id)
WHERE j.job_id >= 1000  -- those below are the extension's own
  AND (j.hypertable_name IN ('reading', 'register_per_hour') OR j.proc_name = 'refresh_use_history');

-- name: note_job
INSERT INTO keep_task AS known (task, known_since, succeeded_at, failures)
VALUES (%(task)s, %(now)s, %(succeeded_at)s, %(failures)s)
ON CONFLICT (task) DO UPDATE
    SET succeeded_at = excluded.succeeded_at, failures = excluded.failures,
        failed_at = CASE WHEN excluded.failures > known.failures THEN %(now)s ELSE known.failed_at END;

-- name: note_success
INSERT INTO keep_task (task, known_since, succeeded_at) VALUES (%(task)s, %(now)s, %(now)s)
ON CONFLICT (task) DO UPDATE SET succeeded_at = excluded.succeeded_at;

-- name: note_failure
INSERT INTO keep_task AS known (task, known_since, failed_at, failures, fault) VALUES (%(task)s, %(now)s, %(now)s, 1, %(fault)s)
ON CONFLICT (task) DO UPDATE
    SET failed_at = excluded.failed_at, failures = known.failures + 1, fault = excluded.fault;

-- name: done
SELECT task, known_since, succeeded_at, failures, fault FROM keep_task ORDER BY task;
