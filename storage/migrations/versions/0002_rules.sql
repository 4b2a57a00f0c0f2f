-- Additions only: the previous release goes on working on this schema.

ALTER TABLE installation
    ADD COLUMN resolution_l double precision CHECK (resolution_l > 0),
    ADD COLUMN gateway text CHECK (gateway <> '');
COMMENT ON COLUMN installation.resolution_l IS 'litres of the register''s last digit; null: told from what it shows';
COMMENT ON COLUMN installation.gateway IS 'the gateway it is heard through, where several devices share one';
CREATE INDEX installation_gateway ON installation (gateway) WHERE gateway IS NOT NULL AND removed_at IS NULL;

CREATE TABLE absence (
    absence_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    home_id    integer NOT NULL REFERENCES home,
    from_at    timestamptz NOT NULL,
    until_at   timestamptz NOT NULL,
    reason     text NOT NULL CHECK (reason IN ('hospital', 'travel', 'family', 'other')),
    noted_at   timestamptz NOT NULL,
    noted_by   text NOT NULL,
    ended_at   timestamptz,
    ended_by   text,
    CHECK (until_at > from_at),
    CHECK ((ended_at IS NULL) = (ended_by IS NULL))
);
CREATE INDEX absence_home ON absence (home_id, until_at);
COMMENT ON TABLE absence IS 'a period in which nobody is home, always with an end';
COMMENT ON COLUMN absence.ended_at IS 'when it was said to be over, where that was before until_at; equal to from_at: it never was';

CREATE TABLE home_profile (
    home_id  integer PRIMARY KEY REFERENCES home,
    epoch_at timestamptz NOT NULL,
    profiles jsonb NOT NULL
);
CREATE INDEX home_profile_epoch ON home_profile (epoch_at);
COMMENT ON TABLE home_profile IS 'a home''s learned habits; written once a week by rules.learning';
COMMENT ON COLUMN home_profile.epoch_at IS 'the newest profile is made of what was measured and received before this';
COMMENT ON COLUMN home_profile.profiles IS 'the last two, oldest first: {from_s, profile}, null where the history did not suffice';

ALTER TABLE home_wake ADD COLUMN judge_at timestamptz;
COMMENT ON COLUMN home_wake.judge_at IS 'not to be judged before; null: at once';
