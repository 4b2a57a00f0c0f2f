-- What the first release had stored: a street of six homes, ten days of their meters, presses, an escalated alert.

INSERT INTO area (parent_id, name, path) VALUES
    (NULL, '安宁市', '安宁市'), (1, 'North', '安宁市/North'), (2, '桂花里', '安宁市/North/桂花里');
INSERT INTO home (area_id, name, time_zone)
    SELECT 3, format('%s-%s01', 1 + n / 3, 1 + n % 3), 'Asia/Shanghai' FROM generate_series(0, 5) n;
INSERT INTO resident (home_id, name) VALUES (1, '王秀英'), (1, '李建国'), (2, '张桂兰'), (4, 'Mrs O''Neill');
INSERT INTO device (name, driver, model) VALUES
    ('m-1', 'native', 'WM-15'), ('m-2', 'native', NULL), ('m-3', 'native', 'WM-15'), ('btn-1', 'native', 'SB-1'),
    ('btn-2', 'native', NULL), ('old-1', 'native', NULL);
INSERT INTO installation (device_id, home_id, interval_s, litres_per_pulse, installed_at, removed_at) VALUES
    (1, 1, 900, NULL, '2026-09-01 02:00Z', NULL), (2, 2, 900, 10, '2026-09-01 02:10Z', NULL),
    (3, 3, 900, NULL, '2026-09-02 03:00Z', NULL), (4, 1, NULL, NULL, '2026-09-01 02:05Z', NULL),
    (5, 2, NULL, NULL, '2026-09-01 02:15Z', NULL), (6, 4, 3600, 1, '2026-09-01Z', '2026-10-01Z');
INSERT INTO policy (area_id, home_id, parameters, changed_at, changed_by) VALUES
    (NULL, NULL, '{}', '2026-09-01Z', 'operator'),
    (3, NULL, '{}', '2026-09-02Z', 'operator'),
    (NULL, 2, '{}', '2026-09-03Z', 'operator');

INSERT INTO quantity (quantity, name, unit) VALUES (1, 'water_total', 'L'), (2, 'battery', '%');
INSERT INTO reading (device_id, quantity, measured_at, received_at, value)
    SELECT device, 1, at, at + interval '20 s', 1000 * device + n * 1.5 + (n % 7)
    FROM generate_series(1, 3) device,
         generate_series(0, 959) n,
         LATERAL (SELECT timestamptz '2026-10-26Z' + n * interval '15 min' AS at) t;
INSERT INTO reading (device_id, quantity, measured_at, received_at, value) VALUES
    (1, 2, '2026-10-26 00:00Z', '2026-10-26 00:00:20Z', 97), (1, 2, '2026-11-02 00:00Z', '2026-11-02 00:00:20Z', 96.5);
INSERT INTO reading_conflict VALUES (1, 1, '2026-10-26 00:15Z', '2026-10-27 00:00Z', 7, 1002.5);
INSERT INTO event (device_name, device_id, kind, dedup_key, source_id, payload_hash, own_time, measured_at, received_at, detail)
VALUES
    ('btn-1', 4, 'button_press', '17', '17', '\x00ff', '2026-11-01 03:00Z', '2026-11-01 03:00Z', '2026-11-01 03:00:01Z', '{"battery_v": 3.1}'),
    ('btn-2', 5, 'test_press', 'a1b2', NULL, '\x01', NULL, '2026-11-02 08:00Z', '2026-11-02 08:00Z', '{}'),
    ('stranger', NULL, 'button_press', 'ffff', NULL, '\x02', NULL, '2026-11-03 08:00Z', '2026-11-03 08:00Z', '{}');

INSERT INTO quarantine (device_name, topic, payload, payload_bytes, reason, detail, urgent, retained, received_at, replayed_at)
VALUES
    ('m-2', 'anju/m-2/reading', '\x7b00', 2, 'payload_invalid', 'not JSON', false, false, '2026-11-01Z', NULL),
    ('btn-9', 'anju/btn-9/event', '\x7b7d', 2, 'payload_invalid', '', true, true, '2026-11-02Z', '2026-11-03Z');
INSERT INTO quarantine_count VALUES ('m-2', 'payload_invalid', 41, '2026-10-01Z', '2026-11-01Z');
INSERT INTO hearing VALUES
    ('urgent', 'broker:1883', 'ingest-1', '2026-11-04 23:59:50Z', '2026-09-01Z'),
    ('bulk', 'broker:1883', '', '2026-11-04 23:59:50Z', '2026-09-01Z');
INSERT INTO bulk_lease VALUES ('broker:1883', 'ingest-1', '2026-11-05 00:00:10Z');

