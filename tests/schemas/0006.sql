INSERT INTO broker_credential (account, kind, driver, prefix, login, password_hash, issued_at, expires_at, revoked_at) VALUES
    ('m-1', 'device', 'native', NULL, 'm-1', '$7$101$c2FsdA==$aGFzaA==', '2026-09-01Z', NULL, '2026-10-01Z'),
    ('gw-1', 'gateway', 'native', 'anju', 'gw-1-2', NULL, '2026-09-01Z', '2027-09-01Z', NULL);
