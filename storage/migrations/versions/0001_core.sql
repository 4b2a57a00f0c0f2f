-- The spine: who lives where, what was measured, what happened, when each home is looked at, and what was done about it.
-- No function or default here reads the clock: every instant is passed in by the stage that knows it.

-- ---------------------------------------------------------------- registry: areas, homes, residents, devices, installations

CREATE TABLE area (
    area_id   integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    parent_id integer REFERENCES area,
    name      text NOT NULL CHECK (name <> '' AND position('/' IN name) = 0),
    path      text NOT NULL UNIQUE
);
CREATE INDEX area_parent ON area (parent_id);
COMMENT ON TABLE area IS 'a place in the administrative tree; path is city/district/street/community';

CREATE TABLE home (
    home_id   integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    area_id   integer NOT NULL REFERENCES area,
    name      text NOT NULL CHECK (name <> ''),
    time_zone text NOT NULL,
    UNIQUE (area_id, name)
);

CREATE TABLE resident (
    resident_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    home_id     integer NOT NULL REFERENCES home,
    name        text NOT NULL CHECK (name <> ''),
    UNIQUE (home_id, name)
);

CREATE TABLE device (
    device_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name      text NOT NULL UNIQUE CHECK (name <> ''),
    driver    text NOT NULL,
    model     text
);
COMMENT ON COLUMN device.name IS 'the id under which the device publishes';

CREATE TABLE installation (
    installation_id  integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_id        integer NOT NULL REFERENCES device,
    home_id          integer NOT NULL REFERENCES home,
    interval_s       integer CHECK (interval_s > 0),
    litres_per_pulse double precision CHECK (litres_per_pulse > 0),
    installed_at     timestamptz NOT NULL,
    removed_at       timestamptz CHECK (removed_at > installed_at)
);
CREATE UNIQUE INDEX installation_current ON installation (device_id) WHERE removed_at IS NULL;
CREATE INDEX installation_device ON installation (device_id, installed_at);
CREATE INDEX installation_home ON installation (home_id);
COMMENT ON COLUMN installation.interval_s IS 'the reporting interval; null for devices that report only when something happens';

CREATE TABLE policy (
    policy_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    area_id    integer REFERENCES area,
    home_id    integer REFERENCES home,
    parameters jsonb NOT NULL,
    changed_at timestamptz NOT NULL,
    changed_by text NOT NULL,
    CHECK (num_nonnulls(area_id, home_id) <= 1)
);
CREATE INDEX policy_area ON policy (area_id, policy_id DESC) WHERE area_id IS NOT NULL;
CREATE INDEX policy_home ON policy (home_id, policy_id DESC) WHERE home_id IS NOT NULL;
CREATE INDEX policy_site ON policy (policy_id DESC) WHERE area_id IS NULL AND home_id IS NULL;
COMMENT ON TABLE policy IS 'append-only; the newest row of a scope counts; both null means the site; home overrides area overrides site';

-- ---------------------------------------------------------------- the series: readings and events

CREATE TABLE quantity (
    quantity smallint PRIMARY KEY,
    name     text NOT NULL UNIQUE,
    unit     text NOT NULL
);
COMMENT ON TABLE quantity IS 'written by migrate from devices.quantities, so that SQL and Grafana can name what a code means';

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb') THEN
        CREATE EXTENSION IF NOT EXISTS timescaledb;
        CREATE TABLE reading (
            device_id   integer NOT NULL,
            quantity    smallint NOT NULL,
            measured_at timestamptz NOT NULL,
            received_at timestamptz NOT NULL,
            value       double precision NOT NULL,
            PRIMARY KEY (device_id, quantity, measured_at)
        );
        PERFORM create_hypertable('reading', by_range('measured_at', INTERVAL '7 days'));
    ELSE
        CREATE TABLE reading (
            device_id   integer NOT NULL,
            quantity    smallint NOT NULL,
            measured_at timestamptz NOT NULL,
            received_at timestamptz NOT NULL,
            value       double precision NOT NULL,
            PRIMARY KEY (device_id, quantity, measured_at)
        ) PARTITION BY RANGE (measured_at);
    END IF;
END $$;
COMMENT ON TABLE reading IS 'one measured value; value is in the unit of its quantity';

CREATE TABLE reading_conflict (
    device_id     integer NOT NULL,
    quantity      smallint NOT NULL,
    measured_at   timestamptz NOT NULL,
    received_at   timestamptz NOT NULL,
    value         double precision NOT NULL,
    stored_value  double precision NOT NULL,
    PRIMARY KEY (device_id, quantity, measured_at, value)
);
COMMENT ON TABLE reading_conflict IS 'a second, different value for an instant that already has one: kept aside, not dropped';

