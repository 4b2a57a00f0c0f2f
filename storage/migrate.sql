-- What a database says of its schema.

-- name: is_versioned
SELECT to_regclass('alembic_version') IS NOT NULL;

-- name: revision
SELECT version_num FROM alembic_version;

-- name: oldest_revision
SELECT oldest_revision FROM schema_compatibility;
