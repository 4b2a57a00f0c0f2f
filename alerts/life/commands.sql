-- What a command asks besides the case itself.

-- name: open_of_kind
SELECT alert_id FROM alert WHERE subject = %(subject)s AND kind = %(kind)s AND state <> 'closed'

-- Since the telling last began.
-- name: declined_before
SELECT EXISTS (
    SELECT FROM alert_entry e
    WHERE e.alert_id = %(alert_id)s AND e.action = 'declined' AND e.actor = %(actor)s
      AND NOT EXISTS (
          SELECT FROM alert_entry later
          WHERE later.alert_id = e.alert_id AND later.entry_id > e.entry_id AND later.action = ANY (%(beginnings)s::text[])
      )
)

-- Where a person is told that a case is theirs: the first of their addresses, a call last.
-- name: person_told
SELECT p.person_id, a.channel, a.address
FROM person p
LEFT JOIN LATERAL (
    SELECT channel, address FROM person_address
    WHERE person_id = p.person_id
    ORDER BY array_position(ARRAY['sms', 'chat', 'webhook', 'voice'], channel), position, address_id
    LIMIT 1
) a ON true
WHERE p.key = %(key)s AND p.active

-- Kind and home never change: they may be read before the case is locked.
-- name: read_subject
SELECT kind, home_id FROM alert WHERE alert_id = %(alert_id)s

-- name: is_absent
SELECT FROM absence
WHERE home_id = %(home_id)s AND from_at <= %(now)s AND until_at > %(now)s AND COALESCE(ended_at, until_at) > %(now)s
LIMIT 1
