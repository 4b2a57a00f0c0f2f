"""What can go wrong below the stages, told apart by whose doing it is."""


class StorageError(Exception):
    """Root of this package's errors; the text is one line that an operator can act on."""


class DatabaseUnavailable(StorageError):
    """A passing fault: the database cannot be reached or refuses connections just now."""


class SchemaOutdated(StorageError):
    """The database lacks migrations that this release needs."""


class SchemaTooNew(StorageError):
    """The database was migrated by a later release, and this one can no longer work with it."""


class MigrationBlocked(StorageError):
    """A passing fault: others held what a migration needs for as long as it was to wait."""


class EmbeddedPostgresError(StorageError):
    """The embedded PostgreSQL could not be set up, started or stopped."""


class DataFolderInUse(EmbeddedPostgresError):
    """Another running process of ours holds the data folder."""


class DataFolderUnusable(EmbeddedPostgresError):
    """The data folder is of another major version of PostgreSQL, foreign, or out of reach."""


class RolesRefused(StorageError):
    """The database roles cannot be made or changed with the rights of this login."""


class TimescaleTooOld(StorageError):
    """The database has a TimescaleDB that is too old for the series."""
