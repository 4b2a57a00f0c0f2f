"""What the loops outlive. A fault of the database passes; a bug of ours must not cost the homes it does not concern."""

from typing import Final

import psycopg

from alerts.errors import AlertError
from storage.errors import StorageError

SURVIVABLE: Final = (
    psycopg.Error,
    OSError,
    StorageError,
    AlertError,
    # Our own bugs, in whatever shape they come.
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)
"""Everything that may come out of reading, judging and reporting; `storage.pool.is_passing_fault` says what passes."""
