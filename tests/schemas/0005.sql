INSERT INTO person (key, name, language, active) VALUES ('duty-1', '陈护士', 'zh', true), ('left', 'A. Leaver', 'en', false);
INSERT INTO person_address (person_id, channel, address, position) VALUES (1, 'sms', '+8613800000000', 1), (1, 'webhook', 'desk', 1);
INSERT INTO contact VALUES (1, 1, 'neighbour', 1);
INSERT INTO roster (area_id, role, definition, changed_at, changed_by) VALUES
    (3, 'duty', '{}', '2026-10-01Z', 'operator'), (NULL, 'supervisor', '{}', '2026-10-01Z', 'operator');
INSERT INTO escalation_policy (area_id, definition, changed_at, changed_by) VALUES (3, '{}', '2026-10-01Z', 'operator');
UPDATE alert SET acknowledged_by = 'duty-1', assigned_to = 'duty-1', on_the_way_at = '2026-11-01 03:05Z',
    on_scene_at = '2026-11-01 03:10Z' WHERE alert_id = 1;
UPDATE alert SET muted_until = '2026-11-06Z' WHERE alert_id = 2;
INSERT INTO escalation VALUES (3, 'telling', '2026-11-05 00:05Z', 1, '2026-11-04 22:00Z', 1, 2, 0);
INSERT INTO home (area_id, name, time_zone, probe) VALUES (1, 'probe', 'UTC', true);
INSERT INTO notification (notification_id, alert_id, channel, recipient, priority, body, state, created_at, next_attempt_at,
                          give_up_at, attempts, person_id, run, round, step, provider, delivery, delivery_at, bundled_into) VALUES
    ('6f1f7f0e-0000-4000-8000-000000000004', 1, 'sms', '+8613800000000', 0, '{"type": "anju.alert.raised"}', 'accepted',
     '2026-11-01 03:00:02Z', '2026-11-01 03:00:02Z', '2026-11-01 04:00Z', 1, 1, 1, 0, 1, 'first', 'delivered', '2026-11-01 03:00:09Z', NULL),
    ('6f1f7f0e-0000-4000-8000-000000000005', 1, 'sms', '+8613800000000', 0, '{"type": "anju.alert.raised"}', 'withdrawn',
     '2026-11-01 03:00:02Z', '2026-11-01 03:00:02Z', '2026-11-01 04:00Z', 0, 1, 1, 0, 1, NULL, NULL, NULL,
     '6f1f7f0e-0000-4000-8000-000000000004');
INSERT INTO notification_attempt VALUES
    ('6f1f7f0e-0000-4000-8000-000000000004', 1, '2026-11-01 03:00:02Z', 0.4, 'accepted', '', 'SM1', 'first');
INSERT INTO delivery_receipt VALUES ('first', 'SM1', 'delivered', 'DELIVRD', '2026-11-01 03:00:09Z');
INSERT INTO reply (provider, provider_id, received_at, person_id, alert_id, said, result) VALUES
    ('first', 'MO1', '2026-11-01 03:02Z', 1, 1, '1', 'acknowledged');
INSERT INTO probe_run (source_id, through, pressed_at, dispatched_at) VALUES
    ('p-1', 'dispatch', '2026-11-04 23:58Z', '2026-11-04 23:58:01Z'), ('p-2', 'channel', '2026-11-04 23:59Z', NULL);
