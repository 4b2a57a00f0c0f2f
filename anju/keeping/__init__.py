"""Keeps the series: room ahead, retention, the jobs of TimescaleDB, sizes.

Beside the flow, not in it: no stage waits for it.
"""
