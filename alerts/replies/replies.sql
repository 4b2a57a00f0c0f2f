-- What people answer: kept once, done, and answered.

-- Two answers of one person wait for each other, so that what is said in return is counted right.
-- name: lock_person
SELECT person_id, key, language FROM person WHERE person_id = %(person_id)s AND active FOR NO KEY UPDATE

-- name: by_key
SELECT person_id FROM person WHERE key = %(key)s AND active

-- name: of_notification
SELECT alert_id, person_id FROM notification WHERE notification_id = %(notification_id)s

-- No row comes back when this answer is known already; one that is being taken elsewhere is waited for.
-- name: keep
INSERT INTO reply (provider, provider_id, received_at, person_id, alert_id, said, result)
VALUES (%(provider)s, %(provider_id)s, %(now)s, %(person_id)s, %(alert_id)s, %(said)s, 'taken')
ON CONFLICT (provider, provider_id) DO NOTHING
RETURNING reply_id

-- name: kept
SELECT result FROM reply WHERE provider = %(provider)s AND provider_id = %(provider_id)s

-- name: settle
UPDATE reply SET alert_id = COALESCE(%(alert_id)s, alert_id), result = %(result)s WHERE reply_id = %(reply_id)s

-- A message on its way may have been read, though nobody has seen the provider's answer.
-- name: told_of
SELECT a.alert_id FROM alert a
WHERE a.state <> 'closed'
  AND EXISTS (SELECT FROM notification n WHERE n.alert_id = a.alert_id AND n.person_id = %(person_id)s
              AND (n.state = 'accepted' OR n.attempts > 0))
ORDER BY a.raised_at DESC, a.alert_id DESC

-- name: was_sent
SELECT FROM notification
WHERE alert_id = %(alert_id)s AND channel = 'webhook' AND recipient = ANY (%(desks)s::text[])
  AND (state = 'accepted' OR attempts > 0)
LIMIT 1

-- name: is_open
SELECT FROM alert WHERE alert_id = %(alert_id)s AND state <> 'closed'

-- name: last_told
SELECT alert_id FROM notification
WHERE channel = 'sms' AND recipient = %(recipient)s AND person_id = %(person_id)s
ORDER BY created_at DESC LIMIT 1

-- What somebody is to the home of an alert; null: staff. As whom they were told decides: who is no contact any more was
-- told as one all the same.
-- name: relation
SELECT CASE told.audience
           WHEN 'staff' THEN NULL
           WHEN 'resident' THEN 'resident'
           WHEN 'contact' THEN COALESCE(c.relation, 'other')
           ELSE c.relation
       END AS relation
FROM alert a
LEFT JOIN contact c ON c.home_id = a.home_id AND c.person_id = %(person_id)s
LEFT JOIN LATERAL (
    SELECT COALESCE(n.body ->> 'audience', 'staff') AS audience FROM notification n
    WHERE n.alert_id = a.alert_id AND n.person_id = %(person_id)s
    ORDER BY n.created_at DESC LIMIT 1
) told ON true
WHERE a.alert_id = %(alert_id)s

-- The facts are those of the newest message about the alert, that to the person first.
-- name: answer
INSERT INTO notification (notification_id, alert_id, channel, recipient, person_id, priority, body, state, created_at,
                          next_attempt_at, give_up_at)
SELECT gen_random_uuid(), n.alert_id, 'sms', %(recipient)s, %(person_id)s, 0,
       n.body || jsonb_build_object('type', %(type)s::text, 'audience', %(audience)s::text, 'text', %(text)s::text),
       'pending', %(now)s, %(now)s, %(give_up_at)s
FROM (SELECT alert_id, body FROM notification WHERE alert_id = %(alert_id)s
      ORDER BY person_id IS NOT DISTINCT FROM %(person_id)s DESC, created_at DESC LIMIT 1) n
WHERE NOT EXISTS (SELECT FROM notification WHERE channel = 'sms' AND recipient = %(recipient)s AND created_at > %(since)s
                  AND body ->> 'type' = %(type)s)
RETURNING pg_notify('anju_notification', '')

-- name: newest
SELECT r.reply_id, r.received_at, r.provider, p.key AS person, r.alert_id, r.said, r.result
FROM reply r LEFT JOIN person p USING (person_id)
WHERE NOT %(undone)s OR r.result <> ALL (%(holds)s)
ORDER BY r.reply_id DESC LIMIT %(limit)s
