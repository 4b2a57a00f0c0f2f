"""MQTT to the database: the first stage.

Brokers hand over what the homes publish; this package decodes it with `devices`, appends it to the series and
acknowledges a message only when its row (or its quarantine row) is committed. It keeps no state per home and judges
nothing: `rules` reads what is stored here.
"""
