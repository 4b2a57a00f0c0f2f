-- name: series
-- One row per installation: the readings of its register (a total, or a count of pulses) from `from_at` on and the one
-- before, when anything of it was last received, whether it has another register, whether any reading came late, and
-- when it last saw somebody move and its valve was last open or shut. The bounds that are the same for all let the
-- planner leave partitions out; those of each installation are within them.
SELECT asked.place, inside.measured_s, inside.shown, inside.received_at, inside.has_another, inside.was_late,
       inside.motion_at, inside.opened_at, inside.shut_at,
       date_part('epoch', before.measured_at), before.value, before.received_at
FROM unnest(%(devices)s::integer[], %(registers)s::smallint[], %(froms)s::timestamptz[], %(begins)s::timestamptz[],
            %(ends)s::timestamptz[])
     WITH ORDINALITY AS asked (device_id, register, from_at, begin_at, end_at, place)
CROSS JOIN LATERAL (
    SELECT array_agg(date_part('epoch', r.measured_at) ORDER BY r.measured_at) FILTER (WHERE r.quantity = asked.register) AS measured_s,
           array_agg(r.value ORDER BY r.measured_at) FILTER (WHERE r.quantity = asked.register) AS shown,
           max(r.received_at) AS received_at,
           bool_or(r.quantity <> asked.register AND r.quantity = ANY(%(all_registers)s::smallint[])) AS has_another,
           bool_or(r.received_at - r.measured_at > %(late)s) AS was_late,
           max(r.measured_at) FILTER (WHERE r.quantity = %(motion)s AND r.value > 0) AS motion_at,
           max(r.measured_at) FILTER (WHERE r.quantity = %(valve)s AND r.value > 0) AS opened_at,
           max(r.measured_at) FILTER (WHERE r.quantity = %(valve)s AND r.value = 0) AS shut_at
    FROM reading r
    WHERE r.device_id = asked.device_id AND r.quantity = ANY(%(quantities)s::smallint[])
      AND r.measured_at >= asked.from_at AND r.measured_at < asked.end_at
      AND r.measured_at >= %(earliest_from)s AND r.measured_at < %(latest)s
) AS inside
LEFT JOIN LATERAL (
    SELECT r.measured_at, r.value, r.received_at
    FROM reading r
    WHERE r.device_id = asked.device_id AND r.quantity = asked.register
      AND r.measured_at < asked.from_at AND r.measured_at >= asked.begin_at
      AND r.measured_at >= %(earliest)s AND r.measured_at < %(latest)s
    ORDER BY r.measured_at DESC
    LIMIT 1
) AS before ON true
ORDER BY asked.place;

-- name: shown
-- All that a register has shown, each value once: asked only where what was read of it may be that of a coarse one.
SELECT asked.place, ever.shown
FROM unnest(%(devices)s::integer[], %(registers)s::smallint[], %(begins)s::timestamptz[], %(ends)s::timestamptz[])
     WITH ORDINALITY AS asked (device_id, register, begin_at, end_at, place)
CROSS JOIN LATERAL (
    SELECT array_agg(DISTINCT r.value) AS shown
    FROM reading r
    WHERE r.device_id = asked.device_id AND r.quantity = asked.register
      AND r.measured_at >= asked.begin_at AND r.measured_at < asked.end_at
      AND r.measured_at >= %(earliest)s AND r.measured_at < %(latest)s
) AS ever
ORDER BY asked.place;

-- name: receipts
-- When each reading was received: asked only of registers of which some came late.
SELECT asked.place, inside.measured_s, inside.received_s
FROM unnest(%(devices)s::integer[], %(registers)s::smallint[], %(froms)s::timestamptz[], %(ends)s::timestamptz[])
     WITH ORDINALITY AS asked (device_id, register, from_at, end_at, place)
CROSS JOIN LATERAL (
    SELECT array_agg(date_part('epoch', r.measured_at)) AS measured_s,
           array_agg(date_part('epoch', r.received_at)) AS received_s
    FROM reading r
    WHERE r.device_id = asked.device_id AND r.quantity = asked.register
      AND r.measured_at >= asked.from_at AND r.measured_at < asked.end_at
      AND r.measured_at >= %(earliest_from)s AND r.measured_at < %(latest)s
) AS inside
ORDER BY asked.place;

-- name: last_received
-- A device that seems silent may have sent readings measured long ago: asked only of those, over the whole late window.
SELECT asked.place, heard.received_at
FROM unnest(%(devices)s::integer[], %(begins)s::timestamptz[], %(ends)s::timestamptz[])
     WITH ORDINALITY AS asked (device_id, begin_at, end_at, place)
CROSS JOIN LATERAL (
    SELECT max(r.received_at) AS received_at
    FROM reading r
    WHERE r.device_id = asked.device_id AND r.quantity = ANY(%(quantities)s::smallint[])
      AND r.measured_at >= asked.begin_at AND r.measured_at < asked.end_at
      AND r.measured_at >= %(earliest)s AND r.measured_at < %(latest)s
) AS heard
ORDER BY asked.place;
