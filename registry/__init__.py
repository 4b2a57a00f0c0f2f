"""Who lives where: areas, homes, residents, devices and installations, and the file from which they are imported.

Beside the flow, not in it: ingest asks this package which devices exist, rules which home a device serves. What it
writes re-arms the homes concerned in the same transaction, so that no home waits for its next look to see a change.
"""
