-- Additions only: the previous release goes on working on this schema.

CREATE TABLE broker_credential (
    credential_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account       text NOT NULL CHECK (account <> ''),
    kind          text NOT NULL CHECK (kind IN ('device', 'gateway', 'ingest')),
    driver        text,
    prefix        text,
    login         text NOT NULL CHECK (login !~ '[:\n\r]'),
    password_hash text CHECK (password_hash ~ '^\$7\$[0-9]+\$[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+$'),
    issued_at     timestamptz NOT NULL,
    expires_at    timestamptz CHECK (expires_at > issued_at),
    revoked_at    timestamptz CHECK (revoked_at >= issued_at),
    CHECK ((kind = 'ingest') = (driver IS NULL)),
    CHECK ((password_hash IS NULL) = (expires_at IS NOT NULL))
);
CREATE UNIQUE INDEX broker_credential_standing ON broker_credential (account) WHERE revoked_at IS NULL;
COMMENT ON TABLE broker_credential IS 'who may log in at the broker; no secret is kept. Revoked rows stay';
COMMENT ON COLUMN broker_credential.account IS 'the name of the device, of the gateway, or of ingest''s account';
COMMENT ON COLUMN broker_credential.driver IS 'the family whose topics it publishes; a device''s own record wins';
COMMENT ON COLUMN broker_credential.prefix IS 'gateways: the first level of its topics; null: all of the family''s';
COMMENT ON COLUMN broker_credential.login IS 'the MQTT user: the account, or the common name of its certificate, never used again';
COMMENT ON COLUMN broker_credential.password_hash IS 'as in Mosquitto''s password file: salted PBKDF2-SHA512 of a random password; null: by certificate';
COMMENT ON COLUMN broker_credential.expires_at IS 'when the certificate ends';
