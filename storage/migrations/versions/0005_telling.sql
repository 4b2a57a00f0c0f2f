-- Additions only: the previous release goes on working on this schema.

-- ---------------------------------------------------------------- people who can be told

CREATE TABLE person (
    person_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key       text NOT NULL UNIQUE CHECK (key ~ '^[a-z0-9][a-z0-9_.-]{0,39}$'),
    name      text NOT NULL CHECK (name <> ''),
    language  text NOT NULL CHECK (language IN ('en', 'zh')),
    active    boolean NOT NULL DEFAULT true
);
COMMENT ON TABLE person IS 'whoever may be told: duty workers, supervisors, operators, contacts, residents with a telephone';
COMMENT ON COLUMN person.key IS 'by which rosters, histories and logs name them: duty-1; never a name or a number';

CREATE TABLE person_address (
    address_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    person_id  integer NOT NULL REFERENCES person,
    channel    text NOT NULL CHECK (channel IN ('sms', 'voice', 'chat', 'webhook')),
    address    text NOT NULL CHECK (address <> ''),
    position   smallint NOT NULL DEFAULT 1,
    UNIQUE (person_id, channel, address)
);
CREATE INDEX person_address_of ON person_address (channel, address);
COMMENT ON COLUMN person_address.address IS 'sms, voice: E.164 (+8613800000000); chat: the name of a chat in the settings; webhook: the name of a receiver';
COMMENT ON COLUMN person_address.position IS 'which is tried first, of one channel';

CREATE TABLE contact (
    home_id   integer NOT NULL REFERENCES home,
    person_id integer NOT NULL REFERENCES person,
    relation  text NOT NULL CHECK (relation IN ('resident', 'family', 'neighbour', 'key_holder', 'other')),
    position  smallint NOT NULL,
    PRIMARY KEY (home_id, person_id)
);
CREATE INDEX contact_person ON contact (person_id);
COMMENT ON TABLE contact IS 'who is called about a home, in calling order';

CREATE TABLE roster (
    roster_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    area_id    integer REFERENCES area,
    role       text NOT NULL CHECK (role IN ('duty', 'backup', 'supervisor', 'operator')),
    definition jsonb NOT NULL,
    changed_at timestamptz NOT NULL,
    changed_by text NOT NULL
);
CREATE INDEX roster_area ON roster (area_id, role, roster_id DESC);
COMMENT ON TABLE roster IS 'append-only; the newest row of an area (null: the site) and role counts';

CREATE TABLE escalation_policy (
    escalation_policy_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    area_id              integer REFERENCES area,
    definition           jsonb NOT NULL,
    changed_at           timestamptz NOT NULL,
    changed_by           text NOT NULL
);
CREATE INDEX escalation_policy_area ON escalation_policy (area_id, escalation_policy_id DESC);
COMMENT ON TABLE escalation_policy IS 'append-only; the newest row of an area (null: the site) counts, the nearest area first';

-- ---------------------------------------------------------------- alerts: who has them, and how telling goes on

ALTER TABLE alert
    ADD COLUMN acknowledged_by text,
    ADD COLUMN assigned_to     text,
    ADD COLUMN on_the_way_at   timestamptz,
    ADD COLUMN on_scene_at     timestamptz,
    ADD COLUMN muted_until     timestamptz,
    ADD COLUMN probe           boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN alert.acknowledged_by IS 'who took it first: a person''s key, or an account';
COMMENT ON COLUMN alert.assigned_to IS 'who sees to it now';
COMMENT ON COLUMN alert.muted_until IS 'technical alerts only: nobody is told before';
COMMENT ON COLUMN alert.probe IS 'a proof of life of the service itself: told to nobody';

CREATE TABLE escalation (
    alert_id   bigint PRIMARY KEY REFERENCES alert,
    phase      text NOT NULL CHECK (phase IN ('telling', 'awaiting')),
    due_at     timestamptz NOT NULL,
    run        integer NOT NULL DEFAULT 1,
    started_at timestamptz NOT NULL,
    round      smallint NOT NULL DEFAULT 0,
    step       smallint NOT NULL DEFAULT 0,
    reminders  smallint NOT NULL DEFAULT 0
) WITH (fillfactor = 70);
CREATE INDEX escalation_due ON escalation (due_at);
COMMENT ON TABLE escalation IS 'one row for each alert that still has to be told or followed up; deleted when the alert is closed';
COMMENT ON COLUMN escalation.phase IS 'telling: nobody has taken it; awaiting: somebody has, and is reminded or lapses at due_at';
COMMENT ON COLUMN escalation.run IS 'counts the beginnings from step one: a further press, a lapse, a reopening';
COMMENT ON COLUMN escalation.step IS 'which step of this round is next';

