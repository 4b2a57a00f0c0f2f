UPDATE installation SET resolution_l = 10, gateway = 'gw-1' WHERE device_id = 2;
INSERT INTO absence (home_id, from_at, until_at, reason, noted_at, noted_by, ended_at, ended_by) VALUES
    (3, '2026-10-01Z', '2026-10-20Z', 'hospital', '2026-09-30Z', 'duty-1', '2026-10-18Z', 'duty-2'),
    (6, '2026-11-01Z', '2026-12-01Z', 'travel', '2026-11-01Z', 'duty-1', NULL, NULL);
INSERT INTO home_profile VALUES (1, '2026-11-02Z', '[{"from_s": 1793577600, "profile": null}]');
INSERT INTO home_wake (event_id, created_at, judge_at) VALUES (2, '2026-11-02 08:00Z', '2026-11-02 08:02Z');
