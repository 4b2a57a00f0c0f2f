-- Additions only: the previous release goes on working on this schema.

-- ---------------------------------------------------------------- what a register shows, and the use that follows from it

CREATE FUNCTION register_used_l(before_l double precision, after_l double precision, elapsed_s double precision)
RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    -- The limits are those of devices.meters: backflow, what shows at once, what a home's pipe carries, roll-overs.
    SELECT CASE
        WHEN after_l - before_l BETWEEN -20.0 AND greatest(5000.0, 20000.0 * elapsed_s / 3600.0) THEN after_l - before_l
        WHEN after_l < before_l THEN (
            SELECT min(after_l + whole_l - before_l)
            FROM unnest('{1e6,1e7,1e8,1e9,1e10,1e11,1e12,4294967296,4294967.296}'::double precision[]) AS whole_l
            WHERE before_l <= whole_l AND after_l + whole_l - before_l BETWEEN 0.0 AND 0.05 * whole_l
              AND after_l + whole_l - before_l <= greatest(5000.0, 20000.0 * elapsed_s / 3600.0))
        END
$$;
COMMENT ON FUNCTION register_used_l IS 'litres between two readings of a register; null where they do not tell (reset, exchange, glitch)';

DO $$
DECLARE
    -- Without the Timescale licence (some hosted servers) there are hypertables, but neither columnstore nor aggregates.
    aggregates boolean := EXISTS (
        SELECT FROM pg_class c JOIN pg_extension e ON e.extname = 'timescaledb'
        WHERE c.oid = to_regclass('reading') AND c.relkind = 'r'
    ) AND coalesce(current_setting('timescaledb.license', true), '') = 'timescale';
BEGIN
    IF aggregates THEN
        EXECUTE $ts$
            CREATE MATERIALIZED VIEW register_per_hour
            WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
            SELECT device_id, time_bucket(INTERVAL '1 hour', measured_at) AS hour_at,
                   min(measured_at) AS first_at, first(value, measured_at) AS first_l,
                   max(measured_at) AS last_at, last(value, measured_at) AS last_l, count(*) AS readings
            FROM reading
            WHERE quantity = 1
            GROUP BY 1, 2
            WITH NO DATA
        $ts$;
    ELSE
        -- By device, so that a query for one home reads the readings of that home alone.
        EXECUTE $pg$
            CREATE VIEW register_per_hour AS
            SELECT d.device_id, h.hour_at, h.first_at, h.first_l, h.last_at, h.last_l, h.readings
            FROM device d CROSS JOIN LATERAL (
                SELECT date_trunc('hour', r.measured_at, 'UTC') AS hour_at,
                       min(r.measured_at) AS first_at, (array_agg(r.value ORDER BY r.measured_at))[1] AS first_l,
                       max(r.measured_at) AS last_at, (array_agg(r.value ORDER BY r.measured_at DESC))[1] AS last_l,
                       count(*) AS readings
                FROM reading r
                WHERE r.device_id = d.device_id AND r.quantity = 1
                GROUP BY 1
            ) AS h
        $pg$;
    END IF;
END $$;

CREATE VIEW use_per_hour AS
    SELECT h.device_id, h.hour_at,
           coalesce(
               register_used_l(before.value, h.last_l, date_part('epoch', h.last_at - before.measured_at)),
               CASE WHEN h.readings > 1 THEN
                   register_used_l(h.first_l, h.last_l, date_part('epoch', h.last_at - h.first_at))
               END
           ) AS use_l,
           h.readings
    FROM register_per_hour h
    LEFT JOIN LATERAL (
        SELECT r.measured_at, r.value
        FROM reading r
        WHERE r.device_id = h.device_id AND r.quantity = 1 AND r.measured_at < h.hour_at
        ORDER BY r.measured_at DESC
        LIMIT 1
    ) AS before ON true;
COMMENT ON VIEW use_per_hour IS 'water by device and hour (UTC): what the readings of the hour show more than the reading before them; null: unknown';

