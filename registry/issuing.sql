-- Credentials at the broker: issued, replaced, revoked.

-- name: lock
-- One writer at a time, so that the files last written are those of the newest state; readers do not wait.
LOCK TABLE broker_credential IN SHARE ROW EXCLUSIVE MODE;

-- name: device
-- A device on record, and another whose name lies below its own.
SELECT d.driver,
       (SELECT min(name) FROM device WHERE starts_with(name, d.name || '/') AND driver = d.driver) AS below
FROM device d WHERE d.name = %(name)s;

-- name: standing_of
SELECT issued_at FROM broker_credential WHERE account = %(account)s AND revoked_at IS NULL;

-- name: revoke
UPDATE broker_credential SET revoked_at = greatest(%(now)s, issued_at)
WHERE account = %(account)s AND revoked_at IS NULL
RETURNING login;

-- name: issue
INSERT INTO broker_credential (account, kind, driver, prefix, login, password_hash, issued_at, expires_at)
VALUES (%(account)s, %(kind)s, %(driver)s, %(prefix)s, %(login)s, %(password_hash)s, %(now)s, %(expires_at)s);

-- name: standing
SELECT c.account, c.kind, coalesce(d.driver, c.driver), c.prefix, c.login, c.password_hash, c.issued_at, c.expires_at,
       CASE WHEN c.kind = 'device' THEN EXISTS (
           SELECT FROM installation i WHERE i.device_id = d.device_id AND i.removed_at IS NULL
       ) OR (c.driver = 'tasmota' AND EXISTS (
           SELECT FROM device part JOIN installation i USING (device_id)
           WHERE starts_with(part.name, c.account || '/') AND i.removed_at IS NULL
       )) END
FROM broker_credential c
LEFT JOIN device d ON c.kind = 'device' AND d.name = c.account
WHERE c.revoked_at IS NULL
ORDER BY c.kind, c.account;
