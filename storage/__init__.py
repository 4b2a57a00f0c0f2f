"""Below every stage: the database, its schema and partitions, and an embedded PostgreSQL for the quick start.

The stages (ingest, rules, alerts) are joined only by the database; this package opens it for them, knowing none.
"""
