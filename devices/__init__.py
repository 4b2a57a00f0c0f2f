"""What a home can tell us: readings and events, quantities, and the drivers that decode them.

First stage of the flow, and pure throughout: a driver turns one MQTT message into readings and events, or says why it
cannot. Nothing here reads a clock, a socket or a table, and nothing here knows the rest of Anju.
"""
