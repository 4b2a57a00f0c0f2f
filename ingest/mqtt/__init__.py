"""The MQTT 5 connection that ingest stands on: bytes from a broker to messages, acknowledgements back.

From the socket inwards: `link` (one TCP or TLS connection) feeds `framing` (bytes to packets, pure); `links` opens
another one after each failure; `connection` queues what was read, and bounds by `window` what is outstanding. It knows
nothing of devices, topics or tables. Why there is one at all: docs/adr/0001-own-mqtt-connection.md.
"""
