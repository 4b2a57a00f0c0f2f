-- Additions only: the previous release goes on working on this schema.

CREATE TABLE area_trouble (
    scope        text NOT NULL,
    cause        text NOT NULL CHECK (cause IN ('silent', 'dry')),
    area_id      integer REFERENCES area,
    gateway      text,
    since        timestamptz NOT NULL,
    suspected_at timestamptz NOT NULL,
    opened_at    timestamptz,
    ended_at     timestamptz,
    told         text,
    told_area_id integer REFERENCES area,
    told_gateway text,
    homes        integer NOT NULL,
    watched      integer NOT NULL,
    PRIMARY KEY (scope, cause),
    CHECK (num_nonnulls(area_id, gateway) = 1),
    CHECK ((opened_at IS NULL) = (told IS NULL)),
    CHECK (ended_at IS NULL OR opened_at IS NOT NULL)
);
COMMENT ON TABLE area_trouble IS 'areas that homes belong to, and gateways, whose homes fell silent or dry together; a few rows, written by rules.area_watch';
COMMENT ON COLUMN area_trouble.since IS 'none of the homes it was recognised by was heard, or used water, after this';
COMMENT ON COLUMN area_trouble.opened_at IS 'when it became an incident; null: it is suspected';
COMMENT ON COLUMN area_trouble.told IS 'the subject of the area_incident alert that speaks of it: itself, an area above it, or a gateway';
COMMENT ON COLUMN area_trouble.homes IS 'how many of the homes that are watched, in all that this alert speaks of';

CREATE TABLE area_watch (
    only_one  boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    looked_at timestamptz NOT NULL
);
INSERT INTO area_watch (looked_at) VALUES ('-infinity');
COMMENT ON TABLE area_watch IS 'when the areas were looked at last: whoever locks this row looks at them';

CREATE INDEX home_watch_troubled ON home_watch (home_id)
    WHERE ongoing ? 'monitoring_lost' OR ongoing ? 'inactivity';

CREATE VIEW unprotected_home AS
    SELECT h.home_id, t.cause, t.since, t.told
    FROM area_trouble t JOIN home h ON h.area_id = t.area_id JOIN home_watch w USING (home_id)
    WHERE t.opened_at IS NOT NULL AND t.ended_at IS NULL
      AND w.ongoing ? CASE t.cause WHEN 'silent' THEN 'monitoring_lost' ELSE 'inactivity' END
    UNION
    SELECT i.home_id, t.cause, t.since, t.told
    FROM area_trouble t
    JOIN installation i ON i.gateway = t.gateway AND i.removed_at IS NULL
    JOIN home_watch w USING (home_id)
    WHERE t.opened_at IS NOT NULL AND t.ended_at IS NULL
      AND w.ongoing ? CASE t.cause WHEN 'silent' THEN 'monitoring_lost' ELSE 'inactivity' END;
COMMENT ON VIEW unprotected_home IS 'homes that cannot be watched now because their area or gateway has failed';
