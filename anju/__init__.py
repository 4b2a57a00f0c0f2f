"""The command line and the composition root: the only place that knows every package.

Each stage of the flow is a role (`anju ingest`, `anju rules`, `anju alerts`) that knows the database and nothing of the
others; this package turns settings into the options of a role, starts it, and gives people a way to see and to act.
"""