ALTER TABLE home ADD COLUMN probe boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN home.probe IS 'no home: where the probe''s button is installed';

-- ---------------------------------------------------------------- messages to people, receipts, replies

ALTER TABLE notification
    ADD COLUMN person_id   integer REFERENCES person,
    ADD COLUMN run         integer NOT NULL DEFAULT 0,
    ADD COLUMN round       smallint NOT NULL DEFAULT 0,
    ADD COLUMN step        smallint NOT NULL DEFAULT 0,
    ADD COLUMN provider    text,
    ADD COLUMN delivery    text CHECK (delivery IN ('sent', 'delivered', 'read', 'undelivered')),
    ADD COLUMN delivery_at timestamptz,
    ADD COLUMN bundled_into uuid REFERENCES notification;
ALTER TABLE notification DROP CONSTRAINT notification_state_check;
ALTER TABLE notification ADD CONSTRAINT notification_state_check
    CHECK (state IN ('pending', 'accepted', 'given_up', 'withdrawn')) NOT VALID;
CREATE INDEX notification_due_of ON notification (channel, priority, next_attempt_at) WHERE state = 'pending';
DROP INDEX notification_due;
CREATE INDEX notification_bundled ON notification (bundled_into) WHERE bundled_into IS NOT NULL;
CREATE INDEX notification_person ON notification (person_id, created_at DESC) WHERE person_id IS NOT NULL;
CREATE INDEX notification_to ON notification (channel, recipient, created_at DESC);
COMMENT ON COLUMN notification.run IS 'the run, round and step of the escalation that wrote it; 0 for news and for the site''s webhook';
COMMENT ON COLUMN notification.delivery IS 'what the provider''s receipts say: accepted is not sent, sent is not delivered, delivered is not read';
COMMENT ON COLUMN notification.bundled_into IS 'the message to the same person that spoke of this one too';
COMMENT ON COLUMN notification.state IS 'withdrawn: not sent, since there was nothing left to tell';

ALTER TABLE notification_attempt ADD COLUMN provider text;
CREATE INDEX notification_attempt_provider ON notification_attempt (provider, provider_id) WHERE provider_id IS NOT NULL;
CREATE INDEX notification_attempt_started ON notification_attempt (started_at);

CREATE TABLE delivery_receipt (
    provider    text NOT NULL,
    provider_id text NOT NULL,
    delivery    text NOT NULL CHECK (delivery IN ('sent', 'delivered', 'read', 'undelivered')),
    detail      text NOT NULL DEFAULT '',
    received_at timestamptz NOT NULL,
    PRIMARY KEY (provider, provider_id, delivery)
);
COMMENT ON TABLE delivery_receipt IS 'what providers reported, in whatever order; may come before the attempt is recorded';

CREATE TABLE reply (
    reply_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider    text NOT NULL,
    provider_id text NOT NULL,
    received_at timestamptz NOT NULL,
    person_id   integer REFERENCES person,
    alert_id    bigint REFERENCES alert,
    said        text NOT NULL,
    result      text NOT NULL,
    UNIQUE (provider, provider_id)
);
COMMENT ON TABLE reply IS 'what people answered by SMS, key press, link or callback; each once, whatever repeats it';

-- ---------------------------------------------------------------- proof of life

CREATE TABLE probe_run (
    probe_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_id     text NOT NULL UNIQUE,
    through       text NOT NULL CHECK (through IN ('dispatch', 'channel')),
    pressed_at    timestamptz NOT NULL,
    dispatched_at timestamptz
);
CREATE INDEX probe_run_pressed ON probe_run (pressed_at DESC);
COMMENT ON TABLE probe_run IS 'synthetic presses, and when each had come through to the channels';
