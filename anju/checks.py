"""What `anju doctor` says of each thing it examines."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How a check ended."""

    GOOD = "good"
    WARNING = "warning"
    FAULT = "fault"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing examined.

    Attributes:
        name: what was examined.
        found: what was found.
        advice: what to do about it; empty where nothing is to be done.
    """

    name: str
    state: State
    found: str
    advice: str = ""

    def line(self) -> str:
        """For people."""
        advice = f"; {self.advice}" if self.advice else ""
        return f"{self.state.value:<8} {self.name}: {self.found}{advice}"

    def as_json(self) -> dict[str, str]:
        """For programs."""
        return {"check": self.name, "state": self.state.value, "found": self.found, "advice": self.advice}
