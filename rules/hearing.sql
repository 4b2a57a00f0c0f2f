-- name: ears
-- The one place that reads the database's clock: to compare it with ours.
SELECT clock_timestamp(), lane, broker, heard_until, heard_since
FROM (SELECT) AS always LEFT JOIN hearing ON true;

-- name: told_since
SELECT since FROM alert WHERE subject = %(subject)s AND kind = %(kind)s AND state <> 'closed';
