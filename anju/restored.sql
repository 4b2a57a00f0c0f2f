-- Of a sequence that one may not read, last_value is null; but then setval fails.
-- name: move_numbers_on
SELECT count(setval(format('%%I.%%I', s.schemaname, s.sequencename)::regclass, COALESCE(s.last_value, 0) + %(by)s))
FROM pg_sequences s
WHERE s.schemaname = (SELECT relnamespace::regnamespace::text FROM pg_class WHERE oid = to_regclass('alert'));

-- name: what_there_is
SELECT (SELECT max(heard_until) FROM hearing),
       (SELECT count(*) FROM alert WHERE state <> 'closed' AND NOT probe),
       (SELECT count(*) FROM escalation JOIN alert USING (alert_id) WHERE due_at <= %(now)s AND NOT probe),
       (SELECT count(*) FROM notification WHERE state = 'pending');