INSERT INTO home_watch (home_id, due_at, rearmed, looked_until, lease_until, leased_by, failures, ongoing)
    SELECT home_id, timestamptz '2026-11-05Z' + home_id * interval '1 min', home_id, '2026-11-04 23:45Z', NULL, NULL, '{}', '{}'
    FROM home;
UPDATE home_watch SET ongoing = '{"monitoring_lost": 1792454400}' WHERE home_id = 4;
UPDATE home_watch SET lease_until = '2026-11-04 23:50Z', leased_by = 'a worker that died' WHERE home_id = 5;
INSERT INTO home_wake (event_id, created_at) VALUES (3, '2026-11-03 08:00Z');
INSERT INTO rearm_request (area_id, requested_at, swept_to) VALUES (3, '2026-11-04 23:59Z', 2);
INSERT INTO rule_release VALUES ('inactivity', 1);

INSERT INTO alert (subject, home_id, area_id, device_name, kind, severity, state, since, raised_at, updated_at,
                   acknowledged_at, closed_at, outcome, sign_of_life_at, version, times_raised, reason_id, reason_values, reason, evidence)
VALUES
    ('home/1', 1, 3, 'btn-1', 'sos', 'urgent', 'closed', '2026-11-01 03:00Z', '2026-11-01 03:00:01Z', '2026-11-01 04:00Z',
     '2026-11-01 03:02Z', '2026-11-01 04:00Z', 'false_test', '2026-11-01 03:10Z', 4, 2, 'sos_pressed', '{"device": "btn-1"}', 'SOS button btn-1 was pressed', '{"event_id": 1}'),
    ('home/4', 4, 3, NULL, 'monitoring_lost', 'technical', 'acknowledged', '2026-10-20Z', '2026-10-20 06:00Z', '2026-10-20 08:00Z',
     '2026-10-20 08:00Z', NULL, NULL, NULL, 2, 1, 'monitoring_silent', '{"device": "old-1", "silent_s": 21600, "limit_s": 10800}',
     'nothing heard from old-1 for 6 h; limit 3 h', '{}'),
    ('home/2', 2, 3, NULL, 'inactivity', 'hard', 'open', '2026-11-04 10:00Z', '2026-11-04 22:00Z', '2026-11-04 22:00Z',
     NULL, NULL, NULL, NULL, 1, 1, 'inactivity_dry', '{"dry_s": 43200, "used_l": 0, "limit_l": 10, "window_s": 43200, "heard_s": 240}',
     'no water for 12 h (0 L in that time); limit 10 L in 12 h; meter heard 4 min ago', '{}');
INSERT INTO alert_entry (alert_id, at, actor, source, action, detail, event_id) VALUES
    (1, '2026-11-01 03:00:01Z', 'rules', 'rule', 'raised', '{}', 1),
    (1, '2026-11-01 03:02Z', 'duty-1', 'command', 'acknowledged', '{"comment": "王秀英 is well"}', NULL),
    (2, '2026-10-20 06:00Z', 'rules', 'rule', 'raised', '{}', NULL),
    (3, '2026-11-04 22:00Z', 'rules', 'rule', 'raised', '{}', NULL);
INSERT INTO notification (notification_id, alert_id, channel, recipient, priority, body, state, created_at,
                          next_attempt_at, give_up_at, attempts, lease_until, leased_by) VALUES
    ('6f1f7f0e-0000-4000-8000-000000000001', 1, 'webhook', 'site', 0, '{"type": "anju.alert.raised"}', 'accepted',
     '2026-11-01 03:00:01Z', '2026-11-01 03:00:01Z', '2026-11-02 03:00Z', 2, NULL, NULL),
    ('6f1f7f0e-0000-4000-8000-000000000002', 3, 'webhook', 'site', 1, '{"type": "anju.alert.raised"}', 'pending',
     '2026-11-04 22:00Z', '2026-11-05 00:00Z', '2026-11-05 22:00Z', 3, '2026-11-04 23:59Z', 'alerts-1'),
    ('6f1f7f0e-0000-4000-8000-000000000003', 2, 'webhook', 'site', 3, '{"type": "anju.alert.raised"}', 'given_up',
     '2026-10-20 06:00Z', '2026-10-21 06:00Z', '2026-10-21 06:00Z', 9, NULL, NULL);
INSERT INTO notification_attempt (notification_id, attempt, started_at, duration_s, result, reason, provider_id) VALUES
    ('6f1f7f0e-0000-4000-8000-000000000001', 1, '2026-11-01 03:00:01Z', 0.2, 'try_again', '503', NULL),
    ('6f1f7f0e-0000-4000-8000-000000000001', 2, '2026-11-01 03:00:03Z', 0.1, 'accepted', '', 'abc');
