-- What a migration waits for and who waits for it; none of it reads a clock. Locks are there for everybody to see; of the
-- sessions of other roles most is hidden from an owner who is no superuser.

-- name: in_its_way
SELECT a.pid, a.application_name, a.state
FROM pg_stat_activity a
WHERE a.pid = ANY (pg_blocking_pids(%s))
ORDER BY a.pid;

-- name: what_it_waits_for
SELECT l.relation::regclass::text
FROM pg_locks l
WHERE l.pid = %s AND NOT l.granted;

-- name: held_up_by_it
SELECT a.pid, a.application_name, a.state
FROM pg_stat_activity a
WHERE a.pid IN (SELECT l.pid FROM pg_locks l WHERE NOT l.granted)
  AND a.backend_type IS DISTINCT FROM 'autovacuum worker'
  AND %s = ANY (pg_blocking_pids(a.pid))
ORDER BY a.pid;