CREATE TABLE event (
    event_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_name  text NOT NULL,
    device_id    integer,
    kind         text NOT NULL,
    dedup_key    text NOT NULL,
    source_id    text,
    payload_hash bytea NOT NULL,
    own_time     timestamptz,
    measured_at  timestamptz NOT NULL,
    received_at  timestamptz NOT NULL,
    detail       jsonb NOT NULL DEFAULT '{}',
    UNIQUE (device_name, kind, dedup_key)
);
CREATE INDEX event_recent ON event (device_name, received_at DESC);
COMMENT ON COLUMN event.dedup_key IS 'unlike that of any other event but the very same receipt; ingest.repetition recognises copies';
COMMENT ON COLUMN event.own_time IS 'the device''s own time, however implausible; null when it gave none';
COMMENT ON COLUMN event.device_id IS 'null: the device was not installed when the event came in';
COMMENT ON COLUMN event.measured_at IS 'the device''s time where plausible, else the time of receipt';

CREATE VIEW reading_named AS
    SELECT r.device_id, d.name AS device_name, q.name AS quantity, q.unit, r.measured_at, r.received_at, r.value
    FROM reading r JOIN device d USING (device_id) JOIN quantity q USING (quantity);

-- ---------------------------------------------------------------- ingest: quarantine, hearing, who owns the bulk session

CREATE TABLE quarantine (
    quarantine_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_name   text NOT NULL,
    topic         text NOT NULL,
    payload       bytea NOT NULL,
    payload_bytes integer NOT NULL,
    reason        text NOT NULL,
    detail        text NOT NULL DEFAULT '',
    urgent        boolean NOT NULL,
    retained      boolean NOT NULL DEFAULT false,
    received_at   timestamptz NOT NULL,
    replayed_at   timestamptz
);
CREATE INDEX quarantine_group ON quarantine (device_name, reason, quarantine_id);
COMMENT ON COLUMN quarantine.payload_bytes IS 'the size as received; of an oversized message payload holds the beginning only';

CREATE TABLE quarantine_count (
    device_name text NOT NULL,
    reason      text NOT NULL,
    messages    bigint NOT NULL,
    first_at    timestamptz NOT NULL,
    last_at     timestamptz NOT NULL,
    PRIMARY KEY (device_name, reason)
);

CREATE TABLE hearing (
    lane        text NOT NULL CHECK (lane IN ('urgent', 'bulk')),
    broker      text NOT NULL,
    worker      text NOT NULL,
    heard_until timestamptz NOT NULL,
    heard_since timestamptz NOT NULL,
    PRIMARY KEY (lane, broker, worker)
);
COMMENT ON TABLE hearing IS 'how far each ingest session has heard its broker without a break; worker is empty for the bulk lane, which one worker owns at a time';

CREATE TABLE bulk_lease (
    broker      text PRIMARY KEY,
    worker      text NOT NULL,
    lease_until timestamptz NOT NULL
);

-- ---------------------------------------------------------------- rules: when each home must be looked at

CREATE TABLE home_watch (
    home_id      integer PRIMARY KEY REFERENCES home,
    due_at       timestamptz NOT NULL,
    rearmed      bigint NOT NULL DEFAULT 0,
    looked_until timestamptz,
    lease_until  timestamptz,
    leased_by    text,
    failures     jsonb NOT NULL DEFAULT '{}',
    ongoing      jsonb NOT NULL DEFAULT '{}'
) WITH (fillfactor = 70);
CREATE INDEX home_watch_due ON home_watch (due_at);
COMMENT ON COLUMN home_watch.rearmed IS 'counts re-armings: a look that began before the last one must not push due_at out';
COMMENT ON COLUMN home_watch.looked_until IS 'the measured time up to which the series have been judged';
COMMENT ON COLUMN home_watch.ongoing IS 'rule -> since when its condition holds: a look need not read back to where a long spell began';
COMMENT ON COLUMN home_watch.failures IS 'rule -> {count, retry_at} for rules that raise an exception on this home';

CREATE TABLE home_wake (
    wake_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id   bigint NOT NULL,
    created_at timestamptz NOT NULL
);
COMMENT ON TABLE home_wake IS 'a press or a fall that no rule has judged yet; written with the event, deleted with the finding';

CREATE TABLE rearm_request (
    rearm_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    area_id      integer REFERENCES area,
    requested_at timestamptz NOT NULL,
    swept_to     integer NOT NULL DEFAULT 0
);
COMMENT ON TABLE rearm_request IS 'all homes of an area (null: of the site) must be looked at anew; a sweeper walks them by home_id';

