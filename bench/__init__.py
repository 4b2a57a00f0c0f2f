"""End-to-end measurements that anyone can rerun: ``python -m bench``.

The bench stands outside the flow. It starts a real broker and a real PostgreSQL, drives the service through MQTT as
devices would, and reads the outcome where a user would find it: in the table, and at the webhook.
"""
