"""The quantities a reading can measure, each with its unit and the values that are possible.

A code is written to the database and never reused. The name with the unit's suffix is the field of the native
messages (`water_total_l`), so that nobody has to guess a unit.
"""

from typing import NamedTuple


class Quantity(NamedTuple):
    """One kind of measured value.

    Attributes:
        code: what the `reading` table stores.
        name: the word used in tables, pages and docs.
        unit: the unit of every stored value.
        field: the name of the field in native JSON messages.
        minimum: the smallest possible value; anything below is refused.
        maximum: the largest possible value; anything above is refused.
    """

    code: int
    name: str
    unit: str
    field: str
    minimum: float
    maximum: float


# A nine-digit register in cubic metres is the largest that water meters show: 1e12 L.
WATER_TOTAL = Quantity(1, "water_total", "L", "water_total_l", 0.0, 1e12)
BATTERY = Quantity(2, "battery", "%", "battery_pct", 0.0, 100.0)
BATTERY_VOLTAGE = Quantity(3, "battery_voltage", "V", "battery_v", 0.0, 60.0)
LINK_RSSI = Quantity(4, "link_rssi", "dBm", "rssi_dbm", -200.0, 50.0)
MOTION = Quantity(5, "motion", "1", "motion", 0.0, 1.0)
TEMPERATURE = Quantity(6, "temperature", "°C", "temperature_c", -60.0, 120.0)
WATER_TEMPERATURE = Quantity(7, "water_temperature", "°C", "water_temperature_c", -20.0, 120.0)
# What a pulse counter has counted. What a pulse is worth stands with the installation, not with the device.
PULSES = Quantity(8, "pulses", "1", "pulses", 0.0, 1e12)
# Negative while water flows backwards.
WATER_FLOW = Quantity(9, "water_flow", "L/h", "water_flow_l_per_h", -1e6, 1e6)
WATER_LEAK = Quantity(10, "water_leak", "1", "water_leak", 0.0, 1.0)
LINK_QUALITY = Quantity(11, "link_quality", "1", "link_quality", 0.0, 255.0)
# 0: shut. A home whose water is shut off uses none, whoever is in it.
VALVE_OPEN = Quantity(12, "valve_open", "1", "valve_open", 0.0, 1.0)
# The total a meter kept at an earlier date. Meters give that date without an offset from UTC, so it is no reading of
# WATER_TOTAL: hours out of place, it would look like a register that ran backwards.
WATER_TARGET = Quantity(13, "water_target", "L", "water_target_l", 0.0, 1e12)

ALL: tuple[Quantity, ...] = (
    WATER_TOTAL,
    BATTERY,
    BATTERY_VOLTAGE,
    LINK_RSSI,
    MOTION,
    TEMPERATURE,
    WATER_TEMPERATURE,
    PULSES,
    WATER_FLOW,
    WATER_LEAK,
    LINK_QUALITY,
    VALVE_OPEN,
    WATER_TARGET,
)

by_code: dict[int, Quantity] = {quantity.code: quantity for quantity in ALL}
by_name: dict[str, Quantity] = {quantity.name: quantity for quantity in ALL}
by_field: dict[str, Quantity] = {quantity.field: quantity for quantity in ALL}
