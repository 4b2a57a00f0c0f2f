INSERT INTO area_trouble (scope, cause, area_id, gateway, since, suspected_at, opened_at, ended_at, told, told_area_id,
                          told_gateway, homes, watched) VALUES
    ('area/3', 'dry', 3, NULL, '2026-11-03 01:00Z', '2026-11-03 01:30Z', '2026-11-03 02:00Z', '2026-11-03 05:00Z', 'area/3', 3,
     NULL, 5, 6),
    ('gateway/gw-1', 'silent', NULL, 'gw-1', '2026-11-04 20:00Z', '2026-11-04 21:00Z', '2026-11-04 21:30Z', NULL, 'gateway/gw-1',
     NULL, 'gw-1', 1, 1);
UPDATE area_watch SET looked_at = '2026-11-04 23:59Z';
