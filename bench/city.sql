-- name: unsafe
-- Only while the city is filled: what a crash would cost here is the run.
ALTER SYSTEM SET fsync = off;

-- name: safe
ALTER SYSTEM RESET fsync;

-- name: reload
SELECT pg_reload_conf();

-- name: fast
-- The rows below refer to each other by how they are made; checking that one by one takes longer than making them.
SET session_replication_role = replica;
SET synchronous_commit = off;
SET maintenance_work_mem = '1GB';
SET work_mem = '256MB';

-- name: tables
CREATE TABLE bench_class (class integer PRIMARY KEY, time_zone text NOT NULL);
CREATE TABLE bench_series (class integer, at timestamptz, total_l float8);
CREATE TABLE bench_home (home_id integer, class integer, shift interval);
CREATE TABLE bench_look (class integer, at timestamptz, due_at timestamptz, looked_until timestamptz, ongoing jsonb);

-- name: copy_classes
COPY bench_class (class, time_zone) FROM STDIN

-- name: copy_series
COPY bench_series (class, at, total_l) FROM STDIN

-- name: homes
-- The first of each class report on the hour; all others at moments that are spread over it.
INSERT INTO bench_home
SELECT i, i %% %(classes)s,
       CASE WHEN i > %(classes)s THEN make_interval(secs => (i::bigint * 2654435761 %% 3600000) / 1000.0) ELSE interval '0' END
FROM generate_series(1, %(homes)s) AS i;

-- name: index_homes
ALTER TABLE bench_series ADD PRIMARY KEY (at, class);
ALTER TABLE bench_home ADD PRIMARY KEY (home_id);
CREATE INDEX bench_home_shift ON bench_home (shift);
CREATE INDEX bench_home_class ON bench_home (class);
ANALYZE bench_home, bench_series, bench_class;

-- name: areas
-- A city, a district for each thousand homes and a community for each 500.
INSERT INTO area (area_id, parent_id, name, path) OVERRIDING SYSTEM VALUE
SELECT 1, NULL::integer, 'bench', 'bench'
UNION ALL
SELECT 1 + d, 1, 'd' || d, 'bench/d' || d FROM generate_series(1, %(communities)s / 2 + 1) AS d
UNION ALL
SELECT 3 + %(communities)s / 2 + c, 2 + c / 2, 'c' || c, 'bench/d' || 1 + c / 2 || '/c' || c
FROM generate_series(0, %(communities)s - 1) AS c;

-- name: registered
INSERT INTO home (home_id, area_id, name, time_zone) OVERRIDING SYSTEM VALUE
SELECT b.home_id, 3 + %(communities)s / 2 + b.home_id %% %(communities)s, 'h' || b.home_id, c.time_zone
FROM bench_home b JOIN bench_class c USING (class) ORDER BY b.home_id;

-- name: devices
INSERT INTO device (device_id, name, driver) OVERRIDING SYSTEM VALUE
SELECT i, 'bench-meter-' || i, 'anju' FROM generate_series(1, %(homes)s) AS i
UNION ALL
SELECT %(homes)s + i, 'bench-sos-' || i, 'anju' FROM generate_series(1, %(homes)s) AS i;

-- name: installed
INSERT INTO installation (device_id, home_id, interval_s, installed_at)
SELECT device_id, (device_id - 1) %% %(homes)s + 1, CASE WHEN device_id <= %(homes)s THEN 3600 END, %(installed_at)s
FROM generate_series(1, 2 * %(homes)s) AS device_id ORDER BY device_id;

-- name: tests
-- Each button was tested within the month, and has said since how its battery is.
INSERT INTO event (device_name, kind, dedup_key, payload_hash, measured_at, received_at)
SELECT 'bench-sos-' || i, 'test_press', 'test', '\x00', at.tested, at.tested
FROM generate_series(1, %(homes)s) AS i, LATERAL (SELECT %(now)s - make_interval(hours => 72 + i %% 600) AS tested) AS at;

-- name: batteries
INSERT INTO reading (device_id, quantity, measured_at, received_at, value)
SELECT %(homes)s + i, %(battery)s, said.at, said.at, 90
FROM generate_series(1, %(homes)s) AS i,
     LATERAL (SELECT %(now)s - make_interval(secs => 3600 + i * 7919::bigint %% 82800) AS at) AS said;

-- name: drop_key
ALTER TABLE reading DROP CONSTRAINT reading_pkey;

-- name: readings
-- In the order in which they would have come: the readings of one home lie far apart.
INSERT INTO reading (device_id, quantity, measured_at, received_at, value)
SELECT h.home_id, %(quantity)s, s.at + h.shift, s.at + h.shift + interval '3 seconds', s.total_l
FROM bench_series s JOIN bench_home h USING (class)
WHERE s.at = %(hour)s AND h.home_id > %(classes)s AND s.at + h.shift <= %(until)s;

-- name: first_readings
-- All of the first of each class, the ones still to come too.
INSERT INTO reading (device_id, quantity, measured_at, received_at, value)
SELECT h.home_id, %(quantity)s, s.at, s.at + interval '3 seconds', s.total_l
FROM bench_series s JOIN bench_home h USING (class) WHERE h.home_id <= %(classes)s;

