"""The series in production: use per hour and day, and on TimescaleDB columnstore and policies."""

from pathlib import Path

from alembic import op

from storage.timescale import refuse_old

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    driver = op.get_bind().connection.driver_connection
    found = driver.execute("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'").fetchone()
    refuse_old(None if found is None else found[0])
    driver.execute(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))