CREATE VIEW use_per_day AS
    SELECT i.device_id, i.home_id, (h.hour_at AT TIME ZONE home.time_zone)::date AS day_on,
           sum(coalesce(
               register_used_l(before.value, h.last_l, date_part('epoch', h.last_at - before.measured_at)),
               CASE WHEN h.readings > 1 THEN
                   register_used_l(h.first_l, h.last_l, date_part('epoch', h.last_at - h.first_at))
               END
           )) AS use_l,
           count(*) AS hours
    FROM installation i
    JOIN home USING (home_id)
    CROSS JOIN LATERAL (
        SELECT p.hour_at, p.first_at, p.first_l, p.last_at, p.last_l, p.readings
        FROM register_per_hour p
        WHERE p.device_id = i.device_id AND p.hour_at >= i.installed_at
          AND (i.removed_at IS NULL OR p.hour_at < i.removed_at)
        OFFSET 0  -- else the hours of all devices would be read for one home
    ) AS h
    LEFT JOIN LATERAL (
        SELECT r.measured_at, r.value
        FROM reading r
        WHERE r.device_id = i.device_id AND r.quantity = 1
          AND r.measured_at >= i.installed_at AND r.measured_at < h.hour_at
        ORDER BY r.measured_at DESC
        LIMIT 1
    ) AS before ON true
    GROUP BY 1, 2, 3;
COMMENT ON VIEW use_per_day IS 'water by device, home and day of the home''s time zone; hours: how many of the day''s hours have readings';

-- ---------------------------------------------------------------- keeping the series

CREATE TABLE keep_task (
    task         text PRIMARY KEY,
    known_since  timestamptz NOT NULL,
    succeeded_at timestamptz,
    failed_at    timestamptz,
    failures     bigint NOT NULL DEFAULT 0,
    fault        text NOT NULL DEFAULT ''
);
COMMENT ON TABLE keep_task IS 'what anju keep does, and the jobs of TimescaleDB as it saw them: when each was last done, and how often it failed';

CREATE TABLE keep_retention (
    quantity   smallint PRIMARY KEY,
    deleted_to timestamptz NOT NULL
);
COMMENT ON TABLE keep_retention IS 'no reading of the quantity measured before this is left: not looked for again';

-- Ingest and keep may do this much and no more: the tables are their owner's.
CREATE FUNCTION make_reading_partition(month_at timestamptz) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    month  timestamp := month_at AT TIME ZONE 'UTC';
    name   text := to_char(month, '"reading_"YYYYMM');
    series regclass := to_regclass('reading');
BEGIN
    IF month <> date_trunc('month', month) THEN
        RAISE EXCEPTION '% is no beginning of a month in UTC', month_at USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF (SELECT relkind FROM pg_class WHERE oid = series) <> 'p' THEN
        RETURN NULL;
    END IF;
    PERFORM pg_advisory_xact_lock(1885434484);
    IF EXISTS (SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
               WHERE i.inhparent = series AND c.relname = name) THEN
        RETURN NULL;
    END IF;
    -- Attached rather than made in place: that would lock out whoever reads or writes the series.
    EXECUTE format('CREATE TABLE %I (LIKE reading INCLUDING ALL)', name);
    EXECUTE format('ALTER TABLE reading ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name, month_at,
                   (month + INTERVAL '1 month') AT TIME ZONE 'UTC');
    RETURN name;
END $$;
COMMENT ON FUNCTION make_reading_partition IS 'makes the partition of a month (UTC) where the series has partitions and not this one; its name, or null';

CREATE FUNCTION drop_readings(before_at timestamptz) RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER SET lock_timeout = '1s' AS $$
DECLARE
    name text;
BEGIN
    IF (SELECT relkind FROM pg_class WHERE oid = to_regclass('reading')) = 'r' THEN
        RETURN QUERY SELECT drop_chunks('reading', older_than => before_at);
        RETURN;
    END IF;
    FOR name IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = to_regclass('reading') AND c.relname ~ '^reading_[0-9]{6}$'
          AND (to_date(right(c.relname, 6), 'YYYYMM') + INTERVAL '1 month') AT TIME ZONE 'UTC' <= before_at
        ORDER BY c.relname
        LIMIT 1  -- with its lock held, each further one would prolong the time that all others wait
    LOOP
        EXECUTE format('DROP TABLE %I', name);
        RETURN NEXT name;
    END LOOP;