-- name: key
ALTER TABLE reading ADD PRIMARY KEY (device_id, quantity, measured_at);

-- name: arrive
-- What the meters of all homes report within a moment, as ingest would append it.
INSERT INTO reading (device_id, quantity, measured_at, received_at, value)
SELECT h.home_id, %(quantity)s, s.at + h.shift, %(until)s, s.total_l
FROM bench_home h JOIN bench_series s ON s.class = h.class AND s.at = %(hour)s
WHERE h.shift > %(after)s - %(hour)s AND h.shift <= %(until)s - %(hour)s
ON CONFLICT DO NOTHING;

-- name: hear
INSERT INTO hearing (lane, broker, worker, heard_until, heard_since)
VALUES ('bulk', 'bench', '', %(until)s, %(since)s), ('urgent', 'bench', 'bench', %(until)s, %(since)s)
ON CONFLICT (lane, broker, worker) DO UPDATE SET heard_until = excluded.heard_until;

-- name: enrol_samples
INSERT INTO home_profile (home_id, epoch_at, profiles)
SELECT i, '2000-01-01Z', '[]' FROM generate_series(1, %(homes)s) AS i;

-- name: profiles
-- Those of the class; none of them is to be learned anew while we measure.
INSERT INTO home_profile (home_id, epoch_at, profiles)
SELECT h.home_id, %(now)s, p.profiles
FROM bench_home h JOIN bench_home first ON first.class = h.class AND first.home_id <= %(classes)s
JOIN home_profile p ON p.home_id = first.home_id
WHERE h.home_id > %(classes)s
ORDER BY h.home_id;

-- name: learned
UPDATE home_profile SET epoch_at = %(now)s WHERE home_id <= %(homes)s;

-- name: watch_samples
-- Each is looked at every three hours, as a rule: a third of each kind, of all hours of the clock, in each of them.
INSERT INTO home_watch (home_id, due_at)
SELECT i, %(now)s + make_interval(hours => i / 24 %% 3) FROM generate_series(1, %(homes)s) AS i
ON CONFLICT (home_id) DO UPDATE SET due_at = excluded.due_at;

-- name: forget_requests
DELETE FROM rearm_request;

-- name: next_sample
SELECT min(due_at) FROM home_watch;

-- name: due_samples
SELECT array_agg(home_id) FROM home_watch WHERE due_at <= %(now)s;

-- name: note_looks
INSERT INTO bench_look (class, at, due_at, looked_until, ongoing)
SELECT h.class, %(now)s, w.due_at, w.looked_until, w.ongoing
FROM home_watch w JOIN bench_home h USING (home_id) WHERE w.home_id = ANY(%(homes)s);

-- name: watches
-- As the class was left by the last look that many minutes ago.
INSERT INTO home_watch (home_id, due_at, looked_until, ongoing)
SELECT h.home_id, last.due_at + h.shift, last.looked_until + h.shift,
       CASE WHEN last.ongoing = '{}' THEN last.ongoing ELSE (
           SELECT jsonb_object_agg(key, value::text::float8 + extract(epoch FROM h.shift)) FROM jsonb_each(last.ongoing)
       ) END
FROM bench_home h CROSS JOIN LATERAL (
    SELECT l.due_at, l.looked_until, l.ongoing FROM bench_look l
    WHERE l.class = h.class AND l.at <= %(now)s - h.shift
    ORDER BY l.at DESC LIMIT 1
) AS last
WHERE h.home_id > %(classes)s
ORDER BY h.home_id;

-- name: index_looks
CREATE INDEX ON bench_look (class, at DESC);
ANALYZE bench_look;

-- name: open_alerts
SELECT kind, count(*) FROM alert WHERE kind <> 'sos' GROUP BY kind ORDER BY count(*) DESC;

-- name: waiting
-- How many homes are overdue, and by how much the longest.
SELECT count(*), COALESCE(EXTRACT(epoch FROM %(now)s - min(due_at)), 0)::float8 FROM home_watch WHERE due_at < %(now)s;

-- name: not_swept
SELECT count(*) FROM rearm_request;

-- name: oldest
SELECT EXTRACT(epoch FROM %(now)s - due_at)::float8 FROM home_watch ORDER BY due_at LIMIT 1;

-- name: press
WITH new AS (
    INSERT INTO event (device_name, device_id, kind, dedup_key, payload_hash, measured_at, received_at)
    VALUES ('bench-sos-' || %(home)s::integer, %(homes)s + %(home)s::integer, 'button_press', %(key)s, '\x01', %(now)s, %(now)s)
    RETURNING event_id
)
INSERT INTO home_wake (event_id, created_at) SELECT event_id, %(now)s FROM new;

-- name: notify
SELECT pg_notify('anju_wake', '');

-- name: alerted
SELECT EXISTS (SELECT FROM alert WHERE subject = %(subject)s AND kind = 'sos');

-- name: sizes
SELECT (SELECT sum(reltuples)::float8 FROM pg_class WHERE relname LIKE 'reading\_2%' AND relkind = 'r'),
       pg_database_size(current_database())::float8;
