"""What can go wrong below the stages, told apart by whose doing it is."""


class StorageError(Exception):
    """Root of this package's errors; the text is one line that an operator can act on."""


class DatabaseUnavailable(StorageError):
    """A passing fault: the database cannot be reached or refuses connections just now."""


class SchemaOutdated(StorageError):
    """The database lacks migrations that this release needs."""


class SchemaTooNew(StorageError):
    """The database was migrated by a later release than this one."""


class EmbeddedPostgresError(StorageError):
    """The embedded PostgreSQL could not be set up, started or stopped."""


class DataFolderInUse(EmbeddedPostgresError):
    """Another running process of ours holds the data folder."""


class DataFolderUnusable(EmbeddedPostgresError):
    """The data folder is of another major version of PostgreSQL, foreign, or out of reach."""