CREATE TABLE rule_release (
    rule       text PRIMARY KEY,
    release    integer NOT NULL
);

-- What a snapshot depends on re-arms the home in the transaction that writes it.
CREATE FUNCTION rearm_home(home integer, at timestamptz) RETURNS void LANGUAGE sql AS $$
    INSERT INTO home_watch (home_id, due_at) VALUES (home, at)
    ON CONFLICT (home_id) DO UPDATE
        SET due_at = LEAST(home_watch.due_at, excluded.due_at), rearmed = home_watch.rearmed + 1;
$$;

-- ---------------------------------------------------------------- alerts: one open case per subject and kind

CREATE TABLE alert (
    alert_id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject         text NOT NULL,
    home_id         integer REFERENCES home,
    area_id         integer REFERENCES area,
    device_name     text,
    kind            text NOT NULL,
    severity        text NOT NULL CHECK (severity IN ('technical', 'soft', 'hard', 'urgent')),
    state           text NOT NULL CHECK (state IN ('open', 'acknowledged', 'attending', 'closed')),
    since           timestamptz NOT NULL,
    raised_at       timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    acknowledged_at timestamptz,
    closed_at       timestamptz,
    outcome         text,
    sign_of_life_at timestamptz,
    version         integer NOT NULL DEFAULT 1,
    times_raised    integer NOT NULL DEFAULT 1,
    reason_id       text NOT NULL,
    reason_values   jsonb NOT NULL,
    reason          text NOT NULL,
    evidence        jsonb NOT NULL,
    CHECK ((state = 'closed') = (closed_at IS NOT NULL)),
    CHECK ((state = 'closed') = (outcome IS NOT NULL))
);
CREATE UNIQUE INDEX alert_one_open ON alert (subject, kind) WHERE state <> 'closed';
CREATE INDEX alert_case ON alert (subject, kind, closed_at DESC);
CREATE INDEX alert_home ON alert (home_id, raised_at DESC);
CREATE INDEX alert_raised ON alert (raised_at DESC);
COMMENT ON COLUMN alert.sign_of_life_at IS 'when the condition was found to be over while a person had the case or after a person closed it';
COMMENT ON COLUMN alert.version IS 'counts the writings: who writes what was read before another writing is refused';
COMMENT ON COLUMN alert.subject IS 'what the case is about: home/12, device/btn-7 (not installed), site';

CREATE TABLE alert_entry (
    entry_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alert_id bigint NOT NULL REFERENCES alert,
    at       timestamptz NOT NULL,
    actor    text NOT NULL,
    source   text NOT NULL,
    action   text NOT NULL,
    detail   jsonb NOT NULL DEFAULT '{}',
    event_id bigint
);
CREATE INDEX alert_entry_alert ON alert_entry (alert_id, entry_id);
CREATE UNIQUE INDEX alert_entry_event ON alert_entry (event_id, alert_id) WHERE event_id IS NOT NULL;
COMMENT ON TABLE alert_entry IS 'append-only history of an alert: who did what, when, from where';
COMMENT ON COLUMN alert_entry.event_id IS 'the press or fall behind a raise: judged twice, it is entered once';

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER alert_entry_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON alert_entry
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE notification (
    notification_id uuid PRIMARY KEY,
    alert_id        bigint NOT NULL REFERENCES alert,
    channel         text NOT NULL,
    recipient       text NOT NULL,
    priority        smallint NOT NULL,
    body            jsonb NOT NULL,
    state           text NOT NULL CHECK (state IN ('pending', 'accepted', 'given_up')),
    created_at      timestamptz NOT NULL,
    next_attempt_at timestamptz NOT NULL,
    give_up_at      timestamptz NOT NULL,
    attempts        integer NOT NULL DEFAULT 0,
    lease_until     timestamptz,
    leased_by       text
) WITH (fillfactor = 70);
CREATE INDEX notification_due ON notification (priority, next_attempt_at) WHERE state = 'pending';
CREATE INDEX notification_alert ON notification (alert_id);
COMMENT ON TABLE notification IS 'the outbox: one message to one recipient over one channel, written in the alert''s own transaction';

COMMENT ON COLUMN notification.priority IS '0 goes first: urgent alerts; then by severity; news of a known alert last';

CREATE TABLE notification_attempt (
    notification_id uuid NOT NULL REFERENCES notification,
    attempt         integer NOT NULL,
    started_at      timestamptz NOT NULL,
    duration_s      double precision NOT NULL,
    result          text NOT NULL CHECK (result IN ('accepted', 'try_again', 'give_up')),
    reason          text NOT NULL,
    provider_id     text,
    PRIMARY KEY (notification_id, attempt)
);
