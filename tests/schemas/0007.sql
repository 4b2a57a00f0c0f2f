INSERT INTO keep_task (task, known_since, succeeded_at, failed_at, failures, fault) VALUES
    ('partitions', '2026-11-01Z', '2026-11-04 23:00Z', NULL, 0, ''),
    ('retention', '2026-11-01Z', '2026-11-03 23:00Z', '2026-11-04 23:00Z', 1, 'LockNotAvailable');
INSERT INTO keep_retention (quantity, deleted_to) VALUES (2, '2025-11-01Z');