END $$;
COMMENT ON FUNCTION drop_readings IS 'drops chunks or partitions that end before an instant, partitions one at a time; their names. Gives up after 1 s of waiting for a lock';

-- The jobs of the series on TimescaleDB. What may still come late stays out of the columnstore and is aggregated anew.
CREATE FUNCTION fit_series(late_window interval) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET lock_timeout = '1s' AS $$
DECLARE
    late   interval := make_interval(days => greatest(ceil(date_part('epoch', late_window) / 86400.0)::integer, 35) + 1);
    wanted jsonb;
    job    record;
    fitted boolean := false;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_class WHERE oid = to_regclass('register_per_hour') AND relkind = 'v')
       OR (SELECT relkind FROM pg_class WHERE oid = to_regclass('reading')) <> 'r' THEN
        RETURN false;
    END IF;
    FOR job IN SELECT job_id, proc_name, hypertable_name, config FROM timescaledb_information.jobs
               WHERE hypertable_name IN ('reading', 'register_per_hour') ORDER BY proc_name
    LOOP
        wanted := CASE
            WHEN job.proc_name = 'policy_compression' AND job.hypertable_name = 'reading'
                THEN jsonb_build_object('compress_after', late::text)
            WHEN job.proc_name = 'policy_compression'
                THEN jsonb_build_object('compress_after', (late + INTERVAL '7 days')::text)
            WHEN job.proc_name = 'policy_refresh_continuous_aggregate'
                THEN jsonb_build_object('start_offset', late::text)
        END;
        IF wanted IS NOT NULL AND NOT job.config @> wanted THEN
            PERFORM alter_job(job.job_id, config => job.config || wanted);
            fitted := true;
        END IF;
    END LOOP;
    RETURN fitted;
END $$;
COMMENT ON FUNCTION fit_series IS 'fits the jobs of TimescaleDB to the late window, never below 35 days; whether anything changed';

DO $$
DECLARE
    ours    text := quote_ident(current_schema());
    theirs  text := (SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
                     WHERE e.extname = 'timescaledb');
    callee  text;
BEGIN
    FOREACH callee IN ARRAY '{make_reading_partition(timestamptz),drop_readings(timestamptz),fit_series(interval)}'::text[]
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %s', callee,
                       concat_ws(', ', ours, nullif(theirs, ours), 'pg_temp'));
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', callee);
    END LOOP;
    IF theirs IS NULL THEN
        RETURN;
    END IF;
    IF NOT EXISTS (
        SELECT FROM timescaledb_information.continuous_aggregates
        WHERE view_schema = current_schema() AND view_name = 'register_per_hour'
    ) THEN
        RETURN;
    END IF;
    ALTER TABLE reading SET (
        timescaledb.enable_columnstore = true,
        timescaledb.segmentby = 'device_id, quantity',
        timescaledb.orderby = 'measured_at'
    );
    CALL add_columnstore_policy('reading', after => INTERVAL '36 days');
    ALTER MATERIALIZED VIEW register_per_hour SET (timescaledb.enable_columnstore = true);
    PERFORM add_continuous_aggregate_policy('register_per_hour', start_offset => INTERVAL '36 days',
                                            end_offset => INTERVAL '1 hour', schedule_interval => INTERVAL '1 hour');
    CALL add_columnstore_policy('register_per_hour', after => INTERVAL '43 days');
    -- The policy looks back over the late window only. What is older changes too: at first, when there is history already;
    -- when retention deletes; when quarantine is replayed. A job has nobody who could pass it the time.
    EXECUTE format($job$
        CREATE PROCEDURE refresh_use_history(job_id integer, config jsonb) LANGUAGE plpgsql AS $body$
        BEGIN
            CALL %1$s.refresh_continuous_aggregate('%2$s.register_per_hour', NULL, now() - INTERVAL '1 hour');
        END $body$
    $job$, theirs, ours);
    REVOKE ALL ON PROCEDURE refresh_use_history FROM PUBLIC;
    PERFORM add_job('refresh_use_history', INTERVAL '1 day');
END $$;
