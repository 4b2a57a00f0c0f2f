"""Why something that people wrote is refused, from what pydantic says of it. Pure."""

from pydantic import ValidationError
from pydantic_core import ErrorDetails


def causes(error: ValidationError) -> list[ErrorDetails]:
    """All that is wrong by itself: a list is not too short that only lacks a part which is wrong."""
    faults = error.errors()
    return [fault for fault in faults if fault["type"] != "too_short" or not _is_around_another(fault, faults)]


def _is_around_another(fault: ErrorDetails, faults: list[ErrorDetails]) -> bool:
    place = fault["loc"]
    return any(len(other["loc"]) > len(place) and other["loc"][: len(place)] == place for other in faults)
