-- Additions only: the previous release goes on working on this schema.

CREATE TABLE schema_compatibility (
    only_one        boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    oldest_revision text NOT NULL CHECK (oldest_revision ~ '^[0-9]{4}$')
);
INSERT INTO schema_compatibility (oldest_revision) VALUES ('0006');
COMMENT ON TABLE schema_compatibility IS 'which releases may work with this schema';
COMMENT ON COLUMN schema_compatibility.oldest_revision IS 'a release must know this revision or a later one; raised by a revision that takes something away, untouched by one that only adds';
