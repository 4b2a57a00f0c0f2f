"""A reading as a row of PostgreSQL's binary COPY.

The format is in the manual under COPY, "Binary Format": a header, then for each row the number of fields and each field
as its length in bytes and its value in network order. Timestamps are microseconds since 2000-01-01 UTC.
"""

import struct
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER: Final = b"\xff\xff"

EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
# fields, device_id int4, quantity int2, measured_at int8, received_at int8, value float8, each after its length
_ROW: Final = struct.Struct("!hiiihiqiqid")
PACK_ROW: Final = _ROW.pack


class Row(NamedTuple):
    """The fields of a packed row, for the rare case that somebody has to look into one."""

    device_id: int
    quantity: int
    measured_at: datetime
    received_at: datetime
    value: float


def microseconds(instant: datetime) -> int:
    """Microseconds since 2000-01-01 UTC of an aware instant."""
    return (instant - EPOCH) // MICROSECOND


def pack_row(device_id: int, quantity: int, measured_us: int, received_us: int, value: float) -> bytes:
    """One reading as a COPY row; the times as `microseconds` gives them."""
    return _ROW.pack(5, 4, device_id, 2, quantity, 8, measured_us, 8, received_us, 8, value)


def unpack_row(row: bytes) -> Row:
    """The reverse of `pack_row`."""
    _, _, device_id, _, quantity, _, measured_us, _, received_us, _, value = _ROW.unpack(row)
    measured_at, received_at = (EPOCH + us * MICROSECOND for us in (measured_us, received_us))
    return Row(device_id, quantity, measured_at, received_at, value)
