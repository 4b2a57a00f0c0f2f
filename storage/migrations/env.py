"""Alembic's entry point: runs the steps on the connection (and in the transaction) that storage.migrate hands over."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
