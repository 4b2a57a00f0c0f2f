"""Alembic's entry point: runs steps on the connection that storage.migrator hands over, a transaction for each."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
